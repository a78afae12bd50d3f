/** Whatever Redis does, clients get their share, at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import { bulk, type FakeRedis, greeting, startFakeRedis } from '../../harness/fake-redis.ts';
import { type RunningGateway, startGateway } from '../../harness/gateway.ts';
import { PacedLoad } from '../../harness/paced-load.ts';
import { startRedis } from '../../harness/redis.ts';
import { metricOf } from './gateways.ts';

const ERRORS = {
  LOADING: '-LOADING Redis is loading the dataset in memory\r\n',
  READONLY: "-READONLY You can't write against a read only replica.\r\n",
  MOVED: '-MOVED 3999 127.0.0.1:6381\r\n',
  ERR: '-ERR something else\r\n',
  'no member of the protocol': '!!?garbage\r\n\x00\x01\x02\r\n',
  'another type': ':5\r\n',
  'too few numbers': '*1\r\n:1\r\n',
  'numbers that are none': '*3\r\n$1\r\nx\r\n$1\r\ny\r\n$1\r\nz\r\n',
  nothing: null,
} as const;

/** A Redis that knows two machines and has plenty of tokens, as long as it works. */
function working(command: string, args: readonly string[]): string | null {
  const greeted = greeting(command);
  if (greeted !== null) return greeted;
  if (command !== 'evalsha' && command !== 'eval') return '+OK\r\n';
  const keys = Number(args[1]);
  if (keys === 2) return `*4\r\n:2\r\n${bulk(String(Date.now()))}${bulk('0123456789abcdef')}:1\r\n`;
  const want = Number(args[2 + keys + 1]?.split(' ')[5] ?? 0);
  return `*${3 * keys}\r\n${`:${Math.max(0, want)}\r\n:500\r\n:0\r\n`.repeat(keys)}`;
}

async function open(): Promise<{ fake: FakeRedis; gateway: RunningGateway }> {
  const fake = await startFakeRedis(working);
  onTestFinished(() => fake.stop());
  const gateway = await gatewayAt(fake.url);
  return { fake, gateway };
}

function gatewayAt(redis: string, limiter: Record<string, unknown> = {}): Promise<RunningGateway> {
  return startGateway({
    redis,
    limits: {
      wide: { by: ['global'], rate: '200/s', burst: 20 },
      login: { by: ['global'], rate: '100/s', burst: 20, mode: 'strict' },
    },
    limiter: { keys: 1000, ...limiter },
    routes: ['wide', 'login'].map((name) => ({
      name,
      match: { path: `/${name}` },
      limit: name,
      respond: { body: 'hi' },
    })),
  });
}

const connected = (gateway: RunningGateway, wanted: 0 | 1) =>
  eventually(async () => (await metricOf(gateway, 'sluice_limit_sync_connected')) === wanted || undefined, {
    what: `connected ${wanted}`,
  });

describe('a Redis that answers', () => {
  it('what no Redis should: clients get the share of the machine, and the log says it once', async () => {
    const { fake, gateway } = await open();
    const wide = new PacedLoad({ url: gateway.url, path: '/wide', pace: 200 });
    const strict = new PacedLoad({ url: gateway.url, path: '/login', pace: 50 });
    await connected(gateway, 1);
    for (const [name, text] of Object.entries(ERRORS)) {
      const lines = gateway.log.length;
      const before = { wide: wide.count(200), strict: strict.count(200) };
      const at = performance.now();
      fake.answer = (command) => (text !== null && greeting(command)) || text;
      await connected(gateway, 0);
      await sleep(400);
      const seconds = (performance.now() - at) / 1000;
      // Half of 200/s, as there are two machines; and what was at hand.
      const admitted = wide.count(200) - before.wide;
      expect([name, admitted > 20, admitted <= 200 * seconds * 1.5 + 60]).toEqual([name, true, true]);
      expect([name, strict.count(200) > before.strict]).toEqual([name, true]);
      const said = gateway.log.slice(lines).filter(({ level }) => level === 'warn');
      expect([name, said.length]).toEqual([name, 1]);
      fake.answer = working;
      await connected(gateway, 1);
    }
    await wide.stop();
    await strict.stop();
    expect([wide.others(200, 429), strict.others(200, 429)]).toEqual([[], []]);
    expect(gateway.garbage).toEqual([]);
  }, 60_000);
});

describe('a Redis that is away when the gateway starts', () => {
  it('keeps nobody waiting: there is the share that the configuration says', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    await redis.kill();
    const gateway = await gatewayAt(redis.url, { sync: { machines: 4 } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`${gateway.url}/wide`)));
    const admitted = answers.filter(({ status }) => status === 200).length;
    expect(admitted).toBeGreaterThanOrEqual(5);
    expect(admitted).toBeLessThan(20);
    expect((await fetch(`${gateway.url}/login`)).status).toBe(200);
    await redis.restart();
    await connected(gateway, 1);
    // The other three have time to be heard of, then they are no longer reckoned with.
    expect(await metricOf(gateway, 'sluice_limit_sync_machines')).toBe(4);
    await eventually(async () => (await metricOf(gateway, 'sluice_limit_sync_machines')) === 1 || undefined, {
      what: 'that there is one machine',
      withinMs: 10_000,
    });
  }, 20_000);
});

describe('a Redis that stands still', () => {
  it('is not waited for, and is asked again when it goes on', async () => {
    const redis = await startRedis();
    onTestFinished(async () => {
      redis.resume();
      await redis.stop();
    });
    const gateway = await gatewayAt(redis.url);
    const wide = new PacedLoad({ url: gateway.url, path: '/wide', pace: 100 });
    const strict = new PacedLoad({ url: gateway.url, path: '/login', pace: 50 });
    await connected(gateway, 1);
    redis.pause();
    await connected(gateway, 0);
    await sleep(1000);
    redis.resume();
    await connected(gateway, 1);
    await wide.stop();
    await strict.stop();
    expect([wide.others(200, 429), strict.others(200, 429)]).toEqual([[], []]);
    expect(wide.count(429)).toBeLessThan(wide.sent * 0.5);
    const slow = wide.latencies.toSorted((a, b) => a - b)[Math.floor(wide.latencies.length * 0.95)];
    expect(slow).toBeLessThan(250);
  }, 20_000);
});
