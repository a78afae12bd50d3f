/** Limits that ask Redis for each request, on two gateways; and workers that are killed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import type { RunningGateway } from '../../harness/gateway.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';
import { metricOf, startCrowd, startGateways } from './gateways.ts';

const LIMITS = {
  login: { by: ['header:x-user'], rate: '5/min', mode: 'strict' },
  window: { by: ['header:x-user'], rate: '4/h', algorithm: 'sliding-window', mode: 'strict' },
  paid: { by: ['header:x-user'], rate: '30/h', cost: { header: 'x-cost' }, mode: 'strict' },
  daily: {
    by: ['header:x-user'],
    algorithm: 'quota',
    max: 3,
    per: 'day',
    mode: 'strict',
  },
  plain: { by: ['global'], rate: '300/s', burst: 50 },
};

let redis: RunningRedis;
let gateways: RunningGateway[];

beforeAll(async () => {
  redis = await startRedis();
  gateways = await startGateways(2, LIMITS, redis.url, {
    workers: 2,
    // Longer than any answer takes: a busy machine must not fall to its share.
    limiter: { keys: 10_000, sync: { timeout: '2s' } },
    routes: [
      ...Object.keys(LIMITS).map((name) => ({
        name,
        match: { path: `/${name}` },
        limit: name,
        respond: { body: 'hi' },
      })),
      {
        name: 'both',
        match: { path: '/both' },
        limit: [{ by: ['global'], rate: '1000/h', mode: 'local' }, 'login'],
        respond: { body: 'hi' },
      },
      {
        name: 'behind-queue',
        match: { path: '/behind-queue' },
        limit: [
          { by: ['global'], rate: '2/s', burst: 1, mode: 'local', over: { queue: { deadline: '800ms' } } },
          'login',
        ],
        respond: { body: 'hi' },
      },
    ],
  });
}, 30_000);

afterAll(async () => {
  await Promise.all(gateways.map((one) => one.stop()));
  await redis.stop();
});

function ask(
  path: string,
  user: string,
  count: number,
  headers: Record<string, string> = {},
): Promise<Response[]> {
  return Promise.all(
    Array.from({ length: count }, (_, i) =>
      fetch(gateways[i % 2]!.url + path, { headers: { 'x-user': user, ...headers } }),
    ),
  );
}

const admitted = (answers: Response[]) => answers.filter(({ status }) => status === 200).length;

describe('a strict limit', () => {
  it('admits exactly what it says, whatever machine is asked at whatever moment', async () => {
    const answers = await ask('/login', 'alice', 40);
    expect(admitted(answers)).toBe(5);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(5);
    expect(refused.headers.get('ratelimit-policy')).toBe('"login";q=5;w=60');
    expect(refused.headers.get('ratelimit')).toMatch(/^"login";r=0;t=\d+$/);
    expect(((await refused.json()) as { detail: string }).detail).toContain('"login"');
    expect(admitted(await ask('/login', 'bob', 4))).toBe(4);
  });

  it('may be a window, and may cost more than one', async () => {
    expect(admitted(await ask('/window', 'alice', 20))).toBe(4);
    expect(admitted(await ask('/paid', 'alice', 10, { 'x-cost': '7' }))).toBe(4);
    expect(admitted(await ask('/paid', 'alice', 4, { 'x-cost': '1' }))).toBe(2);
  });

  it('may be a quota that ends with its period', async () => {
    const untilMidnight = Math.ceil((86_400_000 - (Date.now() % 86_400_000)) / 1000);
    const answers = await ask('/daily', 'alice', 10);
    expect(admitted(answers)).toBe(3);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(untilMidnight + 5);
    expect(refused.headers.get('ratelimit')).toMatch(/^"daily";r=0;t=\d+$/);
  });

  it('tells a dear request to wait for all that it costs', async () => {
    await ask('/paid', 'frank', 1, { 'x-cost': '30' });
    const [dear] = await ask('/paid', 'frank', 1, { 'x-cost': '10' });
    // 30 per hour: ten are there in twenty minutes.
    expect(Number(dear!.headers.get('retry-after'))).toBeGreaterThan(1_000);
  });

  it('that refuses has consumed nothing of the other limits', async () => {
    await ask('/both', 'carol', 6);
    await ask('/both', 'carol', 20);
    const [answer] = await ask('/both', 'dave', 1);
    // Carol was admitted five times, Dave once: of the half an hour's refill nothing is seen yet.
    const left = Number(/"both\/1";r=(\d+)/.exec(answer!.headers.get('ratelimit')!)![1]);
    expect(left).toBeGreaterThanOrEqual(1000 - 6);
  });

  it('lets nobody pass who waits for his turn at another limit', async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, () =>
        fetch(`${gateways[0]!.url}/behind-queue`, { headers: { 'x-user': 'erin' } }),
      ),
    );
    expect(admitted(answers)).toBeGreaterThan(0);
    expect(admitted(answers)).toBeLessThanOrEqual(3);
    // Those who were refused there were not counted here.
    expect(admitted(await ask('/login', 'erin', 5))).toBe(5 - admitted(answers));
  });

  it('falls to the share of the machine while Redis stands still, and makes nobody wait for long', async () => {
    redis.pause();
    const at = performance.now();
    const answers = await ask('/login', 'erin', 20);
    const ms = performance.now() - at;
    redis.resume();
    // Three on each of two machines.
    expect(admitted(answers)).toBe(6);
    expect(answers.every(({ status }) => status === 200 || status === 429)).toBe(true);
    expect(ms).toBeLessThan(8000);
    await eventually(
      async () => (await metricOf(gateways[0]!, 'sluice_limit_sync_connected')) === 1 || undefined,
    );
  });
});

describe('a worker that is killed while it counts', () => {
  it('leaves the limit as it was', async () => {
    const crowd = startCrowd(gateways, '/plain', [400, 400]);
    await sleep(300);
    for (let i = 0; i < 3; i++) {
      const [pid] = await gateways[0]!.workerPids();
      process.kill(pid!, 'SIGKILL');
      await sleep(600);
    }
    const before = { admitted: crowd.admitted(), at: performance.now() };
    await sleep(1500);
    const seconds = (performance.now() - before.at) / 1000;
    const rate = (crowd.admitted() - before.admitted) / seconds;
    await crowd.stop();
    expect(rate).toBeGreaterThan(300 * 0.85);
    expect(rate).toBeLessThan(300 * 1.1);
  }, 20_000);
});
