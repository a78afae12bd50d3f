/** A slow service keeps its own requests waiting, and nobody else's. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, get, type RawAnswer } from '../harness/raw-client.ts';
import { ok, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';
import { expectBooksInOrder } from '../proxy/books.ts';
import { counted } from './counts.ts';

let service: ScriptedService;
let gateway: RunningGateway;
let release: () => void;

beforeAll(async () => {
  service = await startScriptedService();
  const endpoints = [service.url];
  gateway = await startGateway({
    accessLog: 'all',
    services: {
      small: { endpoints, bulkhead: { maxInFlight: 2, maxWaiting: 2, maxWait: '10s' } },
      hasty: { endpoints, bulkhead: { maxInFlight: 1, maxWaiting: 5, maxWait: '100ms' } },
      none: { endpoints, bulkhead: { maxInFlight: 1, maxWaiting: 0 } },
      other: { endpoints },
      adaptive: {
        endpoints,
        bulkhead: { maxInFlight: 16, maxWaiting: 200, maxWait: '10s', adaptive: true },
      },
    },
    routes: ['small', 'hasty', 'none', 'other', 'adaptive'].map((name) => ({
      name,
      match: { path: `/${name}/*` },
      service: name,
    })),
  });
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await service?.close();
});

/** Requests to the path are answered when `release` is called. */
function hold(path: string): void {
  const held = Promise.withResolvers<void>();
  release = held.resolve;
  service.on(path, async (socket) => {
    await held.promise;
    if (!socket.destroyed) socket.write(ok('held'));
  });
}

function expectBusy(answer: RawAnswer): void {
  expect(answer).toMatchObject({ status: 503, complete: true });
  expect(JSON.parse(answer.body.toString()).code).toBe('SERVICE_BUSY');
  expect(answer.header('retry-after')).toBe('1');
}

/** In flight and waiting, as far as the gateway has told. */
async function gauges(name: string) {
  const [inFlight, waiting] = await Promise.all(
    ['in_flight', 'waiting'].map((gauge) => counted(gateway, `sluice_bulkhead_${gauge}`)),
  );
  return [inFlight[`service="${name}"`], waiting[`service="${name}"`]];
}

describe('a bulkhead', () => {
  it('lets so many in, lets so many wait, and refuses the rest at once', async () => {
    hold('/small/a');
    const inside = [1, 2].map(() => exchangeRaw(gateway.url, get('/small/a')));
    await eventually(() => service.to('/small/a').length === 2);
    const waiting = [1, 2].map(() => exchangeRaw(gateway.url, get('/small/a')));
    await eventually(async () => String(await gauges('small')) === '2,2');
    const from = performance.now();
    expectBusy(await exchangeRaw(gateway.url, get('/small/a')));
    expect(performance.now() - from).toBeLessThan(1_000);
    expect(service.to('/small/a')).toHaveLength(2);
    // Other services, even at the same address, go on.
    expect((await exchangeRaw(gateway.url, get('/other/a'))).status).toBe(200);
    release();
    const answers = await Promise.all([...inside, ...waiting]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    await eventually(async () => String(await gauges('small')) === '0,0');
    expect(await counted(gateway, 'sluice_bulkhead_rejected_total')).toMatchObject({
      'service="small",reason="full"': 1,
    });
  });

  it('refuses who has waited for too long', async () => {
    hold('/hasty/a');
    const inside = exchangeRaw(gateway.url, get('/hasty/a'));
    await eventually(() => service.to('/hasty/a').length === 1);
    const from = performance.now();
    expectBusy(await exchangeRaw(gateway.url, get('/hasty/a')));
    expect(performance.now() - from).toBeGreaterThanOrEqual(90);
    release();
    await inside;
  });

  it('gives the place of who leaves to who waits', async () => {
    hold('/small/b');
    const clients = await Promise.all([1, 2, 3, 4].map(() => connectRaw(gateway.url)));
    for (const client of clients.slice(0, 2)) client.send(get('/small/b'));
    await eventually(() => service.to('/small/b').length === 2);
    clients[2].send(get('/small/b'));
    await eventually(async () => String(await gauges('small')) === '2,1');
    // One that waits leaves: it is never sent.
    clients[2].reset();
    await eventually(async () => String(await gauges('small')) === '2,0');
    clients[3].send(get('/small/b'));
    await eventually(async () => String(await gauges('small')) === '2,1');
    // One that is inside leaves: who waits is sent.
    clients[0].reset();
    await eventually(() => service.to('/small/b').length === 3);
    release();
    expect((await clients[3].answer()).status).toBe(200);
    await eventually(async () => String(await gauges('small')) === '0,0');
  });

  it.each<[string, string]>([
    ['answers', ok('')],
    ['answers with an error', ok('').replace('200 OK', '500 Oh')],
    ['resets', ''],
    ['breaks off in the middle', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'],
  ])('gets its place back from a service that %s', async (_what, bytes) => {
    service.on('/none/a', (socket) => {
      if (bytes !== '') socket.write(bytes);
      if (!bytes.endsWith('\r\n\r\n')) setTimeout(() => socket.resetAndDestroy(), 20);
    });
    for (let i = 0; i < 3; i++) {
      const answer = await exchangeRaw(gateway.url, get('/none/a'));
      expect(answer.body.toString()).not.toContain('SERVICE_BUSY');
    }
    expect((await exchangeRaw(gateway.url, get('/none/after'))).status).toBe(200);
  });
});

it('a reload makes room for those who wait, and keeps count of those inside', async () => {
  const config = (maxInFlight: number) => ({
    services: { one: { endpoints: [service.url], bulkhead: { maxInFlight, maxWaiting: 5, maxWait: '20s' } } },
    routes: [{ name: 'one', match: { path: '/*' }, service: 'one' }],
  });
  const own = await startGateway(config(1));
  hold('/reloaded');
  const answers = [exchangeRaw(own.url, get('/reloaded')), exchangeRaw(own.url, get('/reloaded'))];
  await eventually(() => service.to('/reloaded').length === 1);
  own.write(config(2));
  expect((await own.reload()).status).toBe(200);
  await eventually(() => service.to('/reloaded').length === 2);
  const third = exchangeRaw(own.url, get('/reloaded'));
  await eventually(async () => (await counted(own, 'sluice_bulkhead_waiting'))['service="one"'] === 1);
  expect((await counted(own, 'sluice_bulkhead_in_flight'))['service="one"']).toBe(2);
  release();
  expect((await Promise.all([...answers, third])).map(({ status }) => status)).toEqual([200, 200, 200]);
  await eventually(async () => (await counted(own, 'sluice_bulkhead_in_flight'))['service="one"'] === 0);
  expect(service.to('/reloaded')).toHaveLength(3);
});

describe('an adaptive limit', () => {
  it('grows with a service that keeps up, and shrinks with one that slows down', async () => {
    let ms = 5;
    service.on('/adaptive/a', (socket) => {
      setTimeout(() => socket.destroyed || socket.write(ok('')), ms);
    });
    let going = true;
    const clients = await Promise.all(Array.from({ length: 20 }, () => connectRaw(gateway.url)));
    const load = clients.map(async (client) => {
      while (going) await client.send(get('/adaptive/a')).answer({ withinMs: 20_000 });
    });
    const limit = async () => (await counted(gateway, 'sluice_bulkhead_limit'))['service="adaptive"'];
    const grown = await eventually(async () => ((await limit()) >= 8 ? limit() : null), {
      withinMs: 20_000,
    });
    ms = 1_000;
    await eventually(async () => (await limit()) <= grown - 2, { withinMs: 30_000 });
    ms = 0;
    going = false;
    await Promise.all(load);
  }, 60_000);
});

it('leaves the books in order', async () => {
  await expectBooksInOrder(gateway);
});
