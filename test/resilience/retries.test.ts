/** Retries as configured: on which conditions, how often, how soon, and never twice what must happen once. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, get, head, post } from '../harness/raw-client.ts';
import { ok, type Script, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';
import { expectBooksInOrder } from '../proxy/books.ts';
import { accessLine, counted } from './counts.ts';

let a: ScriptedService;
let b: ScriptedService;
let gateway: RunningGateway;
const REFUSING = 'http://127.0.0.1:1';
const GENEROUS = { share: '100%', minimum: 100 };

beforeAll(async () => {
  a = await startScriptedService();
  b = await startScriptedService();
  const on = ['connect', 'reset', 'timeout', 503];
  const retries = { attempts: 2, on, backoff: { base: '1ms', max: '1s' }, budget: GENEROUS };
  const timeouts = { firstByte: '300ms', idle: '300ms' };
  gateway = await startGateway({
    accessLog: 'all',
    services: {
      alone: { endpoints: [a.url], retries },
      timed: { endpoints: [a.url], timeouts, retries },
      pair: { endpoints: [a.url, b.url], retries },
      classes: { endpoints: [a.url], retries: { ...retries, on: ['5xx', 429] } },
      hasty: { endpoints: [a.url], timeouts: { total: '400ms' }, retries },
      closed: { endpoints: [REFUSING], retries },
      quick: { endpoints: [a.url], retries: { ...retries, backoff: { max: '250ms' } } },
      plain: { endpoints: [a.url] },
    },
    routes: [
      { name: 'alone', match: { path: '/*' }, service: 'alone' },
      { name: 'timed', match: { path: '/timed/*' }, service: 'timed' },
      { name: 'pair', match: { path: '/pair/*' }, service: 'pair' },
      { name: 'classes', match: { path: '/classes/*' }, service: 'classes' },
      { name: 'hasty', match: { path: '/hasty/*' }, service: 'hasty' },
      { name: 'closed', match: { path: '/closed/*' }, service: 'closed' },
      { name: 'quick', match: { path: '/quick/*' }, service: 'quick' },
      { name: 'off', match: { path: '/off/*' }, service: 'alone', retries: 'off' },
      {
        name: 'own',
        match: { path: '/own/*' },
        service: 'plain',
        retries: { attempts: 1, on: [500], backoff: { base: '1ms' } },
      },
    ],
  });
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await a?.close();
  await b?.close();
});

/** The n-th request to the path is answered by the n-th script, further ones by the last. */
function inTurn(service: ScriptedService, path: string, ...scripts: Script[]): void {
  let n = 0;
  service.on(path, async (socket, request) => {
    const script = scripts[Math.min(n++, scripts.length - 1)] as Script;
    await request.whole;
    await script(socket, request);
  });
}

function says(status: string, body = '', ...fields: string[]): Script {
  const bytes = ok(body, ...fields).replace('200 OK', status);
  return (socket, { method }) => void socket.write(method === 'HEAD' ? bytes.slice(0, -body.length) : bytes);
}

const unavailable = says('503 Service Unavailable', 'not now');
const fine = says('200 OK', 'fine');
const reset: Script = (socket) => void socket.resetAndDestroy();
const silent: Script = () => {};

describe('a GET', () => {
  it.each<[string, Script]>([
    ['is answered with a listed status', unavailable],
    ['meets a reset', reset],
    ['meets an end without an answer', (socket) => void socket.end()],
    ['meets half a head', (socket) => void socket.end('HTTP/1.1 200 OK\r\nX-Half: ')],
    [
      'meets a reset between head and body',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-First: 1\r\n\r\n');
        setTimeout(() => socket.resetAndDestroy(), 20);
      },
    ],
    ['gets no answer in time', silent],
    [
      'gets a head in time and nothing behind it',
      (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-First: 1\r\n\r\n'),
    ],
  ])('that %s is tried again', async (what, script) => {
    const path = `/${what.includes('in time') ? 'timed' : 'get'}/${encodeURIComponent(what)}`;
    inTurn(a, path, script, fine);
    const answer = await exchangeRaw(gateway.url, get(path));
    expect([answer.status, answer.body.toString()]).toEqual([200, 'fine']);
    expect(answer.header('x-first')).toBeUndefined();
    expect(a.to(path)).toHaveLength(2);
    const line = await accessLine(gateway, decodeURIComponent(path).replaceAll(' ', '%20'));
    expect(line).toMatchObject({ status: 200, attempts: 2 });
    expect(line.failure).toBeUndefined();
  });

  it('goes to another endpoint the second time', async () => {
    for (let i = 0; i < 6; i++) {
      const path = `/pair/${i}`;
      inTurn(a, path, unavailable);
      const answer = await exchangeRaw(gateway.url, get(path));
      expect(answer.body.toString()).toBe(path);
      expect(b.to(path)).toHaveLength(1);
    }
  });

  it('gets the last answer as it is when all fail, and nothing of those before', async () => {
    inTurn(
      a,
      '/all-fail',
      says('503 Service Unavailable', 'first', 'X-First: 1', 'Set-Cookie: a=1', 'Content-Type: text/a'),
      says('503 Service Unavailable', 'second', 'X-Second: 1', 'Set-Cookie: b=2'),
      says('503 Service Unavailable', 'the third', 'X-Third: 1'),
      fine,
    );
    const answer = await exchangeRaw(gateway.url, get('/all-fail'));
    expect([answer.status, answer.body.toString()]).toEqual([503, 'the third']);
    expect(answer.header('x-third')).toBe('1');
    for (const name of ['x-first', 'x-second', 'set-cookie', 'content-type', 'proxy-status'])
      expect(answer.header(name)).toBeUndefined();
    const line = await accessLine(gateway, '/all-fail');
    expect(line).toMatchObject({ status: 503, attempts: 3 });
    expect(line.failure).toBeUndefined();
  });

  it('gets the gateway’s own answer when the last try fails, and nothing of those before', async () => {
    inTurn(a, '/then-reset', says('503 Service Unavailable', 'first', 'X-First: 1'), reset);
    const answer = await exchangeRaw(gateway.url, get('/then-reset'));
    expect(answer.status).toBe(502);
    expect(answer.header('x-first')).toBeUndefined();
    expect(answer.header('content-type')).toBe('application/problem+json');
    expect(JSON.parse(answer.body.toString()).code).toBe('UPSTREAM_RESET');
  });

  it('is not tried again for a status that is not listed', async () => {
    inTurn(a, '/not-listed', says('500 Internal Server Error', 'mine'), fine);
    expect((await exchangeRaw(gateway.url, get('/not-listed'))).body.toString()).toBe('mine');
  });

  it('is tried again for a class of statuses', async () => {
    inTurn(a, '/classes/a', says('500 Internal Server Error'), says('429 Too Many Requests'), fine);
    expect((await exchangeRaw(gateway.url, get('/classes/a'))).body.toString()).toBe('fine');
  });

  it('is not tried again once the client has something of the answer', async () => {
    inTurn(
      a,
      '/begun',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
        setTimeout(() => socket.resetAndDestroy(), 50);
      },
      fine,
    );
    const answer = await exchangeRaw(gateway.url, get('/begun'));
    expect([answer.status, answer.complete]).toEqual([200, false]);
    expect(a.to('/begun')).toHaveLength(1);
  });

  it('is tried again at the only endpoint when that refuses, as often as allowed', async () => {
    const answer = await exchangeRaw(gateway.url, get('/closed/a'));
    expect(JSON.parse(answer.body.toString()).code).toBe('UPSTREAM_CONNECT_FAILED');
    expect(await accessLine(gateway, '/closed/a')).toMatchObject({ attempts: 3, status: 502 });
  });
});

describe('a HEAD that is answered with a listed status', () => {
  it('is tried again', async () => {
    inTurn(a, '/head', says('503 Service Unavailable', 'ignored'), says('200 OK', 'ignored'));
    const answer = await exchangeRaw(gateway.url, head('HEAD', '/head'));
    expect(answer.status).toBe(200);
    expect(a.to('/head')).toHaveLength(2);
  });
});

describe('a POST', () => {
  it.each<[string, Script, number]>([
    ['answered with a listed status', unavailable, 503],
    ['that meets a reset', reset, 502],
    ['that gets no answer in time', silent, 504],
  ])('%s is not tried again', async (what, script, status) => {
    const path = `/${what.includes('in time') ? 'timed' : 'post'}/${encodeURIComponent(what)}`;
    inTurn(a, path, script, fine);
    expect((await exchangeRaw(gateway.url, post(path, 'body'))).status).toBe(status);
    await sleep(50);
    expect(a.to(path)).toHaveLength(1);
  });

  it('that never left is tried again', async () => {
    expect((await exchangeRaw(gateway.url, post('/closed/post', 'body'))).status).toBe(502);
    expect(await accessLine(gateway, '/closed/post')).toMatchObject({ attempts: 3 });
  });

  it('is tried again with its streamed body when nothing of it has left', async () => {
    const body = 'c'.repeat(300_000);
    const answer = await exchangeRaw(
      gateway.url,
      head('POST', '/closed/stream', `Content-Length: ${body.length}`) + body,
    );
    expect(answer.status).toBe(502);
    expect(await accessLine(gateway, '/closed/stream')).toMatchObject({ attempts: 3 });
  });
});

describe('a PUT', () => {
  it('is sent again with its body', async () => {
    const body = 'p'.repeat(64 * 1024);
    inTurn(a, '/put', reset, unavailable, fine);
    const answer = await exchangeRaw(
      gateway.url,
      head('PUT', '/put', `Content-Length: ${body.length}`) + body,
    );
    expect(answer.body.toString()).toBe('fine');
    const bodies = await Promise.all(a.to('/put').map(({ whole }) => whole));
    expect(bodies.map(String)).toEqual([body, body, body]);
  });

  it.each([
    ['above 64 KiB', `Content-Length: ${64 * 1024 + 1}`, 'q'.repeat(64 * 1024 + 1)],
    ['of unknown length', 'Transfer-Encoding: chunked', '4\r\nbody\r\n0\r\n\r\n'],
  ])('with a body %s is not sent again: it is not kept', async (what, framing, body) => {
    const path = `/put/${encodeURIComponent(what)}`;
    inTurn(a, path, unavailable, fine);
    const answer = await exchangeRaw(gateway.url, head('PUT', path, framing) + body);
    expect([answer.status, answer.body.toString()]).toEqual([503, 'not now']);
    expect(a.to(path)).toHaveLength(1);
  });
});

describe('an answer that nobody wants', () => {
  it('leaves its connection to others', async () => {
    for (const socket of a.sockets) socket.destroy();
    await eventually(() => a.sockets.size === 0);
    const before = a.connectionCount;
    for (let i = 0; i < 5; i++) {
      inTurn(a, `/kept/${i}`, says('503 Service Unavailable', 'x'.repeat(10_000)), fine);
      expect((await exchangeRaw(gateway.url, get(`/kept/${i}`))).body.toString()).toBe('fine');
    }
    expect(a.connectionCount - before).toBeLessThanOrEqual(2);
  });

  it.each<[string, string]>([
    ['is announced as long', `Content-Length: 10000000\r\n\r\n${'x'.repeat(1_000)}`],
    ['is long without saying so', `Transfer-Encoding: chunked\r\n\r\n20000\r\n${'x'.repeat(0x20000)}\r\n`],
    ['never ends', 'Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n'],
  ])('and %s is not waited for, and its connection is closed', async (what, rest) => {
    const path = `/endless/${encodeURIComponent(what)}`;
    inTurn(a, path, (socket) => void socket.write(`HTTP/1.1 503 No\r\n${rest}`), fine);
    expect((await exchangeRaw(gateway.url, get(path))).body.toString()).toBe('fine');
    const [first] = a.to(path);
    await eventually(() => first.socket.destroyed || first.socket.readableEnded);
  });
});

describe('Retry-After', () => {
  it('is waited for', async () => {
    inTurn(a, '/after', says('503 Service Unavailable', '', 'Retry-After: 1'), fine);
    const from = performance.now();
    expect((await exchangeRaw(gateway.url, get('/after'))).body.toString()).toBe('fine');
    expect(performance.now() - from).toBeGreaterThanOrEqual(990);
  });

  it('is passed on with its answer when it is longer than any wait may be', async () => {
    inTurn(a, '/quick/after', says('503 Service Unavailable', 'later', 'Retry-After: 1'), fine);
    const answer = await exchangeRaw(gateway.url, get('/quick/after'));
    expect([answer.status, answer.header('retry-after'), answer.body.toString()]).toEqual([
      503,
      '1',
      'later',
    ]);
  });

  it('is passed on when the time for the whole exchange would be over by then', async () => {
    inTurn(a, '/hasty/after', says('503 Service Unavailable', 'later', 'Retry-After: 1'), fine);
    const answer = await exchangeRaw(gateway.url, get('/hasty/after'));
    expect([answer.status, answer.body.toString()]).toEqual([503, 'later']);
    expect(await counted(gateway, 'sluice_retries_total')).toMatchObject({
      'service="hasty",reason="status",result="no_time"': 1,
    });
  });
});

it('no try begins when the time for the whole exchange is over', async () => {
  inTurn(a, '/hasty/slow', silent, fine);
  const answer = await exchangeRaw(gateway.url, get('/hasty/slow'));
  expect(JSON.parse(answer.body.toString()).code).toBe('UPSTREAM_TOTAL_TIMEOUT');
  expect(a.to('/hasty/slow')).toHaveLength(1);
});

it('nothing follows when the client leaves during the wait', async () => {
  inTurn(a, '/leaves', says('503 Service Unavailable', '', 'Retry-After: 1'), fine);
  const client = await connectRaw(gateway.url);
  client.send(get('/leaves'));
  await eventually(() => a.to('/leaves').length === 1);
  await sleep(100);
  client.reset();
  expect(await accessLine(gateway, '/leaves')).toMatchObject({ status: 499, attempts: 1, aborted: true });
  await sleep(1_200);
  expect(a.to('/leaves')).toHaveLength(1);
});

describe('a route', () => {
  it('may have none of the retries of its service', async () => {
    inTurn(a, '/off/a', unavailable, fine);
    expect((await exchangeRaw(gateway.url, get('/off/a'))).status).toBe(503);
  });

  it('may have its own, for a service without', async () => {
    inTurn(a, '/own/a', says('500 Internal Server Error'), fine);
    expect((await exchangeRaw(gateway.url, get('/own/a'))).body.toString()).toBe('fine');
    inTurn(a, '/own/b', unavailable, fine);
    expect((await exchangeRaw(gateway.url, get('/own/b'))).status).toBe(503);
  });
});

it('retries are counted by reason and result', async () => {
  const counts = await eventually(async () => {
    const found = await counted(gateway, 'sluice_retries_total');
    return found['service="plain",reason="status",result="success"'] === 1 ? found : null;
  });
  for (const labels of [
    'service="alone",reason="reset",result="success"',
    'service="timed",reason="timeout",result="success"',
    'service="alone",reason="status",result="failed"',
    'service="closed",reason="connect",result="failed"',
  ])
    expect(counts[labels], labels).toBeGreaterThan(0);
});

it('leaves the books in order', async () => {
  await expectBooksInOrder(gateway);
});
