import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { Publications } from '../../../src/control/channels/redis/publications.ts';
import { RedisLog } from '../../../src/control/channels/redis/redis-log.ts';
import { createLog } from '../../../src/observe/log.ts';
import { eventually } from '../../harness/eventually.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';
import { HAS_REDIS } from '../../harness/redis-cluster.ts';
import { ask } from '../log-contract.ts';

const HISTORY = { size: 10_000, ttl: 0 };
const quiet = createLog({ write: () => {} } as never, 'silent' as never, {});

interface Machine {
  readonly log: RedisLog;
  readonly publications: Publications;
  readonly heard: string[];
  /** From now on what it appends arrives, but it learns of nothing: as if it died just then. */
  die(): Promise<void>;
}

async function startMachine(redis: RunningRedis): Promise<Machine> {
  const heard: string[] = [];
  const log = new RedisLog({
    place: redis.url,
    log: quiet,
    onMessage: (channel, { offset, data }) => heard.push(`${channel} ${offset} ${data}`),
  });
  let dead = false;
  const publications = new Publications({
    place: redis.url,
    log: quiet,
    append: async (channel, messages, history) => {
      await log.appendAll(channel, messages, history);
      if (dead) throw new Error('dead');
    },
    judge: (channel, data) => {
      if (!/^[a-z]+$/.test(channel)) return 'its channel is none';
      return data === '' ? 'it has no data' : { data, history: HISTORY };
    },
  });
  onTestFinished(async () => {
    await publications.close();
    await log.close();
  });
  for (const channel of ['a', 'b']) log.follow(channel);
  await ask(log, 'a', null);
  return {
    log,
    publications,
    heard,
    die: async () => {
      dead = true;
    },
  };
}

describe.skipIf(!HAS_REDIS)('services that publish through Redis', () => {
  let redis: RunningRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  beforeEach(async () => {
    await redis.client.flushall();
  });
  afterAll(() => redis?.stop());

  const publish = (channel: string, data: string) =>
    redis.client.xadd('sluice:publish', '*', 'channel', channel, 'data', data);

  it('are heard by all machines, each message once and in order', async () => {
    await publish('a', '0'); // before any machine is there
    const machines = [await startMachine(redis), await startMachine(redis)];
    for (let i = 1; i < 500; i++) await publish(i % 3 === 0 ? 'b' : 'a', `${i}`);
    for (const { heard } of machines) {
      await expect.poll(() => heard.filter((one) => one.startsWith('b')).length).toBe(166);
      await expect.poll(() => heard.filter((one) => one.startsWith('a')).length).toBeGreaterThanOrEqual(333);
      const numbers = (name: string) =>
        heard.filter((one) => one.startsWith(name)).map((one) => Number(one.split(' ')[2]));
      for (const name of ['a', 'b']) {
        expect(numbers(name)).toEqual([...new Set(numbers(name))].sort((x, y) => x - y));
      }
    }
    const { missed } = await ask(machines[0]!.log, 'a', {
      ...(await ask(machines[0]!.log, 'a', null)).head,
      offset: 0,
    });
    expect(missed).toHaveLength(334);
    expect(machines.filter(({ publications }) => publications.leads)).toHaveLength(1);
    // What was taken does not stay.
    await expect.poll(() => redis.client.xlen('sluice:publish')).toBe(0);
  });

  it('lose nothing and repeat nothing when the machine dies that takes their messages', async () => {
    const first = await startMachine(redis);
    await publish('a', '0');
    await expect.poll(() => first.heard).toContain('a 1 0');
    const second = await startMachine(redis);
    expect(first.publications.leads).toBe(true);
    await first.die();
    for (let i = 1; i <= 50; i++) await publish('a', `${i}`);
    // It has put them into the log, and never says so: the next one gets the same entries.
    await expect.poll(() => second.heard.length).toBe(50);
    await first.publications.close();
    await publish('a', '51');
    await expect.poll(() => second.heard.length, { timeout: 8000 }).toBe(51);
    expect(second.publications.leads).toBe(true);
    expect(second.heard).toEqual(Array.from({ length: 51 }, (_, i) => `a ${i + 2} ${i + 1}`));
  }, 15_000);

  it('are not stopped by what is no message', async () => {
    const { heard, publications } = await startMachine(redis);
    await redis.client.xadd('sluice:publish', '*', 'rubbish', 'x');
    await publish('NOT A CHANNEL', '1');
    await publish('a', '');
    await publish('a', '1');
    await expect.poll(() => heard).toEqual(['a 1 1']);
    expect(publications.counts).toMatchObject({ taken: 1, refused: 3 });
  });

  it('go on when Redis has lost everything', async () => {
    const { heard } = await startMachine(redis);
    await publish('a', '1');
    await expect.poll(() => heard.length).toBe(1);
    await redis.client.flushall();
    await eventually(
      async () => {
        await publish('a', '2');
        return heard.length > 1;
      },
      { withinMs: 8000, everyMs: 200 },
    );
    expect(heard[1]).toBe('a 1 2');
  }, 15_000);
});
