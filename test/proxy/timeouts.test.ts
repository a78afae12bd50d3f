/** Each way of waiting has its own bound and its own code. */

import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, get, head, type RawAnswer } from '../harness/raw-client.ts';
import { ok, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';
import { type RunningService, startRawService } from '../harness/service.ts';
import { expectBooksInOrder } from './books.ts';

/** What the tests allow above a timeout: the machine may be busy. */
const GENEROUS_MS = 1500;

let service: ScriptedService;
let mute: RunningService;
let full: FullListener;
let gateway: RunningGateway;

beforeAll(async () => {
  service = await startScriptedService();
  mute = await startRawService(() => {});
  full = await listenWithFullBacklog();
  const scripted = (timeouts: Record<string, string>) => ({ endpoints: [service.url], timeouts });
  gateway = await startGateway({
    accessLog: 'all',
    services: {
      full: { endpoints: [full.url], timeouts: { connect: '200ms' } },
      half: { endpoints: [full.url, service.url], timeouts: { connect: '200ms' } },
      mute: { endpoints: [mute.url.replace('http:', 'https:')], timeouts: { connect: '200ms' } },
      'first-byte': scripted({ firstByte: '400ms' }),
      idle: scripted({ idle: '600ms' }),
      total: scripted({ total: '400ms' }),
      patient: scripted({ connect: '5s', firstByte: '5s', idle: '5s', total: '5s' }),
    },
    routes: ['full', 'half', 'mute', 'first-byte', 'idle', 'total', 'patient'].map((name) => ({
      name,
      match: { path: `/${name}/*` },
      service: name,
      rewrite: { prefix: '/' },
      requestSize: { maxBody: '1GiB' },
    })),
  });
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await service?.close();
  await mute?.close();
  await full?.close();
});

interface FullListener {
  url: string;
  close(): Promise<void>;
}

/** A port whose connections the kernel no longer completes: nobody accepts, and the queue is full. */
async function listenWithFullBacklog(): Promise<FullListener> {
  const thread = new Worker(
    `const { parentPort } = require('node:worker_threads');
     const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
     });`,
    { eval: true },
  );
  const port = await new Promise<number>((resolve) => thread.once('message', resolve));
  const fillers: Socket[] = [];
  for (let connected = true; connected; ) {
    const filler = connect(port, '127.0.0.1');
    filler.on('error', () => {});
    fillers.push(filler);
    connected = await new Promise<boolean>((resolve) => {
      filler.once('connect', () => resolve(true));
      setTimeout(resolve, 150, false);
    });
  }
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      for (const filler of fillers) filler.destroy();
      await thread.terminate();
    },
  };
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const startedAt = performance.now();
  const result = await work();
  return { result, ms: performance.now() - startedAt };
}

function codeOf(answer: RawAnswer): string {
  return JSON.parse(answer.body.toString()).code;
}

async function accessLine(path: string) {
  return await gateway.logged((line) => line.msg === 'access' && line.path === path);
}

async function expectStillServes(): Promise<void> {
  expect((await exchangeRaw(gateway.url, get('/idle/next'))).body.toString()).toBe('/next');
}

describe('connect', () => {
  it.each([
    ['a connection that is not accepted', '/full/x'],
    ['a TLS handshake that is not answered', '/mute/x'],
  ])('bounds %s', async (_what, path) => {
    const { result, ms } = await timed(() => exchangeRaw(gateway.url, get(path)));
    expect(result.status).toBe(504);
    expect(codeOf(result)).toBe('UPSTREAM_CONNECT_TIMEOUT');
    expect(result.header('proxy-status')).toBe('sluice; error=connection_timeout');
    expect(ms).toBeGreaterThan(180);
    expect(ms).toBeLessThan(200 + GENEROUS_MS);
    expect(await accessLine(path)).toMatchObject({ blame: 'upstream', failure: 'UPSTREAM_CONNECT_TIMEOUT' });
    await expectStillServes();
  });

  it('gives another endpoint its chance: nothing was sent', async () => {
    for (let i = 0; i < 2; i++) {
      const answer = await exchangeRaw(gateway.url, `${head('POST', `/half/${i}`, 'Content-Length: 4')}body`);
      expect([answer.status, answer.body.toString()]).toEqual([200, `/${i}`]);
      expect(service.to(`/${i}`).map((request) => request.body.toString())).toEqual(['body']);
    }
  });
});

describe('firstByte', () => {
  it('bounds the wait for the head', async () => {
    service.on('/silent', () => {});
    const { result, ms } = await timed(() => exchangeRaw(gateway.url, get('/first-byte/silent')));
    expect(result.status).toBe(504);
    expect(codeOf(result)).toBe('UPSTREAM_FIRST_BYTE_TIMEOUT');
    expect(ms).toBeGreaterThan(380);
    expect(ms).toBeLessThan(400 + GENEROUS_MS);
    await expectStillServes();
  });

  it('closes the connection to the service, which may still answer', async () => {
    const closed = Promise.withResolvers<void>();
    service.on('/too-late', (socket) => {
      socket.once('close', () => closed.resolve());
      setTimeout(() => socket.write(ok('too late')), 600);
    });
    expect((await exchangeRaw(gateway.url, get('/first-byte/too-late'))).status).toBe(504);
    await closed.promise;
    expect((await exchangeRaw(gateway.url, get('/first-byte/own'))).body.toString()).toBe('/own');
  });

  it('is not tried again: the service may be at work on it', async () => {
    service.on('/once', () => {});
    expect((await exchangeRaw(gateway.url, get('/first-byte/once'))).status).toBe(504);
    expect(service.to('/once')).toHaveLength(1);
  });

  it('does not count while the body is on its way', async () => {
    const client = await connectRaw(gateway.url);
    client.send(head('POST', '/first-byte/slow-body', 'Content-Length: 100000'));
    for (let i = 0; i < 10; i++) {
      client.send('a'.repeat(10_000));
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    expect((await client.answer()).status).toBe(200);
  });
});

describe('idle', () => {
  it('bounds a silence in the middle of the answer', async () => {
    service.on(
      '/stops',
      (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun'),
    );
    const { result, ms } = await timed(() => exchangeRaw(gateway.url, get('/idle/stops')));
    expect(result).toMatchObject({ status: 200, complete: false });
    expect(ms).toBeGreaterThan(580);
    expect(ms).toBeLessThan(600 + GENEROUS_MS);
    expect(await accessLine('/idle/stops')).toMatchObject({
      failure: 'UPSTREAM_IDLE_TIMEOUT',
      blame: 'upstream',
    });
    await expectStillServes();
  });

  it('does not bound an answer that goes on', async () => {
    service.on('/drips', (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n');
      let left = 10;
      const timer = setInterval(() => {
        socket.write('.');
        if (--left === 0) clearInterval(timer);
      }, 90);
    });
    const { result, ms } = await timed(() => exchangeRaw(gateway.url, get('/idle/drips')));
    expect(result).toMatchObject({ status: 200, complete: true });
    expect(ms).toBeGreaterThan(800);
  });

  it('bounds a service that takes no more of the request', async () => {
    service.on('/deaf', (socket) => void socket.pause());
    const client = await connectRaw(gateway.url);
    client.send(head('POST', '/idle/deaf', 'Content-Length: 100000000'));
    const timer = setInterval(
      () => client.socket.writableLength < 1_000_000 && client.send(Buffer.alloc(1_000_000)),
      5,
    );
    const answer = await client.answer().finally(() => clearInterval(timer));
    expect(answer.status).toBe(504);
    expect(codeOf(answer)).toBe('UPSTREAM_IDLE_TIMEOUT');
    expect(await accessLine('/idle/deaf')).toMatchObject({ blame: 'upstream' });
    await expectStillServes();
  });

  it('bounds a client that stops in the middle of its body, and blames the client', async () => {
    const client = await connectRaw(gateway.url);
    client.send(`${head('POST', '/idle/half-sent', 'Content-Length: 1000000')}${'a'.repeat(100_000)}`);
    const answer = await client.answer();
    expect(answer.status).toBe(408);
    expect(codeOf(answer)).toBe('REQUEST_TIMEOUT');
    expect(answer.header('proxy-status')).toBeUndefined();
    await client.closed();
    expect(await accessLine('/idle/half-sent')).toMatchObject({
      failure: 'REQUEST_TIMEOUT',
      blame: 'client',
    });
    await expectStillServes();
  });

  it('bounds a client that reads no more, and blames the client', async () => {
    service.on('/endless', (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const chunk = Buffer.from(`10000\r\n${'a'.repeat(65_536)}\r\n`);
      const more = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', more);
      more();
    });
    const client = await connectRaw(gateway.url);
    client.send(get('/idle/endless'));
    await client.until('200 OK');
    client.socket.pause();
    expect(await accessLine('/idle/endless')).toMatchObject({ failure: 'CLIENT_STALLED', blame: 'client' });
    client.socket.resume();
    expect((await client.answer()).complete).toBe(false);
    await expectStillServes();
  });
});

describe('total', () => {
  it('bounds the exchange before the head', async () => {
    service.on('/silent', () => {});
    const { result, ms } = await timed(() => exchangeRaw(gateway.url, get('/total/silent')));
    expect(result.status).toBe(504);
    expect(codeOf(result)).toBe('UPSTREAM_TOTAL_TIMEOUT');
    expect(ms).toBeGreaterThan(380);
    expect(ms).toBeLessThan(400 + GENEROUS_MS);
    await expectStillServes();
  });

  it('bounds an answer that never pauses for long', async () => {
    service.on('/endless-drips', (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n');
      const timer = setInterval(() => socket.write('.'), 20);
      socket.once('close', () => clearInterval(timer));
    });
    const { result, ms } = await timed(() => exchangeRaw(gateway.url, get('/total/endless-drips')));
    expect(result).toMatchObject({ status: 200, complete: false });
    expect(ms).toBeGreaterThan(380);
    expect(ms).toBeLessThan(400 + GENEROUS_MS);
    expect(await accessLine('/total/endless-drips')).toMatchObject({ failure: 'UPSTREAM_TOTAL_TIMEOUT' });
  });

  it('is none unless it is set', async () => {
    service.on('/slow', (socket) => void setTimeout(() => socket.write(ok('slow')), 600));
    expect((await exchangeRaw(gateway.url, get('/patient/slow'))).body.toString()).toBe('slow');
  });
});

it('leaves the books in order', async () => {
  await expectBooksInOrder(gateway);
});
