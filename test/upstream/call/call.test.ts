/** Small requests of the gateway's own, over real sockets. */
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Caller, type CallRequest, createCaller } from '../../../src/upstream/call/call.ts';
import { eventually } from '../../harness/eventually.ts';
import { ok, type ScriptedService, startScriptedService } from '../../harness/scripted-service.ts';
import { startRawService, startService } from '../../harness/service.ts';

let call: Caller;
let service: ScriptedService;

beforeEach(async () => {
  call = createCaller();
  service = await startScriptedService();
});
afterEach(async () => {
  call.close();
  await service.close();
});

function post(path: string, parts: Partial<CallRequest> = {}): CallRequest {
  return {
    method: 'POST',
    url: service.url + path,
    headers: ['content-type', 'application/json'],
    body: '{"a":1}',
    timeoutMs: 5000,
    maxBytes: 1000,
    ...parts,
  };
}

async function why(request: CallRequest): Promise<string> {
  return await call(request).then(
    () => 'answered',
    (error: Error) => error.message,
  );
}

describe('a call', () => {
  it('brings the whole answer', async () => {
    service.on('/a', async (socket, request) => {
      await request.whole;
      socket.write('HTTP/1.1 103 Early Hints\r\n\r\n');
      socket.write('HTTP/1.1 202 Accepted\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 6\r\n\r\nabc');
      setImmediate(() => socket.write('def'));
    });
    const answer = await call(post('/a?b=c'));
    expect(answer.status).toBe(202);
    expect(answer.headers['x-a']).toBe('1, 2');
    expect(answer.body.toString()).toBe('abcdef');
    const [seen] = service.to('/a');
    expect(seen.method).toBe('POST');
    expect(seen.target).toBe('/a?b=c');
    expect(seen.header('host')).toBe(`127.0.0.1:${service.port}`);
    expect(seen.header('content-type')).toBe('application/json');
    expect(seen.body.toString()).toBe('{"a":1}');
  });

  it('may have no body, and an answer without one', async () => {
    service.on('/none', (socket) => void socket.write('HTTP/1.1 204 No Content\r\n\r\n'));
    const answer = await call(post('/none', { method: 'GET', body: null, headers: [] }));
    expect({ status: answer.status, length: answer.body.length }).toEqual({ status: 204, length: 0 });
  });

  it('keeps its connection for the next', async () => {
    for (let i = 0; i < 5; i++) await call(post('/x'));
    expect(service.connectionCount).toBe(1);
  });

  it('shares 64 connections to an origin with the others, and waits its turn', async () => {
    const waiting: (() => void)[] = [];
    service.on('/slow', (socket) => void waiting.push(() => socket.write(ok('done'))));
    const calls = Array.from({ length: 70 }, () => call(post('/slow')));
    await eventually(() => waiting.length === 64);
    expect(service.connectionCount).toBe(64);
    let answered = 0;
    for (const one of calls) void one.then(() => answered++);
    await eventually(() => {
      for (const answer of waiting.splice(0)) answer();
      return answered === 70;
    });
    expect(service.connectionCount).toBe(64);
  });

  it('is refused when too many wait already', async () => {
    service.on('/never', () => {});
    const calls = Array.from({ length: 64 + 1024 + 1 }, () => why(post('/never', { timeoutMs: 300 })));
    const reasons = new Set(await Promise.all(calls));
    expect(reasons).toEqual(
      new Set([
        `127.0.0.1:${service.port}: no answer within 300 ms`,
        `127.0.0.1:${service.port}: too many calls at once`,
      ]),
    );
  });
});

describe('a call fails', () => {
  it('when the answer does not come in time, and not much later', async () => {
    service.on('/never', () => {});
    const startedAt = performance.now();
    expect(await why(post('/never', { timeoutMs: 50 }))).toBe(
      `127.0.0.1:${service.port}: no answer within 50 ms`,
    );
    const ms = performance.now() - startedAt;
    expect(ms).toBeGreaterThanOrEqual(49);
    expect(ms).toBeLessThan(500);
    await eventually(() => service.sockets.size === 0, { what: 'the end of the connection' });
  });

  it('when the answer begins in time and does not end', async () => {
    service.on('/half', (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'));
    expect(await why(post('/half', { timeoutMs: 50 }))).toContain('no answer within 50 ms');
  });

  it('when the answer is cut short', async () => {
    service.on('/cut', (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'));
    expect(await why(post('/cut'))).toContain('the answer is cut short');
  });

  it('when the answer is larger than is allowed', async () => {
    service.on('/large', (socket) => void socket.write(ok('x'.repeat(1001))));
    service.on('/fits', (socket) => void socket.write(ok('x'.repeat(1000))));
    expect(await why(post('/fits'))).toBe('answered');
    expect(await why(post('/large'))).toContain('the answer has more than 1000 bytes');
  });

  it('when nobody listens', async () => {
    const { url, close } = await startRawService(() => {});
    await close();
    expect(await why(post('/', { url }))).toMatch(/^127\.0\.0\.1:\d+: no answer: ECONNREFUSED$/);
  });

  it('when what comes is no HTTP', async () => {
    const raw = await startRawService((socket) => void socket.write('220 smtp.example.com ESMTP\r\n'));
    expect(await why(post('/', { url: raw.url }))).toMatch(/: no answer: HTTPParserError$/);
  });

  it('when it cannot be sent, and the connections stay usable', async () => {
    for (let i = 0; i < 70; i++) {
      expect(await why(post('/x', { headers: ['x-a', 'evil\r\nx-b: 1'] }))).toContain('no answer');
    }
    expect(await why(post('/x'))).toBe('answered');
    expect(service.seen.every((request) => request.header('x-b') === undefined)).toBe(true);
  });

  it('without telling what was in it', async () => {
    service.on('/secret', (socket) => void socket.destroy());
    const message = await why(
      post('/secret?key=hush', { headers: ['authorization', 'Bearer hush'], body: 'hush' }),
    );
    expect(message).not.toContain('hush');
    expect(message).not.toContain('secret');
  });

  it('with 3xx as with any status: it follows nothing', async () => {
    const elsewhere = await startService();
    service.on(
      '/go',
      (socket) =>
        void socket.write(`HTTP/1.1 307 X\r\nLocation: ${elsewhere.url}\r\nContent-Length: 0\r\n\r\n`),
    );
    expect((await call(post('/go'))).status).toBe(307);
    expect(elsewhere.requests).toEqual([]);
  });
});

describe('a kept connection that the other side closes', () => {
  /** Answers the first request of each connection, and drops it at the second. */
  function closing() {
    service.on(
      '/x',
      (socket, { earlier }) => void (earlier === 0 ? socket.write(ok('fine')) : socket.destroy()),
    );
  }

  it('costs a call that may be repeated nothing', async () => {
    closing();
    await call(post('/x'));
    const answer = await call(post('/x', { repeatable: true }));
    expect(answer.body.toString()).toBe('fine');
    expect(service.connectionCount).toBe(2);
  });

  it('fails one that may not', async () => {
    closing();
    await call(post('/x'));
    expect(await why(post('/x'))).toContain('no answer');
  });

  it('is tried once more and not for ever', async () => {
    closing();
    await call(post('/x'));
    service.on('/x', (socket) => void socket.destroy());
    expect(await why(post('/x', { repeatable: true }))).toContain('no answer');
    expect(service.to('/x')).toHaveLength(3);
  });
});

it('an answer that came in time counts, also when the gateway was too busy to read it in time', async () => {
  const script = `
    const { parentPort } = require('node:worker_threads');
    const server = require('node:http').createServer((_, response) => response.end('prompt'));
    server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`;
  const worker = new Worker(script, { eval: true });
  try {
    const port = await new Promise<number>((resolve) => worker.once('message', resolve));
    const request = post('/', { url: `http://127.0.0.1:${port}`, timeoutMs: 20 });
    await call({ ...request, timeoutMs: 5000 });
    const answer = call(request);
    await new Promise((resolve) => setImmediate(resolve));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100); // nothing runs here meanwhile
    expect((await answer).body.toString()).toBe('prompt');
  } finally {
    await worker.terminate();
  }
});

it('after close no idle connection is left', async () => {
  await call(post('/x'));
  expect(service.sockets.size).toBe(1);
  call.close();
  await eventually(() => service.sockets.size === 0);
});
