/** Redis forgets everything while several machines count with it: what they know is with Redis again soon. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { MemoryOptions } from '../../../src/services/limits/memory.ts';
import { dumpQuotas } from '../../../src/services/limits/quota-dump.ts';
import { DUE, dueAfter, HASH, QUOTA } from '../../../src/shared/slots.ts';
import { eventually } from '../../harness/eventually.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';
import { admitted, Machine, times } from './machine.ts';

async function open(
  count: number,
  options?: MemoryOptions,
): Promise<{ redis: RunningRedis; machines: Machine[] }> {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const machines: Machine[] = [];
  for (let i = 0; i < count; i++) machines.push(await Machine.open(redis.url, undefined, options));
  await eventually(() => machines.every(({ memory }) => memory.board.machines === count) || undefined);
  return { redis, machines };
}

async function quotas(redis: RunningRedis): Promise<string[]> {
  const keys = await redis.client.keys('sluice:limits:*');
  const texts = keys.length === 0 ? [] : await redis.client.mget(keys);
  return texts.filter((text) => text?.startsWith('q ')) as string[];
}

/** What Redis has counted of the only quota. */
async function counted(redis: RunningRedis): Promise<number> {
  const texts = await quotas(redis);
  return Number(texts[0]?.split(' ')[1] ?? 0);
}

const reaches = (redis: RunningRedis, count: number) =>
  eventually(async () => (await counted(redis)) === count || undefined, {
    what: `a count of ${count} in Redis`,
    withinMs: 10_000,
  });

const restart = async (redis: RunningRedis, machines: readonly Machine[], meanwhile = () => {}) => {
  await redis.kill();
  await eventually(() => machines.every(({ memory }) => memory.board.away) || undefined);
  meanwhile();
  await redis.restart();
};

/** The lowest number of machines that any of these has believed in within this time. */
async function fewest(machines: readonly Machine[], ms: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (const end = performance.now() + ms; performance.now() < end; await sleep(5)) {
    for (const { memory } of machines) least = Math.min(least, memory.board.machines);
  }
  return least;
}

describe('the number of machines', () => {
  it('stays what it was while Redis, which has lost its data, hears of them again', async () => {
    const { redis, machines } = await open(3);
    await redis.client.flushall();
    expect(await fewest(machines, 5_000)).toBe(3);
    await redis.kill();
    await eventually(() => machines.every(({ memory }) => memory.board.away) || undefined);
    await redis.restart();
    expect(await fewest(machines, 5_000)).toBe(3);
    // Whoever leaves is not reckoned with for longer than that.
    await machines.pop()!.sync.close();
    await eventually(() => machines.every(({ memory }) => memory.board.machines === 2) || undefined, {
      withinMs: 10_000,
    });
  }, 30_000);
});

describe('the common secret', () => {
  const SEED = 'sluice:{limits}:seed';

  /** A machine that has started while Redis was away, which is now back without its data. */
  async function late(): Promise<{ redis: RunningRedis; machine: Machine }> {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    await redis.kill();
    const machine = await Machine.open(redis.url);
    await redis.restart();
    await eventually(() => redis.client.exists('sluice:{limits}:machines').then(Boolean), {
      withinMs: 10_000,
    });
    return { redis, machine };
  }

  it('is brought by those that counted with it, not by a machine that has started meanwhile', async () => {
    const { redis, machine } = await late();
    expect(await redis.client.get(SEED)).toBeNull();
    expect(machine.memory.board.away).toBe(true);
    await redis.client.set(SEED, '0102030405060708');
    await eventually(() => !machine.memory.board.away);
    expect([...machine.memory.board.seed]).toEqual([0x04030201, 0x08070605]);
  });

  it('is brought by a machine that has started meanwhile when nobody else does', async () => {
    const { redis, machine } = await late();
    await eventually(() => !machine.memory.board.away, { withinMs: 15_000 });
    expect(await redis.client.get(SEED)).toMatch(/^[0-9a-f]{16}$/);
  }, 20_000);
});

describe('a quota', () => {
  const daily = { algorithm: 'quota', max: 10, per: 'day' };

  it.each([
    ['is restarted', (redis: RunningRedis, machines: Machine[]) => restart(redis, machines)],
    ['is emptied', (redis: RunningRedis) => redis.client.flushall()],
  ])(
    'is not admitted again when Redis %s, also by a machine that knows less of it',
    async (_, lose) => {
      const { redis, machines } = await open(2);
      const [askHere, askThere] = machines.map((machine) => machine.under(daily));
      expect(askHere!().admitted).toBe(true);
      await reaches(redis, 1);
      expect(admitted(times(9, askThere!))).toBe(9);
      await reaches(redis, 10);
      await lose(redis, machines);
      await reaches(redis, 10);
      let more = 0;
      for (let i = 0; i < 10; i++, await sleep(50)) if (askHere!().admitted) more++;
      // Until Redis has answered the first of them.
      expect(more).toBeLessThanOrEqual(4);
    },
    20_000,
  );

  it('is the sum of what machines have counted apart, when Redis comes back without its data', async () => {
    const { redis, machines } = await open(4);
    const asks = machines.map((machine) => machine.under({ ...daily, max: 1000 }));
    // Each knows of more than the one before: what that one reports first must not be lost.
    for (const [i, ask] of asks.entries()) {
      times(10, ask);
      await reaches(redis, 10 * (i + 1));
    }
    await restart(redis, machines, () => {
      for (const ask of asks) times(3, ask);
    });
    await reaches(redis, 52);
    // No more either, and nobody has another number.
    await sleep(1000);
    for (const ask of asks) ask();
    await reaches(redis, 56);
  }, 20_000);

  it('counts what was on disk, when Redis has lost it while the gateway was down', async () => {
    const { redis, machines } = await open(1);
    times(7, machines[0]!.under(daily));
    await reaches(redis, 7);
    const dump = dumpQuotas(machines[0]!.memory, machines[0]!.memory.clock.now());
    await machines[0]!.sync.close();
    const seed = await redis.client.get('sluice:{limits}:seed');
    await redis.client.flushall();
    await redis.client.set('sluice:{limits}:seed', seed!);
    await Machine.open(redis.url, dump);
    await reaches(redis, 7);
  });

  it('of many keys is told to Redis again, some in each round', async () => {
    const count = 5_000;
    const { redis, machines } = await open(1, { keys: 2 * count, workers: 1, holdsPerWorker: 1 });
    const { table, clock, board } = machines[0]!.memory;
    const now = clock.now();
    for (let i = 1; i <= count; i++) {
      const h1 = Math.imul(i, 0x9e3779b1);
      const p = table.obtain(h1, i, QUOTA, 3, now);
      Atomics.store(table.words, p + HASH, h1);
      table.extend(p, Atomics.load(table.words, p + DUE), dueAfter(now + 3_600_000));
      board.mark(p);
    }
    const stored = async () => (await quotas(redis)).length;
    const all = () => eventually(async () => (await stored()) === count || undefined, { withinMs: 15_000 });
    await all();
    await restart(redis, machines);
    await all();
    expect(new Set(await quotas(redis))).toEqual(new Set(['q 3']));
  }, 40_000);
});
