/** Several machines are several folders here; Redis is real. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { RecordStore } from '../../../src/services/store/record-store.ts';
import { openStore } from '../../../src/services/store/replica.ts';
import { StoreWatch } from '../../../src/services/store/store-watch.ts';
import { eventually } from '../../harness/eventually.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';
import { storeFolder } from './store-folder.ts';

let redis: RunningRedis;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis?.stop());

interface Machine {
  store: RecordStore;
  data: string;
  log: string[];
}

async function machine({ data = storeFolder(), url = redis.url, follow = true } = {}): Promise<Machine> {
  const log: string[] = [];
  const note = (level: string) => (fields: object, message: string) =>
    void log.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const store = await openStore({
    data,
    redis: url,
    now: Date.now,
    follow,
    log: { info: note('info'), warn: note('warn') },
  });
  onTestFinished(() => store.close());
  return { store, data, log };
}

const inStep = (store: RecordStore, kind: 'key' | 'used', id: string, value: unknown) =>
  eventually(() => JSON.stringify(store.get(kind, id)) === JSON.stringify(value), {
    what: `${kind} ${id}`,
    withinMs: 10_000,
  });

describe('with Redis', () => {
  beforeEach(async () => {
    await redis.client.flushall();
  });

  it('what one machine writes the others have within a second', async () => {
    const [a, b] = [await machine(), await machine()];
    const before = performance.now();
    await a.store.put('key', 'k', { revokedAt: 1 });
    expect(a.store.get('key', 'k')).toEqual({ revokedAt: 1 });
    await inStep(b.store, 'key', 'k', { revokedAt: 1 });
    expect(performance.now() - before).toBeLessThan(1000);
    expect(await b.store.remove('key', 'k')).toBe(true);
    expect(await b.store.remove('key', 'k')).toBe(false);
    expect(b.store.get('key', 'k')).toBeUndefined();
    await eventually(() => a.store.get('key', 'k') === undefined);
  });

  it('the watch of the other machine hears of it, but not of quiet writes', async () => {
    const [a, b] = [await machine(), await machine()];
    const watch = new StoreWatch(b.store);
    onTestFinished(() => watch.close());
    const heard: string[] = [];
    watch.listen((changes) => heard.push(...(changes ?? []).map(({ kind, id }) => `${kind} ${id}`)));
    await a.store.quiet('used', 'k', { at: 1 });
    await a.store.put('key', 'k', 1);
    await eventually(() => heard.includes('key k'), { withinMs: 1000 });
    expect(heard).toEqual(['key k']);
    expect(b.store.get('used', 'k')).toEqual({ at: 1 });
  });

  it('updates of one record on several machines at once are all kept', async () => {
    const machines = [await machine(), await machine(), await machine()];
    await Promise.all(
      machines.map(async ({ store }) => {
        for (let i = 0; i < 40; i++) await store.update<number>('used', 'n', (now) => (now ?? 0) + 1);
      }),
    );
    for (const { store } of machines) await inStep(store, 'used', 'n', 120);
  });

  it('a command beside the running gateway of the same machine writes for all', async () => {
    const [a, b] = [await machine(), await machine()];
    const command = await machine({ data: a.data, follow: false });
    await command.store.put('key', 'k', 'by command');
    expect(a.store.get('key', 'k')).toBe('by command');
    await inStep(b.store, 'key', 'k', 'by command');
    await b.store.put('key', 'k', 'later');
    await inStep(a.store, 'key', 'k', 'later');
  });

  it('a lock counts on all machines, until it is given back or runs out', async () => {
    const [a, b] = [await machine(), await machine()];
    const release = await a.store.lock('refresh', 60_000);
    expect(await b.store.lock('refresh', 60_000)).toBeNull();
    await release?.();
    const short = await b.store.lock('refresh', 20);
    expect(short).not.toBeNull();
    const second = await eventually(() => a.store.lock('refresh', 60_000));
    await short?.(); // too late: it is another's
    expect(await b.store.lock('refresh', 60_000)).toBeNull();
    await second();
  });

  it('a machine that was away has all it missed, however long ago', async () => {
    const a = await machine();
    const data = storeFolder();
    const before = await openStore({ data, redis: redis.url, now: Date.now });
    await a.store.put('key', 'old', 1);
    await a.store.put('key', 'gone', 1);
    await inStep(before, 'key', 'gone', 1);
    await before.close();
    await a.store.remove('key', 'gone');
    for (let i = 0; i < 10; i++) await a.store.put('key', 'new', i);
    await redis.client.xtrim('sluice:{records}:changes', 'MAXLEN', 2);
    const { store } = await machine({ data });
    expect([...store.list('key')]).toEqual([
      ['new', 9],
      ['old', 1],
    ]);
  });

  it('takes along what the machine had before it knew Redis, without touching what is there', async () => {
    const a = await machine();
    await a.store.put('key', 'both', 'from redis');
    const data = storeFolder();
    const alone = await openStore({ data, redis: null, now: Date.now });
    await alone.put('key', 'both', 'from before');
    await alone.put('key', 'own', 'from before');
    await alone.close();
    const { store } = await machine({ data });
    expect(store.get('key', 'both')).toBe('from redis');
    expect(store.get('key', 'own')).toBe('from before');
    await inStep(a.store, 'key', 'own', 'from before');
  });

  it('gets what several machines had before they knew it, when they come at once', async () => {
    const folders = [storeFolder(), storeFolder()];
    for (const [i, data] of folders.entries()) {
      const alone = await openStore({ data, redis: null, now: Date.now });
      await alone.put('key', `own-${i}`, i);
      await alone.close();
    }
    const machines = await Promise.all(folders.map((data) => machine({ data })));
    for (const { store } of machines) {
      await inStep(store, 'key', 'own-0', 0);
      await inStep(store, 'key', 'own-1', 1);
    }
  });

  it('that was emptied gets its records back from the machines', async () => {
    const [a, b] = [await machine(), await machine()];
    await a.store.put('key', 'k', 1);
    await inStep(b.store, 'key', 'k', 1);
    await redis.client.flushall();
    await eventually(() => redis.client.hget('sluice:{records}', 'key/k'), { withinMs: 10_000 });
    await a.store.put('key', 'k', 2);
    await inStep(b.store, 'key', 'k', 2);
    expect(a.log.concat(b.log).filter((line) => line.includes('has them again'))).toHaveLength(1);
  });

  it('that was emptied a moment ago takes no write without the rest', async () => {
    const a = await machine({ follow: false });
    await a.store.put('key', 'k', 1);
    await redis.client.flushall();
    await a.store.put('key', 'other', 2);
    expect(await redis.client.hgetall('sluice:{records}')).toEqual({ 'key/k': '1', 'key/other': '2' });
  });
});

describe('while Redis is away', () => {
  let own: RunningRedis;

  beforeEach(async () => {
    own = await startRedis();
  });

  afterEach(() => own.stop());

  it('reads go on, writes are refused in clear words, and it heals by itself', async () => {
    const [a, b] = [await machine({ url: own.url }), await machine({ url: own.url })];
    await a.store.put('key', 'k', 1);
    await inStep(b.store, 'key', 'k', 1);
    await own.kill();
    const refusal = `Redis at 127.0.0.1:${own.port} cannot be reached`;
    await expect(a.store.put('key', 'k', 2)).rejects.toThrow(refusal);
    await expect(a.store.update('key', 'k', () => 2)).rejects.toThrow(refusal);
    await expect(a.store.lock('x', 1000)).rejects.toThrow(refusal);
    expect(a.store.get('key', 'k')).toBe(1);
    expect(b.store.get('key', 'k')).toBe(1);
    await eventually(() => a.log.length > 0 && b.log.length > 0);
    await own.restart(); // and has lost everything
    await eventually(
      () =>
        a.store.put('key', 'k', 3).then(
          () => true,
          () => false,
        ),
      { withinMs: 15_000 },
    );
    await inStep(b.store, 'key', 'k', 3);
    await eventually(() => [a, b].every(({ log }) => log.some((line) => line.startsWith('info'))), {
      withinMs: 15_000,
    });
    for (const { log } of [a, b]) {
      expect(log.filter((line) => line.includes('nothing can be changed'))).toHaveLength(1);
      expect(log.filter((line) => line.includes('in step with Redis again'))).toHaveLength(1);
    }
  });

  it('a stopped one is given up after two seconds, and taken up again', async () => {
    const a = await machine({ url: own.url });
    await a.store.put('key', 'k', 1);
    own.pause();
    const before = performance.now();
    await expect(a.store.put('key', 'k', 2)).rejects.toThrow('does not answer in time');
    expect(performance.now() - before).toBeLessThan(4500);
    expect(a.store.get('key', 'k')).toBe(1);
    own.resume();
    await eventually(
      () =>
        a.store.put('key', 'k', 3).then(
          () => true,
          () => false,
        ),
      { withinMs: 15_000 },
    );
    expect(a.store.get('key', 'k')).toBe(3);
  });

  it('a gateway starts with what it knew, and catches up', async () => {
    const first = await machine({ url: own.url });
    await first.store.put('key', 'k', 1);
    await first.store.close();
    await own.kill();
    const { store, log } = await machine({ url: own.url, data: first.data });
    expect(store.get('key', 'k')).toBe(1);
    expect(log).toHaveLength(1);
    await own.restart();
    await eventually(() => own.client.hget('sluice:{records}', 'key/k'), { withinMs: 15_000 });
  });
});

describe('the password', () => {
  it('is in no message, right or wrong', async () => {
    const own = await startRedis(['--requirepass', 'hush-hush']);
    onTestFinished(() => own.stop());
    const right = await machine({ url: own.url });
    await right.store.put('key', 'k', 1);
    const wrong = await machine({ url: own.url.replace('hush-hush', 'hush-wrong'), follow: false });
    const refusal = await wrong.store.put('key', 'k', 2).catch((error: Error) => error);
    expect(refusal).toMatchObject({
      message: `Redis at 127.0.0.1:${own.port} wants another user or password`,
    });
    await own.kill();
    await expect(right.store.put('key', 'k', 2)).rejects.toThrow('cannot be reached');
    await eventually(() => right.log.length > 0);
    expect(JSON.stringify([...right.log, ...wrong.log, refusal, String(refusal)])).not.toContain('hush');
  });
});
