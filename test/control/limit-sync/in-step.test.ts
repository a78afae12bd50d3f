/** Two machines in one process, each with its table and its primary's part, and a real Redis: what is counted here is known there. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { dumpQuotas } from '../../../src/services/limits/quota-dump.ts';
import { eventually } from '../../harness/eventually.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';
import { admitted, Machine, times } from './machine.ts';

async function openRedis(): Promise<RunningRedis> {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  return redis;
}

async function pair(redis: RunningRedis): Promise<[Machine, Machine]> {
  const machines: [Machine, Machine] = [await Machine.open(redis.url), await Machine.open(redis.url)];
  await eventually(() => machines.every(({ memory }) => memory.board.machines === 2) || undefined);
  return machines;
}

describe('a quota', () => {
  const daily = { algorithm: 'quota', max: 100, per: 'day' };

  it('is counted together, and known on both', async () => {
    const [here, there] = await pair(await openRedis());
    const [askHere, askThere] = [here.under(daily), there.under(daily)];
    times(7, askHere);
    times(5, askThere);
    await eventually(() => askHere().remaining < 100 - 13 || undefined);
    await eventually(() => Math.abs(askHere().remaining - askThere().remaining) <= 2 || undefined);
    // Nothing is counted twice: what the two have asked, and nothing else.
    let left = 0;
    await eventually(() => {
      const before = left;
      left = askThere().remaining;
      return before === left + 1 || undefined;
    });
    times(200, askHere);
    await eventually(() => !askThere().admitted || undefined);
    await eventually(() => !askHere().admitted || undefined);
  });

  it('that was written down and read again is not counted twice', async () => {
    const redis = await openRedis();
    const here = await Machine.open(redis.url);
    times(30, here.under(daily));
    await eventually(async () => (await redis.client.keys('sluice:limits:*')).length > 0 || undefined);
    await eventually(() => here.sync.counts.keys > 0 || undefined);
    const dump = dumpQuotas(here.memory, here.memory.clock.now());
    await here.sync.close();
    const later = await Machine.open(redis.url, dump);
    const ask = later.under(daily);
    expect(ask().remaining).toBe(69);
    const rounds = later.sync.counts.keys;
    await eventually(() => later.sync.counts.keys > rounds || undefined);
    expect(ask().remaining).toBe(68);
  });

  it('has while Redis is away this machine its share of what is left, and is whole again afterwards', async () => {
    const redis = await openRedis();
    const [here, there] = await pair(redis);
    const [askHere, askThere] = [here.under(daily), there.under(daily)];
    times(20, askHere);
    await eventually(() => askThere().remaining < 79 || undefined);
    await redis.kill();
    await eventually(() => (here.memory.board.away && there.memory.board.away) || undefined);
    const alone = admitted(times(200, askHere)) + admitted(times(200, askThere));
    expect(alone).toBeGreaterThanOrEqual(50);
    expect(alone).toBeLessThanOrEqual(82);
    await redis.restart();
    await eventually(() => (!here.memory.board.away && !there.memory.board.away) || undefined);
    await eventually(() => (!askHere().admitted && !askThere().admitted) || undefined);
  });
});

describe('requests in flight', () => {
  it('are counted together, and what one gives back the other may have', async () => {
    const [here, there] = await pair(await openRedis());
    const few = { algorithm: 'concurrency', max: 6 };
    const [askHere, askThere] = [here.under(few), there.under(few)];
    const holds: number[] = [];
    await eventually(() => {
      const one = askHere();
      if (one.admitted) holds.push(one.hold);
      return holds.length === 6 || undefined;
    });
    expect(askHere().admitted).toBe(false);
    // Before it has asked, it may have its share; when it knows, none.
    const extra = times(6, askThere).filter((one) => one.admitted);
    expect(extra.length).toBeLessThanOrEqual(3);
    for (const { hold } of extra) there.release(hold);
    await eventually(() => {
      const one = askThere();
      there.release(one.hold);
      return !one.admitted || undefined;
    });
    for (const hold of holds) here.release(hold);
    let got = 0;
    await eventually(
      () => {
        if (askThere().admitted) got++;
        return got === 6 || undefined;
      },
      { withinMs: 10_000 },
    );
    expect(askThere().admitted).toBe(false);
  });
});

describe('room for requests in flight that was given back', () => {
  it('is there for a crowd that comes a moment later', async () => {
    const here = await Machine.open((await openRedis()).url);
    const ask = here.under({ algorithm: 'concurrency', max: 6 });
    for (const { hold } of times(6, ask)) here.release(hold);
    // Given back, and not yet too old to be believed.
    await sleep(1_500);
    expect(admitted(times(7, ask))).toBe(6);
  });
});

describe('a machine that began without Redis', () => {
  it('takes the common secret when it reaches Redis: its keys are those of the others', async () => {
    const redis = await openRedis();
    const here = await Machine.open(redis.url);
    const port = new URL(redis.url).port;
    const seed = here.memory.board.seed;
    await redis.client.config('SET', 'save', '3600 1');
    await redis.client.save();
    await redis.kill();
    const there = await Machine.open(`redis://127.0.0.1:${port}`);
    const ask = there.under({ rate: '10/min' });
    expect(ask().admitted).toBe(true);
    expect(there.memory.board.seed).not.toEqual(seed);
    await redis.restart();
    await eventually(() => there.memory.board.seed.every((word, i) => word === seed[i]) || undefined);
    there.memory.followSeed();
    const askHere = here.under({ rate: '10/min' });
    let got = 0;
    await eventually(() => {
      if (askHere().admitted) got++;
      return got >= 9 || undefined;
    });
    await eventually(() => !ask().admitted || undefined);
  });
});

describe('a machine whose clock is wrong by an hour', () => {
  it('has the time of Redis', async () => {
    const redis = await openRedis();
    const right = Date.now();
    const wrong = vi.spyOn(Date, 'now').mockImplementation(() => right - 3_600_000);
    onTestFinished(() => wrong.mockRestore());
    const machine = await Machine.open(redis.url);
    expect(machine.sync.wall() - right).toBeGreaterThan(-1000);
    expect(machine.sync.wall() - right).toBeLessThan(60_000);
    const { clock } = machine.memory;
    expect(clock.calendar(clock.now()) - right).toBeGreaterThan(-1000);
  });
});
