/** Connections break at random while much is said: nothing is told twice, nothing that was accepted is missed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import type { Position } from '../../../src/control/channels/log.ts';
import { RedisLog } from '../../../src/control/channels/redis/redis-log.ts';
import { createLog } from '../../../src/observe/log.ts';
import { startRedis } from '../../harness/redis.ts';
import { HAS_REDIS } from '../../harness/redis-cluster.ts';

const HISTORY = { size: 20_000, ttl: 0 };
const CHANNELS = ['a', 'b', 'c'];
const RUN_MS = 2500;
const quiet = createLog({ write: () => {} } as never, 'silent' as never, {});

it.skipIf(!HAS_REDIS)(
  'channels of three machines miss nothing while connections break',
  async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const machines = Array.from({ length: 3 }, () => {
      const heard = new Map(CHANNELS.map((name) => [name, [] as { offset: number; data: string }[]]));
      const log = new RedisLog({
        place: redis.url,
        log: quiet,
        onMessage: (channel, message) => heard.get(channel)!.push(message),
      });
      onTestFinished(() => log.close());
      return { log, heard };
    });
    const begin = new Map<string, Position>();
    for (const { log } of machines) {
      for (const name of CHANNELS) {
        log.follow(name);
        await log.recover(name, null, HISTORY, ({ head }) => begin.set(name, head));
      }
    }
    const until = performance.now() + RUN_MS;
    const accepted = new Map(CHANNELS.map((name) => [name, new Map<number, string>()]));
    let n = 0;
    const publishers = machines.map(async ({ log }) => {
      while (performance.now() < until) {
        const name = CHANNELS[n % 3]!;
        const data = String(n++);
        const position = await log.append(name, data, HISTORY).catch(() => null);
        if (position === null) await sleep(5);
        else accepted.get(name)!.set(position.offset, data);
      }
    });
    let answers = 0;
    const wrong: string[] = [];
    const askers = machines.map(async ({ log, heard }) => {
      while (performance.now() < until) {
        const name = CHANNELS[answers % 3]!;
        const ask = log.recover(name, begin.get(name)!, HISTORY, ({ head, recovered, missed }) => {
          answers++;
          const told = heard.get(name)!;
          // At its place: all up to the head were told here, and none after it.
          if (!recovered || head.offset !== (told.at(-1)?.offset ?? 0) || missed.length !== head.offset)
            wrong.push(`${head.offset} ${told.at(-1)?.offset} ${missed.length}`);
        });
        await ask.catch(() => {});
        await sleep(7);
      }
    });
    while (performance.now() < until) {
      await sleep(60);
      await redis.client.call(
        'CLIENT',
        'KILL',
        'TYPE',
        Math.random() < 0.5 ? 'PUBSUB' : 'NORMAL',
        'SKIPME',
        'YES',
      );
    }
    await Promise.all([...publishers, ...askers]);
    expect(wrong).toEqual([]);
    expect(answers).toBeGreaterThan(0);
    for (const name of CHANNELS) {
      const last = Number(await redis.client.hget(`sluice:channel:{${name}}:state`, 'offset'));
      expect(last).toBeGreaterThan(0);
      for (const { heard } of machines) {
        const told = heard.get(name)!;
        await expect.poll(() => told.length, { timeout: 10_000 }).toBe(last);
        expect(told.every(({ offset }, i) => offset === i + 1)).toBe(true);
        for (const [offset, data] of accepted.get(name)!) expect(told[offset - 1]!.data).toBe(data);
      }
    }
  },
  30_000,
);
