/** Brings the records of this machine and those in Redis together, at first and after either may have lost some. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalCopy } from './local-copy.js';
import type { Position, RedisRecords } from './redis-records.js';
import { StoreFault } from './store-fault.js';

const LOCK_MS = 30_000;
const WAIT_MS = 5000;
const POLL_MS = 25;

/** For `log`: what has happened to whole sets of records. */
export type Notice = (message: string, fields: Record<string, number>) => void;

/**
 * Redis is the truth, unless it has lost records that this machine still has: it came back empty, or without its last
 * changes. Afterwards all that is there is here.
 */
export async function settle(local: LocalCopy, redis: RedisRecords, notice: Notice): Promise<void> {
  const there = await redis.position();
  const here = local.position();
  if (agree(here, there) && (await catchUp(local, redis, there.n))) return;
  // Who has nothing to give takes what is there, whatever others are doing.
  if (knowsMore(here, there) || (here.epoch === '' && local.all().size > 0)) {
    await exclusively(redis, () => give(local, redis, notice));
  }
  const position = await redis.position();
  const gone = local.replace(await redis.all(), position);
  if (gone > 0) notice('records that Redis does not have were removed', { records: gone });
  await catchUp(local, redis, position.n);
}

/** Applies what came after the copy here. False: Redis no longer remembers all of it. */
export async function catchUp(local: LocalCopy, redis: RedisRecords, upTo: number): Promise<boolean> {
  for (;;) {
    const { n, epoch } = local.position();
    if (n >= upTo) return true;
    const entries = await redis.changesAfter(n);
    if (entries.length === 0 || !local.apply(entries, epoch)) return false;
  }
}

function agree(here: Position, there: Position): boolean {
  return here.run === there.run && here.epoch === there.epoch && here.n <= there.n;
}

function knowsMore(here: Position, there: Position): boolean {
  return there.epoch === '' || (here.epoch === there.epoch && here.n > there.n);
}

/** What Redis lacks and this machine has. Another machine may have been quicker meanwhile. */
async function give(local: LocalCopy, redis: RedisRecords, notice: Notice): Promise<void> {
  const here = local.position();
  const there = await redis.position();
  const records = local.all();
  if (knowsMore(here, there)) {
    await redis.restore(records, here.epoch || randomUUID(), here.n);
    if (records.size > 0) notice('Redis lacked records and has them again', { records: records.size });
  } else if (here.epoch === '') {
    // Records from before this machine knew Redis join the others, which are left as they are.
    const { epoch } = there;
    for (const [key, text] of records) await redis.write(epoch, { key, text, quiet: false, expected: null });
  }
}

/** Not two machines at a time. Whoever finds the lock taken waits for a while, because a gateway without records is of no use. */
async function exclusively(redis: RedisRecords, action: () => Promise<void>): Promise<void> {
  const token = randomUUID();
  const deadline = performance.now() + WAIT_MS;
  while (!(await redis.lock('settle', token, LOCK_MS))) {
    if (performance.now() > deadline) throw new StoreFault('another machine is bringing records to Redis');
    await sleep(POLL_MS);
  }
  try {
    await action();
  } finally {
    await redis.unlock('settle', token);
  }
}
