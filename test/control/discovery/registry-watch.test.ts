/** The primary's watch over a real Redis, and over the registry of a gateway without one. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { RegistryConfig } from '../../../src/config/schema/services/discovery.ts';
import { RegistryWatch } from '../../../src/control/discovery/registry-watch.ts';
import { createLog } from '../../../src/observe/log.ts';
import { LocalRegistry } from '../../../src/services/registry/local-registry.ts';
import { RedisRegistry } from '../../../src/services/registry/redis-registry.ts';
import type { RegistryStore } from '../../../src/services/registry/registry-store.ts';
import { eventually } from '../../harness/eventually.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';

const CONFIG: RegistryConfig = {
  allowLoopback: false,
  networks: ['10.0.0.0/8'],
  ttl: 10_000,
  grace: 60_000,
  maxPerService: 100,
  max: 150,
};
const KEYS = ['instances', 'leases'].map((part) => `sluice:registry:{quotes}:${part}`) as [string, string];
const url = (n: number) => `http://10.0.${n >> 8}.${n & 255}:9001`;
const instance = (n: number) => ({ url: url(n), weight: 1, zone: '', priority: 0 });
const text = (n: number) => JSON.stringify({ url: url(n) });

/** Watches `quotes` for the service `quotes`, if nothing else is said. */
async function watch(
  store: RegistryStore,
  config: Partial<RegistryConfig> = {},
  names: Record<string, string[]> = { quotes: ['quotes'] },
) {
  const lists = new Map<string, string[]>();
  const log: Record<string, unknown>[] = [];
  let published = 0;
  const watching = new RegistryWatch(
    store,
    { ...CONFIG, ...config },
    {
      log: createLog({ write: (line) => void log.push(JSON.parse(line)) }, 'info', {}),
      publish: (service, endpoints) => {
        published++;
        lists.set(
          service,
          endpoints.map(({ id }) => id),
        );
      },
      now: () => performance.now(),
    },
  );
  onTestFinished(() => watching.close());
  const wanted = new Map(Object.entries(names).map(([name, services]) => [name, new Set(services)]));
  await watching.follow(wanted, { ...CONFIG, ...config });
  return {
    watching,
    log,
    ids: (service = 'quotes') => lists.get(service) ?? null,
    published: () => published,
    said: (pattern: RegExp) => log.filter(({ msg }) => pattern.test(String(msg))).length,
  };
}

const missing = spawnSync('redis-server', ['--version']).error !== undefined;
if (missing) console.warn('redis-server is not installed: the watch over Redis is not tested');

describe.skipIf(missing)('over Redis', () => {
  let redis: RunningRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());
  beforeEach(() => redis.client.flushall());

  it('follows a program that uses Redis as docs/registry.md says', async () => {
    const page = readFileSync(new URL('../../../docs/registry.md', import.meta.url), 'utf8');
    const [register = '', leave = ''] = [...page.matchAll(/```lua\n([\s\S]*?)```/g)].map(
      ([, script]) => script,
    );
    const { ids, published } = await watch(new RedisRegistry(redis.url));
    const send = () => redis.client.eval(register, 2, ...KEYS, 'quotes', 'q1', text(1), 60_000);
    await send();
    await eventually(() => ids()?.join() === 'q1');
    const before = published();
    await send(); // a sign of life: nobody is told
    await redis.client.eval(leave, 2, ...KEYS, 'quotes', 'q1');
    await eventually(() => ids()?.length === 0);
    expect(published()).toBe(before + 1);
    expect(await redis.client.exists(...KEYS)).toBe(0);
  });

  it('finds within a second what it was not told of', async () => {
    const { ids } = await watch(new RedisRegistry(redis.url));
    const writer = new RedisRegistry(redis.url);
    onTestFinished(() => writer.close());
    await writer.register('quotes', 'a', text(1), 60_000, 9);
    await eventually(() => ids()?.join() === 'a');
    // As if the message were lost: the number alone has changed.
    await redis.client.hset(KEYS[0], 'b', text(2));
    const [seconds] = await redis.client.time();
    await redis.client.zadd(KEYS[1], Number(seconds) * 1000 + 60_000, 'b');
    await redis.client.hincrby('sluice:registry:{quotes}:meta', 'n', 1);
    await eventually(() => ids()?.join() === 'a,b');
    // As if the connection that listens broke, with a change before there is another one.
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await writer.register('quotes', 'c', text(3), 60_000, 9);
    await eventually(() => ids()?.join() === 'a,b,c');
    await writer.deregister('quotes', 'a');
    await eventually(() => ids()?.join() === 'b,c');
  });

  it('agrees with Redis after hundreds of changes from many machines', async () => {
    const { ids, published } = await watch(new RedisRegistry(redis.url), { maxPerService: 1000, max: 1000 });
    const machines = Array.from({ length: 4 }, () => new RedisRegistry(redis.url));
    onTestFinished(() => {
      for (const machine of machines) machine.close();
    });
    const expected: string[] = [];
    const change = async (n: number) => {
      const machine = machines[n % machines.length]!;
      await machine.register('quotes', `i${n}`, text(n), 60_000, 1000);
      if (n % 3 === 0) await machine.deregister('quotes', `i${n}`);
      else expected.push(`i${n}`);
    };
    await Promise.all(Array.from({ length: 400 }, (_, n) => change(n)));
    await eventually(() => ids()?.join() === expected.sort().join());
    // Read together, not one by one; but each that leaves is gone at once.
    expect(published()).toBeLessThan(300);
  });

  it('takes no more than it may of a hundred thousand, keeps those it knows, and says so once', async () => {
    const store = new RedisRegistry(redis.url);
    const { ids, said, watching } = await watch(store, { maxPerService: 10 });
    for (let n = 0; n < 5; n++) await watching.register('quotes', `known${n}`, instance(60_000 + n), 60_000);
    await eventually(() => ids()?.length === 5);
    const [seconds] = await redis.client.time();
    // In pieces, as so many programs would: Redis answers in between.
    const fill = `for i = ARGV[2], ARGV[2] + 9999, 1000 do
      local leases, texts = {}, {}
      for n = i, i + 999 do
        local id = string.format('%d', n)
        local address = math.floor(n / 65536) .. '.' .. math.floor(n / 256) % 256 .. '.' .. n % 256
        leases[#leases + 1] = ARGV[1]
        leases[#leases + 1] = id
        texts[#texts + 1] = id
        texts[#texts + 1] = '{"url":"http://10.' .. address .. ':9001"}'
      end
      redis.call('ZADD', KEYS[2], unpack(leases))
      redis.call('HSET', KEYS[1], unpack(texts))
    end`;
    for (let n = 0; n < 100_000; n += 10_000) {
      await redis.client.eval(fill, 2, ...KEYS, Number(seconds) * 1000 + 60_000, n);
    }
    await redis.client.publish('sluice:registry:changes', 'quotes');
    await eventually(() => ids()?.length === 10, { withinMs: 5000 });
    for (let n = 0; n < 5; n++) expect(ids()).toContain(`known${n}`);
    const first = ids()?.join();
    for (let i = 0; i < 3; i++) await redis.client.publish('sluice:registry:changes', 'quotes');
    await expect(watching.register('quotes', 'more', instance(9), 60_000)).rejects.toThrow(
      'registry.maxPerService',
    );
    await eventually(() => watching.facts()[0]!.endpoints === 10);
    expect(ids()?.join()).toBe(first);
    expect(said(/too many instances/)).toBe(1);
  });

  it('bounds all services together', async () => {
    const { watching, ids } = await watch(
      new RedisRegistry(redis.url),
      { maxPerService: 4, max: 5 },
      { quotes: ['quotes'], orders: ['orders', 'orders-admin'] },
    );
    for (let n = 0; n < 4; n++) await watching.register('quotes', `q${n}`, instance(n), 60_000);
    await eventually(() => ids()?.length === 4);
    await watching.register('orders', 'o1', instance(10), 60_000);
    await eventually(() => ids('orders')?.length === 1);
    expect(ids('orders-admin')).toEqual(['o1']);
    await expect(watching.register('orders', 'o2', instance(11), 60_000)).rejects.toThrow('registry.max');
    expect(await watching.register('orders', 'o1', instance(10), 60_000)).toBe('renewed');
    await expect(watching.register('nobody', 'o1', instance(10), 60_000)).rejects.toThrow(
      'no service takes its endpoints',
    );
  });

  it('keeps everybody when Redis stands still for longer than leases, and then drops who does not come back', async () => {
    const { watching, ids, said } = await watch(new RedisRegistry(redis.url), { grace: 4000 });
    await watching.register('quotes', 'a', instance(1), 1000);
    await watching.register('quotes', 'b', instance(2), 1000);
    await eventually(() => ids()?.length === 2);
    redis.pause();
    onTestFinished(() => redis.resume());
    await eventually(() => said(/is away/) === 1, { withinMs: 10_000 });
    redis.resume();
    await eventually(() => said(/is back/) === 1, { withinMs: 10_000 });
    expect(ids()).toEqual(['a', 'b']);
    await watching.register('quotes', 'a', instance(1), 60_000);
    await eventually(() => ids()?.join() === 'a', { withinMs: 10_000 });
    expect(said(/time of grace is over/)).toBe(1);
  });

  it('keeps everybody when the data is lost without the connection', async () => {
    const { watching, ids, said } = await watch(new RedisRegistry(redis.url), { grace: 4000 });
    await watching.register('quotes', 'a', instance(1), 60_000);
    await watching.register('quotes', 'b', instance(2), 60_000);
    await eventually(() => ids()?.length === 2);
    await redis.client.flushall();
    await eventually(() => said(/has lost its data/) === 1);
    await watching.register('quotes', 'a', instance(1), 60_000);
    await watching.register('quotes', 'c', instance(3), 60_000);
    await eventually(() => ids()?.join() === 'a,b,c');
    await eventually(() => ids()?.join() === 'a,c', { withinMs: 10_000 });
  });

  it('begins without Redis, and finds what is there when it comes', async () => {
    await redis.kill();
    const { ids, said } = await watch(new RedisRegistry(redis.url));
    expect(said(/is away/)).toBe(1);
    expect(ids()).toBeNull();
    await redis.restart();
    const writer = new RedisRegistry(redis.url);
    onTestFinished(() => writer.close());
    await writer.register('quotes', 'a', text(1), 60_000, 9);
    await eventually(() => ids()?.join() === 'a');
  });
});

describe('without Redis', () => {
  it('has leases by a clock that nobody sets', async () => {
    let now = 0;
    const local = new LocalRegistry(() => now);
    const { watching, ids } = await watch(local);
    expect(await watching.register('quotes', 'a', instance(1), 1000)).toBe('new');
    await eventually(() => ids()?.join() === 'a');
    now = 999;
    expect(await watching.register('quotes', 'a', instance(1), 1000)).toBe('renewed');
    expect(await watching.register('quotes', 'b', instance(2), 5000)).toBe('new');
    now = 2000;
    await eventually(() => ids()?.join() === 'b');
    expect(await watching.register('quotes', 'b', instance(3), 5000)).toBe('changed');
    await watching.deregister('quotes', 'b');
    expect(ids()).toEqual([]);
    await expect(watching.deregister('quotes', 'b')).rejects.toThrow('has no instance "b"');
  });

  it('is bounded, too', async () => {
    const { watching, ids } = await watch(new LocalRegistry(() => 0), { maxPerService: 2 });
    await watching.register('quotes', 'a', instance(1), 1000);
    await watching.register('quotes', 'b', instance(2), 1000);
    const third = watching.register('quotes', 'c', instance(3), 1000);
    await expect(third).rejects.toThrow('registry.maxPerService');
    await eventually(() => ids()?.length === 2);
    await watching.follow(new Map([['quotes', new Set(['quotes'])]]), { ...CONFIG, maxPerService: 1 });
    await watching.register('quotes', 'a', instance(4), 1000);
    await eventually(() => ids()?.length === 1);
  });

  it('publishes to a service that is added, and judges again when other addresses are allowed', async () => {
    const { watching, ids } = await watch(new LocalRegistry(() => 0));
    await watching.register('quotes', 'a', instance(1), 1000);
    await eventually(() => ids()?.join() === 'a');
    await watching.follow(new Map([['quotes', new Set(['quotes', 'same'])]]), CONFIG);
    expect(ids('same')).toEqual(['a']);
    await watching.follow(new Map([['quotes', new Set(['quotes'])]]), { ...CONFIG, networks: [] });
    expect(ids()).toEqual([]);
    await watching.follow(new Map([['quotes', new Set(['quotes'])]]), CONFIG);
    expect(ids()).toEqual(['a']);
  });
});
