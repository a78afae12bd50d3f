import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { LogUnavailable, type OnMessage } from '../../../src/control/channels/log.ts';
import { RedisLog } from '../../../src/control/channels/redis/redis-log.ts';
import { createLog } from '../../../src/observe/log.ts';
import { eventually } from '../../harness/eventually.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';
import { HAS_REDIS } from '../../harness/redis-cluster.ts';
import { ask, itKeepsTheContract } from '../log-contract.ts';

const HISTORY = { size: 1000, ttl: 0 };
const quiet = createLog({ write: () => {} } as never, 'silent' as never, {});

function makeLog(redis: RunningRedis, onMessage: OnMessage = () => {}): RedisLog {
  const log = new RedisLog({ place: redis.url, onMessage, log: quiet });
  onTestFinished(() => log.close());
  return log;
}

/** One that writes down what it hears of a channel: `epoch offset data`. */
async function listening(redis: RunningRedis, channel = 'a') {
  const heard: string[] = [];
  const log = makeLog(redis, (_, { offset, data }, epoch) => heard.push(`${epoch} ${offset} ${data}`));
  log.follow(channel);
  await ask(log, channel, null);
  return { log, heard };
}

describe.skipIf(!HAS_REDIS)('a log in Redis', () => {
  let redis: RunningRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  beforeEach(async () => {
    await redis.client.flushall();
  });
  afterAll(() => redis?.stop());

  itKeepsTheContract(async (onMessage) => ({ log: makeLog(redis, onMessage), passTime: (ms) => sleep(ms) }));

  it('tells every machine each message once and in order, whoever says it', async () => {
    const machines = [await listening(redis), await listening(redis), await listening(redis)];
    await Promise.all(
      Array.from({ length: 300 }, (_, i) => machines[i % 3]!.log.append('a', `${i}`, HISTORY)),
    );
    for (const { heard } of machines) {
      await expect.poll(() => heard.length).toBe(300);
      expect(heard.map((one) => Number(one.split(' ')[1]))).toEqual(
        Array.from({ length: 300 }, (_, i) => i + 1),
      );
    }
    expect(machines[0]!.heard).toEqual(machines[2]!.heard);
  });

  it('follows no more channels than it may', () => {
    const log = makeLog(redis);
    log.resize(2);
    for (const channel of ['a', 'b', 'a']) log.follow(channel);
    expect(() => log.follow('c')).toThrow(LogUnavailable);
    log.unfollow('a');
    log.follow('c');
  });

  it('gives on one machine exactly what was missed on another', async () => {
    const a = makeLog(redis);
    const b = makeLog(redis);
    const at = await a.append('a', '1', HISTORY);
    for (const data of ['2', '3']) await b.append('a', data, HISTORY);
    const recovery = await ask(b, 'a', at);
    expect(recovery).toMatchObject({ recovered: true, head: { offset: 3, epoch: at.epoch } });
    expect(recovery.missed).toEqual([
      { offset: 2, data: '2' },
      { offset: 3, data: '3' },
    ]);
  });

  it('tells what it missed while its connection was cut', async () => {
    const { heard, log } = await listening(redis);
    const other = makeLog(redis);
    await other.append('a', '1', HISTORY);
    await expect.poll(() => heard.length).toBe(1);
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'PUBSUB');
    for (const data of ['2', '3', '4']) await other.append('a', data, HISTORY);
    await expect.poll(() => heard.map((one) => one.split(' ')[2])).toEqual(['1', '2', '3', '4']);
    expect(log.counts).toMatchObject({ healed: 3, gaps: 0 });
  });

  it('misses nothing on a channel that is followed without a question, once it has been heard of', async () => {
    const heard: string[] = [];
    const log = makeLog(redis, (_, { data }) => heard.push(data));
    log.follow('a');
    await expect.poll(() => redis.client.call('PUBSUB', 'NUMSUB', 'sluice:channel:{a}')).toContain(1);
    const other = makeLog(redis);
    for (const i of [1, 2, 3, 4]) {
      // The first time, nobody knows more than that the connection is back.
      await redis.client.call('CLIENT', 'KILL', 'TYPE', 'PUBSUB');
      if (i === 1) await expect.poll(() => redis.client.exists('sluice:channel:{a}:state')).toBe(1);
      await other.append('a', `${i}`, HISTORY);
    }
    await expect.poll(() => heard).toEqual(['1', '2', '3', '4']);
  });

  it('fills a hole from the log, and tells what is no longer there as a later offset', async () => {
    const { heard, log } = await listening(redis);
    const { epoch } = await log.append('a', '1', HISTORY);
    await expect.poll(() => heard.length).toBe(1);
    const say = (offset: number) => redis.client.publish('sluice:channel:{a}', `${epoch} ${offset} "forged"`);
    // Said past the script, as if two had been lost on the way.
    for (const data of ['2', '3', '4']) {
      await redis.client.hincrby('sluice:channel:{a}:state', 'offset', 1);
      await redis.client.xadd('sluice:channel:{a}:log', `${data}-0`, 'd', data, 't', '9999999999999');
    }
    await redis.client.hset('sluice:channel:{a}:state', 'latest', '4');
    await say(4);
    await expect.poll(() => heard.map((one) => one.split(' ')[2])).toEqual(['1', '2', '3', '4']);
    await redis.client.hset('sluice:channel:{a}:state', 'offset', 9, 'latest', '9');
    await say(9);
    await expect.poll(() => heard.at(-1)).toBe(`${epoch} 9 9`);
    expect(log.counts).toMatchObject({ healed: 3, gaps: 1 });
    // And never anything twice.
    await say(3);
    await log.append('a', '10', HISTORY);
    await expect.poll(() => heard.at(-1)).toBe(`${epoch} 10 10`);
    expect(heard).toHaveLength(6);
  });

  it('begins again when Redis has lost everything, and says so to those who come back', async () => {
    const { heard, log } = await listening(redis);
    const before = await log.append('a', '1', HISTORY);
    await redis.client.flushall();
    const after = await log.append('a', '2', HISTORY);
    expect(after.offset).toBe(1);
    expect(after.epoch).not.toBe(before.epoch);
    await expect.poll(() => heard).toEqual([`${before.epoch} 1 1`, `${after.epoch} 1 2`]);
    expect(await ask(log, 'a', before)).toMatchObject({
      recovered: false,
      head: after,
      latest: { data: '2' },
    });
  });

  it('begins again when Redis has lost its last messages, because their offsets would be given twice', async () => {
    const { heard, log } = await listening(redis);
    for (const data of ['1', '2', '3']) await log.append('a', data, HISTORY);
    const { head } = await ask(log, 'a', null);
    await expect.poll(() => heard.length).toBe(3);
    await redis.client.hset('sluice:channel:{a}:state', 'offset', 1, 'latest', '1');
    await redis.client.xtrim('sluice:channel:{a}:log', 'MAXLEN', 0);
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'PUBSUB');
    await eventually(async () => (await ask(log, 'a', null)).head.epoch !== head.epoch, {
      what: 'another epoch',
    });
    await log.append('a', '4', HISTORY);
    expect(await ask(log, 'a', head)).toMatchObject({ recovered: false, latest: { offset: 1, data: '4' } });
  });

  it('refuses at once while Redis is away, and tells afterwards what was said meanwhile', async () => {
    const own = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    onTestFinished(() => own.stop());
    const { heard, log } = await listening(own);
    const { epoch } = await log.append('a', '1', HISTORY);
    await own.kill();
    await expect(log.append('a', 'lost', HISTORY)).rejects.toThrow(LogUnavailable);
    const from = performance.now();
    await expect(log.append('a', 'lost', HISTORY)).rejects.toThrow(LogUnavailable);
    await expect(ask(log, 'a', null)).rejects.toThrow(LogUnavailable);
    expect(performance.now() - from).toBeLessThan(1000);
    await own.restart();
    // By a machine that is back earlier.
    const other = makeLog(own);
    await eventually(() => other.append('a', '2', HISTORY).catch(() => null));
    await expect.poll(() => heard, { timeout: 5000 }).toEqual([`${epoch} 1 1`, `${epoch} 2 2`]);
    await eventually(() => log.append('a', '3', HISTORY).catch(() => null));
    await expect.poll(() => heard.at(-1)).toBe(`${epoch} 3 3`);
  });

  it('does not wait for a Redis that has stopped answering', async () => {
    const own = await startRedis();
    onTestFinished(() => own.stop());
    const { log } = await listening(own);
    own.pause();
    const from = performance.now();
    await expect(log.append('a', '1', HISTORY)).rejects.toThrow(LogUnavailable);
    await expect(log.append('a', '1', HISTORY)).rejects.toThrow(LogUnavailable);
    expect(performance.now() - from).toBeLessThan(8000);
    own.resume();
    await eventually(() => log.append('a', '2', HISTORY).catch(() => null), { withinMs: 10_000 });
  }, 20_000);

  it('gives a long history whole, also when it is read in parts', async () => {
    const { heard, log } = await listening(redis);
    const history = { size: 5000, ttl: 600_000 };
    await Promise.all(Array.from({ length: 5300 }, (_, i) => log.append('a', `${i}`, history)));
    const { head, oldest } = await ask(log, 'a', null, history);
    expect([head.offset, oldest]).toEqual([5300, 300]);
    const { missed, recovered } = await ask(log, 'a', { ...head, offset: 300 }, history);
    expect(recovered).toBe(true);
    expect(missed.map(({ offset, data }) => offset - Number(data))).toEqual(Array(5000).fill(1));
    const late = await ask(log, 'a', { ...head, offset: 299 }, history);
    expect([late.recovered, late.missed.length]).toEqual([false, 0]);
    await expect.poll(() => heard.length).toBe(5300);
    expect(await log.look('a')).toEqual({ head, kept: 5000 });
  });

  it('takes away what is no log, and takes no word for a message that is none', async () => {
    const { heard, log } = await listening(redis);
    await redis.client.flushall();
    await redis.client.set('sluice:channel:{a}:state', 'rubbish');
    await redis.client.set('sluice:channel:{a}:log', 'rubbish');
    expect((await log.append('a', '1', HISTORY)).offset).toBe(1);
    await redis.client.set('sluice:channel:{a}:log', 'rubbish');
    expect((await log.append('a', '2', HISTORY)).offset).toBe(2);
    expect(await ask(log, 'a', null)).toMatchObject({ latest: { offset: 2 } });
    for (const text of ['', 'x', 'e -1 2', 'e 1e5 2']) await redis.client.publish('sluice:channel:{a}', text);
    await redis.client.publish('sluice:channel:{other}', 'e 1 1');
    await log.append('a', '3', HISTORY);
    await expect.poll(() => heard.map((one) => one.split(' ')[2])).toEqual(['1', '2', '3']);
  });

  it('forgets in the end: nothing stays in Redis for ever', async () => {
    const log = makeLog(redis);
    await log.append('a', '1', { size: 10, ttl: 60_000 });
    await ask(log, 'b', null);
    const keys = await redis.client.keys('sluice:*');
    expect(keys.sort()).toEqual([
      'sluice:channel:{a}:log',
      'sluice:channel:{a}:state',
      'sluice:channel:{b}:state',
    ]);
    for (const key of keys) expect(await redis.client.pttl(key)).toBeGreaterThan(0);
  });
});
