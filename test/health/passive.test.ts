/** What requests themselves say of endpoints: default settings first, over two workers. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { startLoad } from '../harness/load.ts';
import { startRawService, startService } from '../harness/service.ts';
import { crowd, statuses, visit, visits } from './visits.ts';

const ROUTES = [{ name: 'any', match: { path: '/*' }, service: 'quotes' }];

function config(endpoints: string[], more: Record<string, unknown> = {}) {
  return { workers: 2, services: { quotes: { endpoints, ...more } }, routes: ROUTES };
}

async function named(name: string) {
  return await startService((_request, response) => response.end(name));
}

async function viewOf(gateway: RunningGateway, index: number) {
  return (await gateway.ask('/services/quotes')).body.endpoints[index];
}

it('an endpoint that resets every request gets five of them, over all workers, and no more', async () => {
  const [a, b] = [await named('a'), await named('b')];
  let requests = 0;
  const broken = await startRawService((socket) => {
    socket.once('data', () => {
      requests++;
      socket.resetAndDestroy();
    });
  });
  const gateway = await startGateway(config([a.url, broken.url, b.url]));
  const all = await visits(gateway.url, 40);
  expect(requests).toBe(5);
  expect(all.filter(({ said }) => said === 'UPSTREAM_RESET')).toHaveLength(5);
  expect(statuses(await crowd(gateway.url, 40))).toEqual(new Array(40).fill(200));
  expect(requests).toBe(5);
  const line = await gateway.logged(({ msg }) => msg === 'endpoint ejected');
  expect(line).toMatchObject({ service: 'quotes', endpoint: broken.url, cause: 'consecutive errors' });
  expect(gateway.log.filter(({ msg }) => msg === 'endpoint ejected')).toHaveLength(1);
  expect(await viewOf(gateway, 1)).toMatchObject({
    state: 'unavailable',
    reasons: ['ejected'],
    passive: { state: 'ejected', ejections: 1, cause: 'consecutive errors' },
  });
  const metrics = (await gateway.ask('/metrics')).body as string;
  expect(metrics).toContain(`sluice_endpoint_ejections_total{service="quotes",endpoint="${broken.url}"} 1`);
});

it('one of three that breaks under 64 busy connections gets no request any more once it is out', async () => {
  const [a, b] = [await named('a'), await named('b')];
  let breaks = false;
  const broken = await startService((request, response) => {
    if (breaks) request.socket.resetAndDestroy();
    else response.end('c');
  });
  const gateway = await startGateway(config([a.url, b.url, broken.url]));
  const load = startLoad(gateway.url, { connections: 64, path: '/' });
  await eventually(() => load.result.answered > 500);
  breaks = true;
  await eventually(async () => (await viewOf(gateway, 2)).state === 'unavailable');
  // What was under way to it in that moment arrives, on a busy machine late.
  let before = 0;
  await eventually(async () => {
    before = broken.requests.length;
    await sleep(1000);
    return broken.requests.length === before;
  });
  const answered = load.result.answered;
  await eventually(() => load.result.answered > answered + 500);
  expect(broken.requests.length).toBe(before);
  const { failed } = await load.stop();
  // Five in a row, and what was on its way beside them.
  expect(failed.length).toBeLessThanOrEqual(5 + 64);
});

it('one that vanishes costs no request, and is asked again when its time has come', async () => {
  const [a, b] = [await named('a'), await named('b')];
  const gateway = await startGateway(config([a.url, b.url], { passive: { baseEjection: '400ms' } }));
  expect(statuses(await visits(gateway.url, 10))).toEqual(new Array(10).fill(200));
  const { port } = b;
  await b.close();
  // Nothing was sent where nobody listens, so another one is asked.
  const during = statuses(await visits(gateway.url, 40));
  expect(during).toEqual(new Array(40).fill(200));
  expect((await viewOf(gateway, 1)).passive.ejections).toBeGreaterThanOrEqual(1);
  const { createServer } = await import('node:http');
  const back = createServer((_request, response) => response.end('b')).listen(port, '127.0.0.1');
  try {
    await eventually(async () => (await visit(gateway.url)).said === 'b');
    await eventually(async () => (await viewOf(gateway, 1)).passive.state === 'trusted');
    await gateway.logged(({ msg }) => msg === 'endpoint back on trial');
    await gateway.logged(({ msg }) => msg === 'endpoint trusted again');
  } finally {
    back.closeAllConnections();
    back.close();
  }
});

it('two that are restarted one after the other cost no request: one that was put out is better than none', async () => {
  const [a, b] = [await named('a'), await named('b')];
  const gateway = await startGateway(
    config([a.url, b.url], { passive: { baseEjection: '1h', maxEjection: '1h' } }),
  );
  const load = startLoad(gateway.url, { connections: 8, path: '/' });
  await eventually(() => load.result.answered > 50);
  await a.close();
  await eventually(async () => (await viewOf(gateway, 0)).passive.state === 'ejected');
  const { createServer } = await import('node:http');
  const back = createServer((_request, response) => response.end('a')).listen(a.port, '127.0.0.1');
  await once(back, 'listening');
  try {
    await b.close();
    const answered = load.result.answered;
    await eventually(() => load.result.answered > answered + 200);
    // A restart cuts what is under way: each connection at most once, and each of the two.
    expect((await load.stop()).failed.length).toBeLessThanOrEqual(16);
    expect((await visit(gateway.url)).said).toBe('a');
    expect((await viewOf(gateway, 0)).passive.state).toBe('trusted');
    await gateway.logged(({ msg }) => msg === 'endpoint trusted again');
  } finally {
    back.closeAllConnections();
    back.close();
  }
});

it('one that was put out is asked when an operator has drained the other one', async () => {
  const [a, b] = [await named('a'), await named('b')];
  const gateway = await startGateway(
    config([a.url, b.url], { passive: { baseEjection: '1h', maxEjection: '1h' } }),
  );
  await a.close();
  await visits(gateway.url, 20);
  await eventually(async () => (await viewOf(gateway, 0)).passive.state === 'ejected');
  const { createServer } = await import('node:http');
  const back = createServer((_request, response) => response.end('a')).listen(a.port, '127.0.0.1');
  await once(back, 'listening');
  try {
    const path = `/services/quotes/endpoints/${encodeURIComponent(b.url)}/drain`;
    expect((await gateway.ask(path, { method: 'PUT' })).status).toBe(200);
    expect(statuses(await visits(gateway.url, 10))).toEqual(new Array(10).fill(200));
  } finally {
    back.closeAllConnections();
    back.close();
  }
});

it('one that takes requests and never answers is put out after five timeouts, and tried again by one request at a time', async () => {
  const good = await named('good');
  let waiting = 0;
  let most = 0;
  const mute = await startService((request) => {
    waiting++;
    most = Math.max(most, waiting);
    request.once('close', () => void waiting--);
  });
  const gateway = await startGateway(
    config([good.url, mute.url], { timeouts: { firstByte: '500ms' }, passive: { baseEjection: '1500ms' } }),
  );
  // Each worker takes turns by itself.
  await crowd(gateway.url, 4);
  await eventually(async () => {
    await visit(gateway.url);
    return (await viewOf(gateway, 1)).passive.state === 'ejected';
  });
  expect(mute.requests).toHaveLength(5);
  await visits(gateway.url, 8);
  expect(mute.requests).toHaveLength(5);
  most = 0;
  await eventually(async () => (await viewOf(gateway, 1)).passive.state !== 'ejected');
  const trial = await crowd(gateway.url, 8);
  // One request of a crowd has the trial; each worker may have sent one in the same moment.
  expect(trial.filter(({ status }) => status !== 200).length).toBeLessThanOrEqual(2);
  expect(most).toBeLessThanOrEqual(2);
});

it('the only endpoint stays, whatever happens', async () => {
  const broken = await startRawService((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const gateway = await startGateway(config([broken.url]));
  const all = await visits(gateway.url, 15);
  expect(new Set(all.map(({ said }) => said))).toEqual(new Set(['UPSTREAM_RESET']));
  expect(await viewOf(gateway, 0)).toMatchObject({ state: 'available', passive: { ejections: 0 } });
});

it('answers with 5xx put an endpoint out if told so, and an endpoint far worse than the others, too', async () => {
  const services = await Promise.all(['a', 'b', 'c', 'd'].map(named));
  let failing = 0;
  const half = await startService((_request, response) => {
    response.statusCode = failing++ % 2 === 0 ? 500 : 200;
    response.end('half');
  });
  const always = await startService((_request, response) => {
    response.statusCode = 500;
    response.end('always');
  });
  const urls = services.map(({ url }) => url);
  const gateway = await startGateway({
    workers: 2,
    services: {
      quotes: { endpoints: [...urls, always.url], passive: { consecutive5xx: 3 } },
      others: {
        endpoints: [...urls, half.url],
        passive: { successRate: { interval: '1s', minimumCalls: 3, deviations: 1.5 } },
      },
    },
    routes: [
      { name: 'any', match: { path: '/*' }, service: 'quotes' },
      { name: 'others', match: { path: '/others' }, service: 'others' },
    ],
  });
  await visits(gateway.url, 30);
  expect(always.requests).toHaveLength(3);
  const ejected = gateway.logged(({ msg, service }) => msg === 'endpoint ejected' && service === 'others');
  const end = performance.now() + 10_000;
  let out = false;
  void ejected.then(() => {
    out = true;
  });
  while (!out && performance.now() < end) {
    await crowd(gateway.url, 10, '/others');
    await sleep(10);
  }
  expect(await ejected).toMatchObject({ endpoint: half.url, cause: 'success rate' });
});

it('can be off', async () => {
  const good = await named('good');
  const broken = await startRawService((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const gateway = await startGateway(config([good.url, broken.url], { passive: 'off' }));
  const all = await visits(gateway.url, 40);
  expect(all.filter(({ status }) => status === 502)).toHaveLength(20);
  expect((await viewOf(gateway, 1)).passive).toBeNull();
});
