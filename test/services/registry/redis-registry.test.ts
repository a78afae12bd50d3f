/** The registry in a real Redis: leases by its clock, changes as they come, and data that others have written. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { RedisRegistry } from '../../../src/services/registry/redis-registry.ts';
import type { Change } from '../../../src/services/registry/registry-store.ts';
import { eventually } from '../../harness/eventually.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';

const missing = spawnSync('redis-server', ['--version']).error !== undefined;
if (missing) console.warn('redis-server is not installed: the registry in Redis is not tested');

const ONE = '{"url":"http://10.0.0.1:9001"}';
const TWO = '{"url":"http://10.0.0.2:9001"}';
const [INSTANCES, LEASES, META] = ['instances', 'leases', 'meta'].map(
  (part) => `sluice:registry:{quotes}:${part}`,
) as [string, string, string];

describe.skipIf(missing)('the registry in Redis', () => {
  let redis: RunningRedis;
  let registry: RedisRegistry;

  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());
  beforeEach(async () => {
    await redis.client.flushall();
    registry = new RedisRegistry(redis.url);
    return () => registry.close();
  });

  const ids = async (most = 100, first: string[] = []) =>
    (await registry.list('quotes', most, first)).entries.map(({ id }) => id).sort();

  it('tells a new instance from one that renews its lease and one that says something else', async () => {
    expect(await registry.register('quotes', 'a', ONE, 10_000, 9)).toBe('new');
    expect(await registry.register('quotes', 'a', ONE, 10_000, 9)).toBe('renewed');
    expect(await registry.register('quotes', 'a', TWO, 10_000, 9)).toBe('changed');
    expect(await registry.list('quotes', 9, [])).toMatchObject({
      n: 2,
      count: 1,
      entries: [{ id: 'a', text: TWO }],
    });
    expect(await registry.deregister('quotes', 'a')).toBe(true);
    expect(await registry.deregister('quotes', 'a')).toBe(false);
    expect(await ids()).toEqual([]);
  });

  it('lets leases end by the clock of Redis, whatever that of this machine says', async () => {
    await registry.register('quotes', 'a', ONE, 10_000, 9);
    const [{ leftMs } = { leftMs: 0 }] = (await registry.list('quotes', 9, [])).entries;
    expect(leftMs).toBeGreaterThan(5000);
    expect(leftMs).toBeLessThanOrEqual(10_000);
    const [seconds] = await redis.client.time();
    await redis.client.zadd(LEASES, Number(seconds) * 1000 - 1, 'a');
    expect(await ids()).toEqual([]);
    await registry.sweep(['quotes']);
    expect(await redis.client.hlen(INSTANCES)).toBe(0);
  });

  it('does not mind a machine whose clock is a year ahead', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 365 * 86_400_000 });
    try {
      await registry.register('quotes', 'a', ONE, 1000, 9);
      expect(await ids()).toEqual(['a']);
      await registry.sweep(['quotes']);
      expect(await ids()).toEqual(['a']);
      expect(Number(await redis.client.zscore(LEASES, 'a'))).toBeLessThan(Date.now());
    } finally {
      vi.useRealTimers();
    }
  });

  it('shortens a lease that a program with a clock years ahead has written', async () => {
    await redis.client.hset(INSTANCES, 'a', ONE);
    await redis.client.zadd(LEASES, 9e15, 'a');
    await registry.sweep(['quotes']);
    const [entry] = (await registry.list('quotes', 9, [])).entries;
    expect(entry?.leftMs).toBeLessThanOrEqual(3_600_000);
  });

  it('tells all who listen of what comes, changes, leaves and dies, and not of renewals', async () => {
    const seen: Change[] = [];
    await registry.listen(
      (change) => seen.push(change),
      () => {},
    );
    await registry.register('quotes', 'a', ONE, 10_000, 9);
    await registry.register('quotes', 'a', ONE, 10_000, 9);
    await registry.deregister('quotes', 'a');
    await registry.register('quotes', 'b', ONE, 1, 9);
    await eventually(async () => (await ids()).length === 0);
    await registry.sweep(['quotes']);
    await eventually(() => seen.length >= 4);
    expect(seen).toEqual([
      { service: 'quotes', left: undefined },
      { service: 'quotes', left: 'a' },
      { service: 'quotes', left: undefined },
      { service: 'quotes', left: undefined },
    ]);
    await registry.ping();
  });

  it('takes no more than it may, unless leases have ended meanwhile', async () => {
    await registry.register('quotes', 'a', ONE, 10_000, 2);
    await registry.register('quotes', 'b', ONE, 1, 2);
    await eventually(async () => (await ids()).length === 1);
    expect(await registry.register('quotes', 'c', ONE, 10_000, 2)).toBe('new');
    expect(await registry.register('quotes', 'd', ONE, 10_000, 2)).toBe('full');
    expect(await registry.register('quotes', 'a', ONE, 10_000, 2)).toBe('renewed');
    expect(await ids()).toEqual(['a', 'c']);
  });

  it('lists a bounded part of a million, known ones first, and nothing that is too long', async () => {
    const [seconds] = await redis.client.time();
    const end = Number(seconds) * 1000 + 60_000;
    const fill = `for i = 1, 1000000 do redis.call('ZADD', KEYS[1], ARGV[1], 'i' .. i) end`;
    await redis.client.eval(fill, 1, LEASES, end);
    await redis.client.hset(INSTANCES, { i5: ONE, i6: 'x'.repeat(5000) });
    const listing = await registry.list('quotes', 10, ['i6', 'i5', 'i0']);
    expect(listing.count).toBe(1_000_000);
    expect(listing.entries).toHaveLength(10);
    expect(listing.entries.slice(0, 2)).toMatchObject([
      { id: 'i6', text: '' },
      { id: 'i5', text: ONE },
    ]);
    expect(await registry.register('quotes', 'mine', ONE, 1000, 1000)).toBe('full');
    await redis.client.zadd(LEASES, end + 1, `z${'x'.repeat(100_000)}`);
    await redis.client.zremrangebyscore(LEASES, '-inf', end);
    expect((await registry.list('quotes', 10, [])).entries).toMatchObject([
      { id: `z${'x'.repeat(127)}...`, text: '' },
    ]);
  });

  it('has another epoch after its data was lost', async () => {
    const [before] = await registry.sweep(['quotes']);
    await redis.client.flushall();
    const [after] = await registry.sweep(['quotes']);
    expect(before?.epoch).toMatch(/^\d+-\d+$/);
    expect(after?.epoch).not.toBe(before?.epoch);
    expect(await redis.client.hgetall(META)).toHaveProperty('epoch', after?.epoch);
  });

  it('takes away keys that are no registry, and goes on', async () => {
    await redis.client.set(INSTANCES, 'garbage');
    await redis.client.lpush(LEASES, 'garbage');
    await redis.client.hset(META, 'n', 'garbage');
    expect(await registry.register('quotes', 'a', ONE, 10_000, 9)).toBe('new');
    expect(await ids()).toEqual(['a']);
    expect((await registry.sweep(['quotes']))[0]?.n).toBe(1);
  });

  it('rejects in words for people when Redis is away, and works again when it is back', async () => {
    await redis.kill();
    await expect(registry.register('quotes', 'a', ONE, 1000, 9)).rejects.toThrow('cannot be reached');
    await redis.restart();
    expect(await registry.register('quotes', 'a', ONE, 1000, 9)).toBe('new');
  });
});
