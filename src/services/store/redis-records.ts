/**
 * The records as Redis has them: a hash with all of them, a stream of what changed, and how far that has come. Change n
 * has the id `n-0` in the stream, so that whoever reads it sees a gap.
 */
import type { Redis } from 'ioredis';
import type { RecordKey } from './environment.js';
import { RedisLink, type RedisPlace } from './redis/redis-link.js';
import { StoreFault } from './store-fault.js';

const PREFIX = 'sluice:{records}';
const RECORDS = PREFIX;
const META = `${PREFIX}:meta`;
const CHANGES = `${PREFIX}:changes`;
const LOCK = `${PREFIX}:lock:`;

const ANSWER_WITHIN_MS = 2000;
const WAIT_MS = 1000;
const AT_ONCE = 1000;

/**
 * One write and its entry in the stream, if the record is what the writer thinks: `any`, `none`, or `same` as a text.
 * Writers name the epoch they know: nothing is written to a Redis that has lost its records.
 */
const WRITE = `
if redis.call('HGET', KEYS[2], 'epoch') ~= ARGV[1] then return { -1 } end
local key, condition, expected, text, quiet = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local before = redis.call('HGET', KEYS[1], key) or ''
if condition == 'none' and before ~= '' then return { 0 } end
if condition == 'same' and before ~= expected then return { 0 } end
if text == '' then
  if redis.call('HDEL', KEYS[1], key) == 0 then return { 0 } end
else
  redis.call('HSET', KEYS[1], key, text)
end
local n = redis.call('HINCRBY', KEYS[2], 'n', 1)
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, string.format('%d-0', n), 'key', key, 'text', text, 'quiet', quiet)
return { 1, n }`;

const SERVER = `return redis.call('INFO', 'server')`;

const UNLOCK = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`;

/** Where a store stands. */
export interface Position {
  /** Which start of which Redis: after a restart it may have lost its last changes. */
  readonly run: string;
  /** Which set of records; empty: none yet, or all lost. */
  readonly epoch: string;
  /** The last change. */
  readonly n: number;
}

export interface Entry {
  readonly n: number;
  readonly key: RecordKey;
  /** undefined: removed. */
  readonly text: string | undefined;
  readonly quiet: boolean;
}

export interface Write {
  readonly key: RecordKey;
  readonly text: string | undefined;
  readonly quiet: boolean;
  /** What must be there: null is nothing; undefined does not mind. */
  readonly expected?: string | null;
}

/** `lost`: it is another set of records than the writer knows. */
export type Written = { readonly result: 'done'; readonly n: number } | { readonly result: 'other' | 'lost' };

export class RedisRecords {
  readonly #commands: RedisLink;
  /** Blocked most of the time. */
  readonly #waiting: RedisLink;

  constructor(place: RedisPlace) {
    this.#commands = new RedisLink(place, ANSWER_WITHIN_MS);
    this.#waiting = new RedisLink(place, ANSWER_WITHIN_MS + WAIT_MS);
  }

  async position(): Promise<Position> {
    return await this.#commands.use(async (redis) => {
      const [info, [epoch, n]] = await Promise.all([
        // By a script, so that a Cluster asks the node that has the records.
        redis.eval(SERVER, 1, META) as Promise<string>,
        redis.hmget(META, 'epoch', 'n'),
      ]);
      return { run: /^run_id:(\w+)/m.exec(info)?.[1] ?? '', epoch: epoch ?? '', n: Number(n ?? 0) };
    });
  }

  async write(epoch: string, { key, text = '', quiet, expected }: Write): Promise<Written> {
    const condition = expected === undefined ? 'any' : expected === null ? 'none' : 'same';
    const args = [epoch, key, condition, expected ?? '', text, quiet ? '1' : ''];
    const [done, n] = await this.#commands.use(
      (redis) => redis.eval(WRITE, 3, RECORDS, META, CHANGES, ...args) as Promise<[number, number]>,
    );
    if (done === 1) return { result: 'done', n };
    return { result: done === 0 ? 'other' : 'lost' };
  }

  /** Changes behind n, a thousand at most. */
  async changesAfter(n: number): Promise<Entry[]> {
    const entries = await this.#commands.use((redis) =>
      redis.xrange(CHANGES, `${n + 1}-0`, '+', 'COUNT', AT_ONCE),
    );
    return entries.map(entryOf);
  }

  /** The same, but waits a second for the first one. */
  async nextChanges(n: number): Promise<Entry[]> {
    const answer = await this.#waiting.use((redis) =>
      redis.xread('COUNT', AT_ONCE, 'BLOCK', WAIT_MS, 'STREAMS', CHANGES, `${n}-0`),
    );
    return (answer?.[0]?.[1] ?? []).map(entryOf);
  }

  /** All records. What changes meanwhile may be seen or not. */
  async all(): Promise<Map<RecordKey, string>> {
    const found = new Map<RecordKey, string>();
    let cursor = '0';
    do {
      const [next, fields] = await this.#commands.use((redis) =>
        redis.hscan(RECORDS, cursor, 'COUNT', AT_ONCE),
      );
      for (let i = 0; i < fields.length; i += 2) found.set(fields[i], fields[i + 1]);
      cursor = next;
    } while (cursor !== '0');
    return found;
  }

  /** Makes the records those of a machine that knows more. The position comes last: until then they do not count. */
  async restore(records: ReadonlyMap<RecordKey, string>, epoch: string, n: number): Promise<void> {
    const before = await this.all();
    await this.#commands.use(async (redis) => {
      const different = [...records].filter(([key, text]) => before.get(key) !== text);
      for (const batch of batches(different)) await redis.hset(RECORDS, ...batch.flat());
      const surplus = [...before.keys()].filter((key) => !records.has(key));
      for (const batch of batches(surplus)) await redis.hdel(RECORDS, ...batch);
      await done(
        redis
          .multi()
          .del(CHANGES)
          .hset(META, { epoch, n: String(n) }),
      );
    });
  }

  async lock(name: string, token: string, ttlMs: number): Promise<boolean> {
    return await this.#commands.use(
      async (redis) => (await redis.set(LOCK + name, token, 'PX', ttlMs, 'NX')) === 'OK',
    );
  }

  async unlock(name: string, token: string): Promise<void> {
    await this.#commands.use((redis) => redis.eval(UNLOCK, 1, LOCK + name, token));
  }

  close(): void {
    this.#commands.close();
    this.#waiting.close();
  }
}

function entryOf([id, fields]: [id: string, fields: string[]]): Entry {
  const { key = '', text, quiet } = Object.fromEntries(pairs(fields));
  return { n: Number.parseInt(id, 10), key, text: text || undefined, quiet: quiet === '1' };
}

function pairs(fields: readonly string[]): [string, string][] {
  return Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i], fields[2 * i + 1]]);
}

function* batches<T>(list: readonly T[]): Iterable<T[]> {
  for (let i = 0; i < list.length; i += AT_ONCE) yield list.slice(i, i + AT_ONCE);
}

async function done(transaction: ReturnType<Redis['multi']>): Promise<void> {
  for (const [error] of (await transaction.exec()) ?? []) {
    if (error !== null) throw new StoreFault('Redis refused a transaction');
  }
}
