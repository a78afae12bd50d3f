/** A circuit breaker in front of real services, shared by two workers. */
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw } from '../harness/raw-client.ts';
import { startService } from '../harness/service.ts';
import { crowd, statuses, type Visit, visit, visits } from './visits.ts';

const BREAKER = { window: '10s', minimum: 5, failureRatio: '50%', openFor: '1s', probes: 2, rampUp: 'off' };
const ROUTES = [{ name: 'any', match: { path: '/*' }, service: 'quotes' }];

/** A service that is well or not, and may keep its visitors waiting. */
async function moodyService() {
  const mood = { bad: false, hold: false };
  const held: ServerResponse[] = [];
  const service = await startService((_request, response) => {
    response.statusCode = mood.bad ? 503 : 200;
    if (mood.hold) held.push(response);
    else response.end('quote');
  });
  const release = () => {
    for (const response of held.splice(0)) response.end('quote');
  };
  return { service, mood, held, release };
}

function config(
  endpoints: string[],
  breaker: Record<string, unknown> = {},
  more: Record<string, unknown> = {},
) {
  return {
    workers: 2,
    services: { quotes: { endpoints, passive: 'off', breaker: { ...BREAKER, ...breaker }, ...more } },
    routes: ROUTES,
  };
}

async function breakerOf(gateway: RunningGateway) {
  return (await gateway.ask('/services/quotes')).body.breaker;
}

const lines = (gateway: RunningGateway) =>
  gateway.log.filter(({ msg }) => msg.startsWith('circuit breaker')).map(({ msg }) => msg.slice(16));

/** Until both workers refuse. */
async function open(gateway: RunningGateway, mood: { bad: boolean }): Promise<void> {
  mood.bad = true;
  await eventually(async () => (await visit(gateway.url)).said === 'CIRCUIT_OPEN');
}

describe('a service that fails', () => {
  it('is left alone, and comes back: few probes, and the first success in time', async () => {
    const { service, mood } = await moodyService();
    const gateway = await startGateway(config([service.url]));
    expect(statuses(await visits(gateway.url, 5))).toEqual([200, 200, 200, 200, 200]);
    mood.bad = true;
    const failed = await visits(gateway.url, 5);
    const openedAt = (failed.at(-1) as Visit).at;
    expect(statuses(failed)).toEqual([503, 503, 503, 503, 503]);
    expect(failed.every(({ said }) => said === 'quote')).toBe(true);

    mood.bad = false;
    const before = service.requests.length;
    const refused = await crowd(gateway.url, 40);
    expect(refused.every(({ said, retryAfter }) => said === 'CIRCUIT_OPEN' && retryAfter === 1)).toBe(true);
    expect(service.requests.length).toBe(before);

    // 32 impatient clients.
    const seen: Visit[] = [];
    await Promise.all(
      Array.from({ length: 32 }, async () => {
        for (;;) {
          const one = await visit(gateway.url);
          seen.push(one);
          if (one.status === 200) return;
          await sleep(20);
        }
      }),
    );
    const first = seen.filter(({ status }) => status === 200).sort((a, b) => a.at - b.at)[0] as Visit;
    // The bar is 200 ms, which `npm run bench -- health` measures; the machine that runs this may be busy.
    expect(first.at - openedAt).toBeGreaterThan(950);
    expect(first.at - openedAt).toBeLessThan(1_000 + 200 + 400);
    await eventually(() => lines(gateway).length === 3);
    expect(lines(gateway)).toEqual(['open', 'half-open', 'closed']);
  });

  it('gets exactly as many probes as configured, over both workers', async () => {
    const { service, mood, held, release } = await moodyService();
    const gateway = await startGateway(config([service.url], { probes: 3, openFor: '300ms' }));
    await open(gateway, mood);
    mood.bad = false;
    mood.hold = true;
    const before = service.requests.length;
    await sleep(350);
    const rounds = Promise.all([crowd(gateway.url, 30), sleep(30).then(() => crowd(gateway.url, 30))]);
    await eventually(() => held.length === 3);
    await sleep(100);
    expect(service.requests.length - before).toBe(3);
    expect(await breakerOf(gateway)).toMatchObject({ state: 'half-open' });
    mood.hold = false;
    release();
    const all = (await rounds).flat();
    expect(statuses(all).filter((status) => status === 200)).toHaveLength(3);
    expect(all.filter(({ said }) => said === 'CIRCUIT_OPEN')).toHaveLength(57);
    expect(statuses(await crowd(gateway.url, 20))).toEqual(new Array(20).fill(200));
  });

  it('is left alone again when a probe fails', async () => {
    const { service, mood } = await moodyService();
    const gateway = await startGateway(config([service.url], { openFor: '1500ms' }));
    await open(gateway, mood);
    const before = service.requests.length;
    await sleep(1_550);
    await crowd(gateway.url, 30);
    const probes = service.requests.length - before;
    expect(probes).toBeGreaterThanOrEqual(1);
    expect(probes).toBeLessThanOrEqual(2);
    const { changes } = await breakerOf(gateway);
    expect(changes.open).toBe(2);
  });

  it('may hold a probe whose worker is killed: it comes back', async () => {
    const { service, mood, held, release } = await moodyService();
    const gateway = await startGateway(config([service.url], { probes: 1, openFor: '300ms' }));
    await open(gateway, mood);
    mood.bad = false;
    mood.hold = true;
    await sleep(350);
    const probe = visit(gateway.url).catch(() => null);
    await eventually(() => held.length === 1);
    expect((await visit(gateway.url)).said).toBe('CIRCUIT_OPEN');
    for (const pid of await gateway.workerPids()) {
      process.kill(pid, 'SIGKILL');
      await sleep(100);
      if (held[0]?.destroyed || held[0]?.socket?.destroyed) break;
    }
    expect(await probe).toBeNull();
    mood.hold = false;
    release();
    await eventually(async () => (await visit(gateway.url).catch(() => null))?.status === 200);
    await eventually(async () => (await breakerOf(gateway)).state === 'closed');
  });

  it('may flap: the gateway stays up, tells each change once, and settles', async () => {
    const { service, mood } = await moodyService();
    const gateway = await startGateway(config([service.url], { openFor: '100ms', minimum: 3 }));
    const flapping = setInterval(() => {
      mood.bad = !mood.bad;
    }, 100);
    const end = performance.now() + 1_500;
    const seen: Visit[] = [];
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (performance.now() < end) seen.push(await visit(gateway.url));
      }),
    );
    clearInterval(flapping);
    mood.bad = false;
    expect(new Set(statuses(seen))).toEqual(new Set([200, 503]));
    await eventually(async () => {
      await visit(gateway.url);
      return (await breakerOf(gateway)).state === 'closed';
    });
    const { changes } = await breakerOf(gateway);
    expect(changes.open).toBeGreaterThan(1);
    await eventually(() => lines(gateway).length >= changes.open + changes['half-open'] + changes.closed);
    const told = (state: string) => lines(gateway).filter((line) => line === state).length;
    expect({ open: told('open'), 'half-open': told('half-open'), closed: told('closed') }).toEqual({
      open: changes.open,
      'half-open': changes['half-open'],
      closed: changes.closed,
    });
  });

  it('stays broken over a reload, and is free at once when the breaker is taken away', async () => {
    const { service, mood } = await moodyService();
    const settings = config([service.url], { openFor: '1h' });
    const gateway = await startGateway(settings);
    await open(gateway, mood);
    mood.bad = false;
    gateway.write({ ...settings, log: { level: 'debug' } });
    expect((await gateway.reload()).status).toBe(200);
    const after = await crowd(gateway.url, 10);
    expect(after.every(({ said }) => said === 'CIRCUIT_OPEN')).toBe(true);
    expect(after[0]?.retryAfter).toBeGreaterThan(3_500);
    gateway.write({ ...settings, services: { quotes: { endpoints: [service.url] } } });
    expect((await gateway.reload()).status).toBe(200);
    expect(statuses(await crowd(gateway.url, 10))).toEqual(new Array(10).fill(200));
    expect(await breakerOf(gateway)).toBeNull();
  });
});

describe('what counts', () => {
  it('are no clients that leave', async () => {
    const { service, mood, held } = await moodyService();
    const gateway = await startGateway(config([service.url]));
    mood.hold = true;
    for (let i = 0; i < 10; i++) {
      const client = await connectRaw(gateway.url);
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await eventually(() => held.length === i + 1);
      client.socket.destroy();
    }
    await eventually(async () => (await gateway.ask('/services/quotes')).body.endpoints[0].inFlight === 0);
    expect(await breakerOf(gateway)).toMatchObject({ state: 'closed', calls: 0, failed: 0 });
  });

  it('are calls that take too long, if told how long that is', async () => {
    const service = await startService((_request, response) => void setTimeout(() => response.end(), 150));
    const gateway = await startGateway(config([service.url], { slowCall: '50ms', slowRatio: '80%' }));
    expect(statuses(await visits(gateway.url, 6))).toEqual([200, 200, 200, 200, 200, 503]);
    expect(await breakerOf(gateway)).toMatchObject({ state: 'open', slow: 5, failed: 0 });
  });

  it('are connections that are refused', async () => {
    const service = await startService();
    await service.close();
    const gateway = await startGateway(config([service.url]));
    const seen = await visits(gateway.url, 6);
    expect(seen.map(({ said }) => said)).toEqual([
      ...new Array(5).fill('UPSTREAM_CONNECT_FAILED'),
      'CIRCUIT_OPEN',
    ]);
    // Refusing takes no time: this includes a connection to the gateway and two processes that may be busy.
    const refused = await visits(gateway.url, 20);
    const median = refused.map(({ ms }) => ms).sort((a, b) => a - b)[10] as number;
    expect(median).toBeLessThan(20);
  });
});

it('is kept for each endpoint by itself, and the others go on', async () => {
  const { service: good } = await moodyService();
  const { service: bad, mood } = await moodyService();
  mood.bad = true;
  const gateway = await startGateway(config([good.url, bad.url], { scope: 'endpoint', openFor: '500ms' }));
  await crowd(gateway.url, 20);
  await eventually(async () => (await gateway.ask('/services/quotes')).body.available === 1);
  const before = bad.requests.length;
  expect(statuses(await crowd(gateway.url, 30)).filter((status) => status !== 200)).toEqual([]);
  expect(bad.requests.length).toBe(before);
  const { body } = await gateway.ask('/services/quotes');
  expect(body).toMatchObject({ status: 'warn', breaker: null });
  expect(body.endpoints[1]).toMatchObject({ state: 'unavailable', reasons: ['circuit-open'] });
  expect(body.endpoints[1].breaker).toMatchObject({ state: 'open' });
  mood.bad = false;
  await eventually(async () => {
    await crowd(gateway.url, 4);
    return (await gateway.ask('/services/quotes')).body.endpoints[1].breaker.state === 'closed';
  });
  expect(bad.requests.length).toBeGreaterThan(before);
});

it('says so when the breakers of all endpoints are open', async () => {
  const { service, mood } = await moodyService();
  mood.bad = true;
  const gateway = await startGateway(config([service.url], { scope: 'endpoint', openFor: '1h' }));
  await visits(gateway.url, 5);
  const [refused] = await visits(gateway.url, 1);
  expect(refused).toMatchObject({ status: 503, said: 'CIRCUIT_OPEN' });
  expect(refused?.retryAfter).toBeGreaterThan(3_500);
});

it('refuses at once, whoever holds the places of the bulkhead, and lets nobody wait for a retry', async () => {
  const { service, mood, held, release } = await moodyService();
  const gateway = await startGateway({
    ...config(
      [service.url],
      { openFor: '1h' },
      {
        bulkhead: { maxInFlight: 5, maxWaiting: 10, maxWait: '10s' },
        retries: { attempts: 3, on: [503], backoff: { base: '30s', max: '30s' }, budget: '100%' },
      },
    ),
    workers: 1,
  });
  mood.bad = true;
  mood.hold = true;
  const visitors = Array.from({ length: 5 }, () => visit(gateway.url));
  await eventually(() => held.length === 5);
  release();
  // The one with which it opened has nothing to wait for; the others wait already, and hold their places.
  expect(await Promise.race(visitors)).toMatchObject({ said: 'CIRCUIT_OPEN' });
  visitors.push(visit(gateway.url));
  const refused = await visits(gateway.url, 5);
  for (const one of refused) expect(one).toMatchObject({ status: 503, said: 'CIRCUIT_OPEN' });
  expect(Math.min(...refused.map(({ ms }) => ms))).toBeLessThan(100);
  for (const one of visitors) one.catch(() => {});
  await gateway.stop();
});

it('does not count those who waited in vain for one of our own connections', async () => {
  const { service, mood, held, release } = await moodyService();
  const gateway = await startGateway(
    config([service.url], {}, { connections: { max: 1, queue: 20 }, timeouts: { connect: '200ms' } }),
  );
  mood.hold = true;
  const visitors = crowd(gateway.url, 20);
  await eventually(() => held.length > 0);
  await sleep(400);
  mood.hold = false;
  release();
  expect((await visitors).filter(({ said }) => said === 'UPSTREAM_CONNECT_TIMEOUT').length).toBeGreaterThan(
    10,
  );
  expect(await breakerOf(gateway)).toMatchObject({ state: 'closed', failed: 0 });
  expect(statuses(await visits(gateway.url, 3))).toEqual([200, 200, 200]);
});
