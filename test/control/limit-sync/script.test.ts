/** The script that Redis runs, in a real Redis: against the few lines that the simulation trusts, and what it says of windows, quotas and rooms. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RedisLimits, type Row } from '../../../src/services/store/limits/redis-limits.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';
import { chance } from '../../services/limits/reference.ts';
import { ModelRedis } from './machines.ts';

let redis: RunningRedis;
const machines: RedisLimits[] = [];

beforeAll(async () => {
  redis = await startRedis();
  for (const id of ['a1', 'b2', 'c3']) machines.push(new RedisLimits(redis.url, id, 2_000));
});
beforeEach(() => redis.client.flushall());
afterAll(async () => {
  for (const one of machines) one.close();
  await redis.stop();
});

/** A bucket so slow that no time passes. */
const still: Row = {
  h1: 1,
  h2: 2,
  kind: 'b',
  count: 1,
  periodMs: 1e9,
  cap: 100,
  used: 0,
  want: 0,
  demand: 0,
  start: 100,
};
const ask = async (machine: number, row: Partial<Row>) =>
  (await machines[machine]!.round([{ ...still, ...row }]))[0]!;

describe('a bucket', () => {
  it('does what the model of the simulation does', async () => {
    const random = chance(7);
    const model = new ModelRedis();
    for (let i = 0; i < 300; i++) {
      const machine = Math.floor(random() * 3);
      const row: Row = {
        ...still,
        h2: Math.floor(random() * 3),
        used: random() < 0.3 ? Math.floor(random() * 20) : 0,
        want: Math.floor(random() * 40) - 15,
        demand: Math.floor(random() * 1000) / 10,
        start: random() < 0.05 ? -1 - Math.floor(random() * 50) : 100,
      };
      const [expected] = model.run(machine, [row], 0);
      const { given, left } = await ask(machine, row);
      expect([i, given, left]).toEqual([i, expected!.given, expected!.left]);
    }
  });

  it('fills by the clock of Redis, up to its most', async () => {
    const row = { count: 100, periodMs: 1000, cap: 50, start: 50 };
    expect(await ask(0, { ...row, want: 50 })).toMatchObject({ given: 50, left: 0 });
    await sleep(200);
    const { left } = await ask(0, row);
    expect(left).toBeGreaterThanOrEqual(19);
    await sleep(600);
    expect((await ask(0, row)).left).toBe(50);
  });

  it('becomes a debt where more was used than there was, which is paid back first', async () => {
    const row = { count: 100, periodMs: 1000, cap: 10, start: 10 };
    const { left, hintMs } = await ask(0, { ...row, used: 40, want: 5 });
    expect(left).toBe(-30);
    expect(hintMs).toBeGreaterThan(300);
    await sleep(100);
    expect((await ask(1, { ...row, want: 5 })).given).toBe(0);
  });

  it('gives a request that waits all that it wants, or nothing', async () => {
    const strict = { demand: -1, cap: 10, start: 10 };
    expect((await ask(0, { ...strict, want: 7 })).given).toBe(7);
    expect((await ask(1, { ...strict, want: 7 })).given).toBe(0);
    expect((await ask(1, { ...strict, want: 3 })).given).toBe(3);
    expect((await ask(1, { ...strict, want: -3 })).left).toBe(3);
  });

  it('that Redis has lost begins with what the machines know', async () => {
    await ask(0, { want: 90 });
    await redis.client.flushall();
    expect((await ask(0, { want: 0, start: 10 })).left).toBe(10);
  });

  it.each(['b nonsense', 'b 1e999 5 x', 'w 1 2 3 ', 'q 9', '', 'b nan nan '])(
    'that is damaged in Redis begins anew: %s',
    async (text) => {
      await ask(0, {});
      const [key] = await redis.client.keys('sluice:limits:*');
      await redis.client.set(key!, text);
      const { given, left } = await ask(0, { want: 10 });
      expect(given).toBe(10);
      expect(left).toBeLessThanOrEqual(90);
    },
  );
});

describe('a window', () => {
  it('admits its most in one window, and weighs what came before', async () => {
    const row = { kind: 'w' as const, count: 10, periodMs: 1000, cap: 10, start: 10 };
    // From the beginning of a window.
    const [seconds, micros] = (await redis.client.time()) as unknown as [string, string];
    const now = Number(seconds) * 1000 + Number(micros) / 1000;
    await sleep(1000 - (now % 1000) + 5);
    expect((await ask(0, { ...row, want: 8 })).given).toBe(8);
    expect(await ask(1, { ...row, want: 8, demand: 5 })).toMatchObject({ given: 2, left: 0 });
    await sleep(1400);
    const { given } = await ask(0, { ...row, want: 10 });
    expect(given).toBeGreaterThan(0);
    expect(given).toBeLessThan(10);
  });

  it('takes back what was not used, and what was used without asking is a debt', async () => {
    const row = { kind: 'w' as const, count: 10, periodMs: 3_600_000, cap: 10, start: 10 };
    await ask(0, { ...row, want: 6 });
    expect((await ask(0, { ...row, want: -4 })).left).toBe(8);
    expect((await ask(1, { ...row, used: 12 })).left).toBe(-4);
  });
});

describe('a quota', () => {
  const quota = { kind: 'q' as const, count: 2 ** 32 - 1, periodMs: 60_000, start: 0 };

  it('is the sum of what all have counted', async () => {
    expect((await ask(0, { ...quota, used: 5 })).given).toBe(5);
    expect((await ask(1, { ...quota, used: 7 })).given).toBe(12);
    expect((await ask(0, { ...quota, used: 1, start: 5 })).given).toBe(13);
  });

  it('that Redis has lost is known by the machines: the highest count holds', async () => {
    await ask(0, { ...quota, used: 50 });
    await redis.client.flushall();
    expect((await ask(1, { ...quota, used: 2, start: 30 })).given).toBe(32);
    expect((await ask(0, { ...quota, used: 0, start: 50 })).given).toBe(50);
  });

  it('is not passed by requests that wait', async () => {
    const strict = { ...quota, count: 10, want: 4, used: 4 };
    expect((await ask(0, strict)).given).toBe(4);
    expect((await ask(1, strict)).given).toBe(8);
    expect((await ask(0, strict)).given).toBe(-1);
    expect((await ask(0, { ...strict, want: 0, used: -4 })).given).toBe(4);
  });
});

describe('room for requests in flight', () => {
  it('is given once, and free again when its machine does not speak', async () => {
    const row = { kind: 'h' as const, count: 10, periodMs: 1500 };
    expect((await ask(0, { ...row, want: 7 })).given).toBe(7);
    expect((await ask(1, { ...row, want: 7 })).given).toBe(3);
    expect((await ask(0, { ...row, want: 2 })).given).toBe(2);
    expect((await ask(1, { ...row, want: 7 })).given).toBe(7);
    await sleep(1800);
    expect((await ask(2, { ...row, want: 10 })).given).toBe(10);
  });
});

it('many keys are one call, and one that Redis has forgotten the script of is sent again', async () => {
  const before = machines[0]!.calls;
  const rows = Array.from({ length: 150 }, (_, h2) => ({ ...still, h2, want: 1 }));
  expect((await machines[0]!.round(rows)).every(({ given }) => given === 1)).toBe(true);
  await redis.client.script('FLUSH');
  expect((await machines[0]!.round(rows)).every(({ left }) => left === 98)).toBe(true);
  expect(machines[0]!.calls - before).toBe(2);
});

it('machines know each other, share one secret, and forget who is gone', async () => {
  const first = await machines[0]!.heartbeat(1500, '0123456789abcdef');
  const second = await machines[1]!.heartbeat(1500, 'fedcba9876543210');
  expect([first.machines, second.machines, first.seed, second.seed]).toEqual([
    1,
    2,
    '0123456789abcdef',
    '0123456789abcdef',
  ]);
  expect(Math.abs(second.wall - Date.now())).toBeLessThan(60_000);
  await machines[0]!.heartbeat(1500, second.seed, true);
  expect((await machines[1]!.heartbeat(1500, second.seed)).machines).toBe(1);
  await machines[0]!.heartbeat(1500, second.seed);
  await sleep(1800);
  expect((await machines[1]!.heartbeat(1500, second.seed)).machines).toBe(1);
});
