/** A client that leaves: the service is let go at once, and nothing of the exchange reaches the next one. */
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, get, head } from '../harness/raw-client.ts';
import { ok, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';
import { expectBooksInOrder } from './books.ts';

let service: ScriptedService;
let gateway: RunningGateway;

beforeAll(async () => {
  service = await startScriptedService();
  gateway = await startGateway({
    accessLog: 'all',
    services: {
      scripted: { endpoints: [service.url] },
      // An endpoint of its own: another spelling of the same address.
      narrow: {
        endpoints: [service.url.replace('127.0.0.1', 'localhost')],
        connections: { max: 1, queue: 5 },
      },
    },
    routes: [
      { name: 'scripted', match: { path: '/*' }, service: 'scripted' },
      { name: 'narrow', match: { path: '/narrow/*' }, service: 'narrow' },
    ],
  });
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await service?.close();
});

/** The service's socket for the request to this path, once it has arrived. */
async function arrived(path: string): Promise<Socket> {
  const request = await eventually(() => service.to(path)[0], { what: `the request to ${path}`, everyMs: 2 });
  return request.socket;
}

async function expectClosedAtOnce(socket: Socket): Promise<void> {
  const startedAt = performance.now();
  await eventually(() => socket.destroyed, { what: 'the end of the connection to the service', everyMs: 2 });
  expect(performance.now() - startedAt).toBeLessThan(500);
}

async function expectLogged(path: string, status: number): Promise<void> {
  const line = await gateway.logged((candidate) => candidate.msg === 'access' && candidate.path === path);
  expect(line).toMatchObject({ status, failure: 'CLIENT_CLOSED', blame: 'client', aborted: true });
  // Exactly one line for each exchange.
  expect(gateway.log.filter(({ msg, path: other }) => msg === 'access' && other === path)).toHaveLength(1);
}

async function expectNextAnswered(): Promise<void> {
  expect((await exchangeRaw(gateway.url, get('/next'))).body.toString()).toBe('/next');
}

describe.each(['close', 'reset'] as const)('a client that leaves (%s)', (how) => {
  it('before the service has answered ends the request to the service', async () => {
    const path = `/waiting-${how}`;
    service.on(path, () => {});
    const client = await connectRaw(gateway.url);
    client.send(get(path));
    const socket = await arrived(path);
    client[how]();
    await expectClosedAtOnce(socket);
    await expectLogged(path, 499);
    await expectNextAnswered();
  });

  it('in the middle of the answer ends the request to the service', async () => {
    const path = `/streaming-${how}`;
    service.on(path, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const timer = setInterval(() => socket.write('5\r\nevent\r\n'), 5);
      socket.once('close', () => clearInterval(timer));
    });
    const client = await connectRaw(gateway.url);
    client.send(get(path));
    await client.until('event');
    const socket = await arrived(path);
    client[how]();
    await expectClosedAtOnce(socket);
    await expectLogged(path, 200);
    await expectNextAnswered();
  });

  it('in the middle of its own body ends the request to the service', async () => {
    const path = `/uploading-${how}`;
    const client = await connectRaw(gateway.url);
    client.send(`${head('POST', path, 'Content-Length: 1000000')}${'a'.repeat(200_000)}`);
    const socket = await arrived(path);
    client[how]();
    await expectClosedAtOnce(socket);
    await expectLogged(path, 499);
    await expectNextAnswered();
  });

  it('in the middle of a chunked body never completes it', async () => {
    const path = `/chunks-${how}`;
    const client = await connectRaw(gateway.url);
    client.send(`${head('POST', path, 'Transfer-Encoding: chunked')}5\r\nhello\r\n`);
    const socket = await arrived(path);
    await eventually(() => service.to(path)[0].body.length > 0, { everyMs: 2 });
    client[how]();
    await expectClosedAtOnce(socket);
    // What the service got cannot be taken for the whole.
    expect(service.to(path)[0].body.toString()).toBe('hello');
    await expectLogged(path, 499);
    await expectNextAnswered();
  });

  it('while a small body is still coming in never troubles the service', async () => {
    const path = `/collecting-${how}`;
    const client = await connectRaw(gateway.url);
    client.send(`${head('POST', path, 'Content-Length: 1000')}half`);
    await new Promise((resolve) => setTimeout(resolve, 30));
    client[how]();
    await expectLogged(path, 499);
    expect(service.to(path)).toEqual([]);
    await expectNextAnswered();
  });

  it('while it waits for a connection gives up its place', async () => {
    const first = Promise.withResolvers<Socket>();
    service.on(`/narrow/first-${how}`, (socket) => first.resolve(socket));
    const busy = await connectRaw(gateway.url);
    busy.send(get(`/narrow/first-${how}`));
    const socket = await first.promise;

    const waiting = await connectRaw(gateway.url);
    waiting.send(get(`/narrow/waiting-${how}`));
    await new Promise((resolve) => setTimeout(resolve, 50));
    waiting[how]();
    await expectLogged(`/narrow/waiting-${how}`, 499);

    const after = await connectRaw(gateway.url);
    after.send(get(`/narrow/after-${how}`));
    socket.write(ok('first'));
    expect((await busy.answer()).body.toString()).toBe('first');
    expect((await after.answer()).body.toString()).toBe(`/narrow/after-${how}`);
    expect(service.to(`/narrow/waiting-${how}`)).toEqual([]);
  });
});

it('hands no late answer of an abandoned exchange to the next one', async () => {
  for (let i = 0; i < 10; i++) {
    const path = `/late-${i}`;
    service.on(path, (socket) => void setTimeout(() => socket.writable && socket.write(ok('late')), 10));
    const client = await connectRaw(gateway.url);
    client.send(get(path));
    await arrived(path);
    client.close();
    const others = await Promise.all([1, 2, 3].map((n) => exchangeRaw(gateway.url, get(`/other-${i}-${n}`))));
    expect(others.map((answer) => answer.body.toString())).toEqual([1, 2, 3].map((n) => `/other-${i}-${n}`));
  }
});

it('leaves no connection behind after many have left', async () => {
  service.on('/many', () => {});
  const clients = await Promise.all(Array.from({ length: 100 }, () => connectRaw(gateway.url)));
  for (const client of clients) client.send(get('/many'));
  await eventually(() => service.to('/many').length === 100);
  for (const client of clients) client.reset();
  await eventually(() => service.to('/many').every((request) => request.socket.destroyed));
  await expectNextAnswered();
});

it('leaves the books in order', async () => {
  await expectBooksInOrder(gateway);
});
