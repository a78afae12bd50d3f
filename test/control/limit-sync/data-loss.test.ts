/** Redis forgets everything while several machines count with it: what they know is with Redis again soon. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';
import { Machine } from './machine.ts';

async function open(count: number): Promise<{ redis: RunningRedis; machines: Machine[] }> {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const machines: Machine[] = [];
  for (let i = 0; i < count; i++) machines.push(await Machine.open(redis.url));
  await eventually(() => machines.every(({ memory }) => memory.board.machines === count) || undefined);
  return { redis, machines };
}

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
