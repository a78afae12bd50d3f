/** Connections to endpoints: bounded, queued for, kept alive, and let go when nobody names the endpoint any more. */
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, get, head, post, type RawAnswer } from '../harness/raw-client.ts';
import { ok, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';
import { expectBooksInOrder } from './books.ts';

let service: ScriptedService;
let gateway: RunningGateway;

beforeAll(async () => {
  service = await startScriptedService();
  gateway = await startGateway(config());
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await service?.close();
});

/** Each service is an endpoint of its own, although all are the same address: the options differ. */
function config(): Record<string, unknown> {
  const bounds = {
    two: { max: 2, queue: 2 },
    none: { max: 1, queue: 0 },
    wide: { max: 50 },
    short: { keepAlive: '100ms' },
    impatient: { max: 1, queue: 10, keepAlive: '59s' },
  };
  return {
    accessLog: 'all',
    services: Object.fromEntries(
      Object.entries(bounds).map(([name, connections]) => [
        name,
        {
          endpoints: [service.url],
          connections,
          timeouts: { connect: name === 'impatient' ? '200ms' : '10s' },
        },
      ]),
    ),
    routes: Object.keys(bounds).map((name) => ({
      name,
      match: { path: `/${name}/*` },
      service: name,
    })),
  };
}

/** Requests to this path wait until they are answered by hand. */
function holds(path: string): { arrived: Socket[]; answer(): void } {
  const arrived: Socket[] = [];
  service.on(path, (socket) => void arrived.push(socket));
  return { arrived, answer: () => void arrived.shift()?.write(ok('held')) };
}

async function send(path: string, request = get(path)): Promise<{ answer: Promise<RawAnswer> }> {
  const client = await connectRaw(gateway.url);
  return { answer: client.send(request).answer() };
}

describe('connections.max', () => {
  it('bounds the connections; what comes on top waits its turn', async () => {
    const held = holds('/two/held');
    const sent = [];
    for (let i = 0; i < 4; i++) sent.push(await send('/two/held'));
    await eventually(() => held.arrived.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(held.arrived).toHaveLength(2);
    for (let i = 0; i < 4; i++) {
      await eventually(() => held.arrived.length > 0);
      held.answer();
    }
    for (const { answer } of sent) expect((await answer).body.toString()).toBe('held');
    expect(new Set(service.to('/two/held').map((request) => request.socket)).size).toBe(2);
  });

  it('serves those who wait in the order of their coming', async () => {
    const held = holds('/two/order-0');
    holds('/two/order-1');
    const first = [await send('/two/order-0'), await send('/two/order-1')];
    await eventually(() => service.to('/two/order-1').length === 1);
    const third = await send('/two/order-2');
    await eventually(() => held.arrived.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const fourth = await send('/two/order-3');
    await new Promise((resolve) => setTimeout(resolve, 30));
    held.answer();
    expect((await third.answer).body.toString()).toBe('/two/order-2');
    expect((await fourth.answer).body.toString()).toBe('/two/order-3');
    const paths = service.seen
      .map((request) => request.target)
      .filter((target) => target.startsWith('/two/order-'));
    expect(paths).toEqual(['/two/order-0', '/two/order-1', '/two/order-2', '/two/order-3']);
    service.to('/two/order-1')[0].socket.write(ok('held'));
    await Promise.all(first.map(({ answer }) => answer));
  });
});

describe('connections.queue', () => {
  it('bounds those who wait; the next one is told to come back', async () => {
    const held = holds('/two/full');
    const sent = [];
    for (let i = 0; i < 4; i++) sent.push(await send('/two/full'));
    await eventually(() => held.arrived.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 50));

    const refused = await exchangeRaw(gateway.url, get('/two/too-many'));
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.body.toString()).code).toBe('SERVICE_BUSY');
    expect(refused.header('proxy-status')).toBe('sluice; error=connection_limit_reached');
    expect(refused.header('retry-after')).toMatch(/^\d+$/);
    const line = await gateway.logged(({ msg, path }) => msg === 'access' && path === '/two/too-many');
    expect(line).toMatchObject({ status: 503, failure: 'SERVICE_BUSY', blame: 'gateway' });

    for (let i = 0; i < 4; i++) {
      await eventually(() => held.arrived.length > 0);
      held.answer();
    }
    for (const { answer } of sent) expect((await answer).status).toBe(200);
    expect((await exchangeRaw(gateway.url, get('/two/after'))).status).toBe(200);
    expect(service.to('/two/too-many')).toEqual([]);
  });

  it('may be of no length at all', async () => {
    const held = holds('/none/held');
    const only = await send('/none/held');
    await eventually(() => held.arrived.length === 1);
    expect((await exchangeRaw(gateway.url, get('/none/second'))).status).toBe(503);
    held.answer();
    expect((await only.answer).status).toBe(200);
    expect((await exchangeRaw(gateway.url, get('/none/third'))).status).toBe(200);
  });

  it('moves on when the connection in front of it breaks', async () => {
    const held = holds('/two/breaks');
    // A GET would be sent again.
    const unsafe = post('/two/breaks', 'body');
    const first = [await send('/two/breaks', unsafe), await send('/two/breaks', unsafe)];
    await eventually(() => held.arrived.length === 2);
    const waiting = [await send('/two/waiting-1'), await send('/two/waiting-2')];
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const socket of held.arrived) socket.resetAndDestroy();
    for (const { answer } of first) expect((await answer).status).toBe(502);
    for (const { answer } of waiting) expect((await answer).status).toBe(200);
  });

  it('counts as waiting for a connection: connect bounds it', async () => {
    const held = holds('/impatient/held');
    const only = await send('/impatient/held');
    await eventually(() => held.arrived.length === 1);
    const waited = await exchangeRaw(gateway.url, get('/impatient/waits'));
    expect(waited.status).toBe(504);
    expect(JSON.parse(waited.body.toString()).code).toBe('UPSTREAM_CONNECT_TIMEOUT');
    held.answer();
    expect((await only.answer).status).toBe(200);
    expect((await exchangeRaw(gateway.url, get('/impatient/next'))).status).toBe(200);
    expect(service.to('/impatient/waits')).toEqual([]);
  });

  it('loses no place to requests that fail in a hundred ways', async () => {
    service.on('/two/fails', (socket, { header }) => {
      const how = Number(header('x-how')) % 4;
      if (how === 0) socket.destroy();
      else if (how === 1) socket.end('garbage\r\n\r\n');
      else if (how === 2) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf');
      else socket.write(ok('fine'));
    });
    for (let i = 0; i < 100; i++) await exchangeRaw(gateway.url, get('/two/fails', `X-How: ${i}`));
    const held = holds('/two/both');
    const sent = [await send('/two/both'), await send('/two/both')];
    await eventually(() => held.arrived.length === 2);
    held.answer();
    held.answer();
    for (const { answer } of sent) expect((await answer).status).toBe(200);
  });
});

describe('a connection', () => {
  it('is used again', async () => {
    const before = service.connectionCount;
    const client = await connectRaw(gateway.url);
    for (let i = 0; i < 20; i++)
      expect((await client.send(get(`/none/again-${i}`)).answer()).status).toBe(200);
    expect(service.connectionCount - before).toBeLessThanOrEqual(1);
  });

  it('is not used again when the service says so', async () => {
    service.on('/none/close', (socket) => void socket.write(ok('last', 'Connection: close')));
    const before = service.connectionCount;
    for (let i = 0; i < 3; i++)
      expect((await exchangeRaw(gateway.url, get('/none/close'))).body.toString()).toBe('last');
    expect(service.connectionCount - before).toBeGreaterThanOrEqual(2);
  });

  it('is closed after keepAlive without a request', async () => {
    await exchangeRaw(gateway.url, get('/short/once'));
    const { socket } = service.to('/short/once')[0];
    await eventually(() => socket.destroyed, { withinMs: 3000 });
    expect((await exchangeRaw(gateway.url, get('/short/again'))).status).toBe(200);
  });

  it('carries one request at a time', async () => {
    const held = holds('/wide/held');
    const sent = [];
    for (let i = 0; i < 10; i++) sent.push(await send('/wide/held'));
    await eventually(() => held.arrived.length === 10);
    expect(new Set(held.arrived).size).toBe(10);
    while (held.arrived.length > 0) held.answer();
    for (const { answer } of sent) expect((await answer).status).toBe(200);
  });

  it('is not shared between clients whose requests are illegal and those whose are not', async () => {
    const held = holds('/none/legal');
    for (let i = 0; i < 50; i++) {
      await exchangeRaw(gateway.url, get('/none/x', `X-Bad: a\x01b${i}`)).catch(() => null);
      await exchangeRaw(gateway.url, head('G(ET', '/none/x')).catch(() => null);
    }
    const sent = await send('/none/legal');
    await eventually(() => held.arrived.length === 1);
    held.answer();
    expect((await sent.answer).status).toBe(200);
  });
});

describe('an endpoint that a reload no longer names', () => {
  it('loses its idle connections at once, and the busy ones after their answer', async () => {
    const held = holds('/wide/busy');
    await exchangeRaw(gateway.url, get('/wide/idle'));
    const busy = await send('/wide/busy');
    await eventually(() => held.arrived.length === 1);
    await exchangeRaw(gateway.url, get('/wide/idle'));
    const [idle] = service.to('/wide/idle').slice(-1);
    const { socket } = service.to('/wide/busy')[0];
    expect(idle.socket).not.toBe(socket);

    const next = config() as { services: Record<string, { connections: unknown }> };
    next.services.wide.connections = { max: 51 };
    gateway.write(next);
    expect((await gateway.reload()).status).toBe(200);

    await eventually(() => idle.socket.destroyed);
    expect(socket.destroyed).toBe(false);
    held.answer();
    expect((await busy.answer).body.toString()).toBe('held');
    await eventually(() => socket.destroyed);
    expect((await exchangeRaw(gateway.url, get('/wide/new'))).status).toBe(200);
  });

  it('keeps the connections of those that are still named', async () => {
    await exchangeRaw(gateway.url, get('/two/kept'));
    const { socket } = service.to('/two/kept')[0];
    gateway.write(config());
    expect((await gateway.reload()).status).toBe(200);
    await exchangeRaw(gateway.url, get('/two/kept'));
    expect(socket.destroyed).toBe(false);
    expect(service.to('/two/kept')[1].socket).toBe(socket);
  });
});

it('leaves the books in order', async () => {
  await expectBooksInOrder(gateway);
});
