/** Dead keep-alive connections, and endpoints that refuse: tried again when it is safe, and only then. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, get, head, post } from '../harness/raw-client.ts';
import { ok, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';
import { expectBooksInOrder } from './books.ts';

let service: ScriptedService;
let gateway: RunningGateway;
const REFUSING = 'http://127.0.0.1:1';

beforeAll(async () => {
  service = await startScriptedService();
  gateway = await startGateway({
    accessLog: 'all',
    services: {
      alone: { endpoints: [service.url] },
      second: { endpoints: [REFUSING, service.url] },
      none: { endpoints: [REFUSING, 'http://127.0.0.1:2', 'http://127.0.0.1:3', 'http://127.0.0.1:4'] },
    },
    routes: [
      { name: 'alone', match: { path: '/*' }, service: 'alone' },
      { name: 'second', match: { path: '/second/*' }, service: 'second' },
      { name: 'none', match: { path: '/none' }, service: 'none' },
    ],
  });
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await service?.close();
});

async function accessLine(path: string) {
  const line = await gateway.logged((candidate) => candidate.msg === 'access' && candidate.path === path);
  return line;
}

/** On a used connection the service closes as soon as a request comes, as one whose idle timer has just run out. */
function closesUsedConnections(path: string, how: 'end' | 'reset', firstBytes = ''): void {
  service.on(path, async (socket, request) => {
    await request.whole;
    if (request.earlier === 0) socket.write(ok(`first on its connection: ${request.method}`));
    else if (how === 'reset') socket.resetAndDestroy();
    else socket.end(firstBytes);
  });
}

describe('a request on an idle connection that the service is just closing', () => {
  beforeEach(async () => {
    // One idle connection that has carried an answer.
    for (const socket of service.sockets) socket.destroy();
    await eventually(() => service.sockets.size === 0);
    await exchangeRaw(gateway.url, get('/warm-up'));
  });

  it.each([
    ['GET', 'end'],
    ['GET', 'reset'],
    ['HEAD', 'end'],
    ['OPTIONS', 'end'],
    ['DELETE', 'reset'],
  ] as const)('is sent again on a new one when it is a %s (%s)', async (method, how) => {
    const path = `/safe-${method}-${how}`;
    closesUsedConnections(path, how);
    const answer = await exchangeRaw(gateway.url, head(method, path));
    expect(answer.status).toBe(200);
    expect(service.to(path).map((request) => request.earlier)).toEqual([1, 0]);
    expect(await accessLine(path)).toMatchObject({ status: 200, attempts: 2 });
    expect((await accessLine(path)).failure).toBeUndefined();
  });

  it('is sent again with its body when it is a PUT', async () => {
    closesUsedConnections('/put', 'end');
    const answer = await exchangeRaw(gateway.url, `${head('PUT', '/put', 'Content-Length: 4')}body`);
    expect(answer.status).toBe(200);
    expect(service.to('/put').map((request) => request.body.toString())).toEqual(['body', 'body']);
  });

  it.each(['POST', 'PATCH', 'LOCK'])('is not sent again when it is a %s: at most once', async (method) => {
    const path = `/unsafe-${method}`;
    closesUsedConnections(path, 'end');
    const answer = await exchangeRaw(gateway.url, `${head(method, path, 'Content-Length: 4')}body`);
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body.toString()).code).toBe('UPSTREAM_RESET');
    expect(service.to(path)).toHaveLength(1);
    expect(await accessLine(path)).toMatchObject({ status: 502, attempts: 1, blame: 'upstream' });
  });

  it('is not sent again when its body has been streamed', async () => {
    closesUsedConnections('/large-put', 'end');
    const body = 'a'.repeat(300_000);
    const answer = await exchangeRaw(
      gateway.url,
      head('PUT', '/large-put', `Content-Length: ${body.length}`) + body,
    );
    expect(answer.status).toBe(502);
    expect(service.to('/large-put')).toHaveLength(1);
  });

  it('is not sent again once the answer has begun', async () => {
    closesUsedConnections('/begun', 'end', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
    const answer = await exchangeRaw(gateway.url, get('/begun'));
    expect(answer.complete).toBe(false);
    expect(service.to('/begun')).toHaveLength(1);
  });

  it('is sent again only once: a service that keeps closing is a 502', async () => {
    service.on('/always', (socket) => void socket.end());
    const answer = await exchangeRaw(gateway.url, get('/always'));
    expect(answer.status).toBe(502);
    expect(service.to('/always').map((request) => request.earlier)).toEqual([1, 0]);
  });

  it('succeeds when all idle connections are dead', async () => {
    service.on('/slow', (socket) => void setTimeout(() => socket.write(ok('slow')), 50));
    await Promise.all(Array.from({ length: 6 }, () => exchangeRaw(gateway.url, get('/slow'))));
    expect(service.sockets.size).toBeGreaterThanOrEqual(6);
    closesUsedConnections('/all-dead', 'end');
    expect((await exchangeRaw(gateway.url, get('/all-dead'))).status).toBe(200);
    expect(service.to('/all-dead').map((request) => request.earlier > 0)).toEqual([true, false]);
  });
});

it('does not try again on a connection that was new', async () => {
  for (const socket of service.sockets) socket.destroy();
  await eventually(() => service.sockets.size === 0);
  await sleep(20);
  service.on('/new', (socket) => void socket.end());
  expect((await exchangeRaw(gateway.url, get('/new'))).status).toBe(502);
  expect(service.to('/new')).toHaveLength(1);
});

it('sends no POST into a connection that the service has closed for idleness', async () => {
  await exchangeRaw(gateway.url, get('/warm-up'));
  for (const socket of service.sockets) socket.end();
  // The gateway closes its end when it has seen ours.
  await eventually(() => service.sockets.size === 0);
  expect((await exchangeRaw(gateway.url, post('/after-idle', 'body'))).status).toBe(200);
  expect(service.to('/after-idle')).toHaveLength(1);
});

it('serves every GET from a service that closes after each answer without saying so', async () => {
  service.on('/hasty', (socket, { target }) => void socket.end(ok(target)));
  const client = await connectRaw(gateway.url);
  for (let i = 0; i < 100; i++) {
    const answer = await client.send(get(`/hasty?${i}`)).answer();
    expect([answer.status, answer.body.toString()]).toEqual([200, `/hasty?${i}`]);
  }
});

describe('an endpoint that refuses connections', () => {
  it('gives way to another one', async () => {
    for (let i = 0; i < 6; i++) {
      expect((await exchangeRaw(gateway.url, get(`/second/${i}`))).body.toString()).toBe(`/second/${i}`);
    }
  });

  it('gives way for a POST too: nothing was sent', async () => {
    for (let i = 0; i < 4; i++) {
      const answer = await exchangeRaw(gateway.url, post(`/second/post-${i}`, 'body'));
      expect(answer.status).toBe(200);
      expect(service.to(`/second/post-${i}`).map((request) => request.body.toString())).toEqual(['body']);
    }
  });

  it('gives way for a body that is too large to hold', async () => {
    const body = 'b'.repeat(1_000_000);
    for (let i = 0; i < 4; i++) {
      const request = head('POST', `/second/large-${i}`, `Content-Length: ${body.length}`) + body;
      const answer = await exchangeRaw(gateway.url, request);
      expect(answer.status).toBe(200);
      expect(service.to(`/second/large-${i}`).map((seen) => seen.body.length)).toEqual([body.length]);
    }
  });

  it('gives way for a chunked body', async () => {
    for (let i = 0; i < 4; i++) {
      const request = `${head('POST', `/second/chunked-${i}`, 'Transfer-Encoding: chunked')}4\r\nbody\r\n0\r\n\r\n`;
      const answer = await exchangeRaw(gateway.url, request);
      expect(answer.status).toBe(200);
      expect(service.to(`/second/chunked-${i}`).map((seen) => seen.body.toString())).toEqual(['body']);
    }
  });

  it('is a 502 when all do, after a bounded number of tries', async () => {
    const answer = await exchangeRaw(gateway.url, get('/none'));
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body.toString()).code).toBe('UPSTREAM_CONNECT_FAILED');
    expect(await accessLine('/none')).toMatchObject({ attempts: 3, failure: 'UPSTREAM_CONNECT_FAILED' });
  });
});

it('leaves the books in order', async () => {
  await expectBooksInOrder(gateway);
});
