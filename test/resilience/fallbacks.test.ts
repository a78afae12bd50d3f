/** What a route does instead when its service fails. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { exchangeRaw, get, head, post } from '../harness/raw-client.ts';
import { ok, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';
import { expectBooksInOrder } from '../proxy/books.ts';
import { accessLine, counted } from './counts.ts';

let service: ScriptedService;
let backup: ScriptedService;
let gateway: RunningGateway;
const REFUSING = 'http://127.0.0.1:1';
const STATIC = { respond: { status: 200, headers: { 'x-static': '1' }, body: { quotes: [] } } };

beforeAll(async () => {
  service = await startScriptedService();
  backup = await startScriptedService();
  const timeouts = { firstByte: '600ms' };
  gateway = await startGateway({
    accessLog: 'all',
    services: {
      quotes: { endpoints: [service.url], timeouts, connections: { max: 1, queue: 0 } },
      retried: {
        endpoints: [service.url],
        retries: {
          attempts: 1,
          on: [503],
          backoff: { base: '1ms' },
          budget: { share: '100%', minimum: 100 },
        },
      },
      closed: { endpoints: [REFUSING] },
      backup: { endpoints: [backup.url] },
      hasty: { endpoints: [service.url], timeouts: { total: '200ms' } },
    },
    routes: [
      {
        name: 'both',
        match: { path: '/both/*' },
        service: 'quotes',
        fallback: [{ service: 'backup', on: [503] }, STATIC],
      },
      { name: 'closed', match: { path: '/closed/*' }, service: 'closed', fallback: [{ service: 'backup' }] },
      {
        name: 'chain',
        match: { path: '/chain/*' },
        service: 'quotes',
        fallback: [{ service: 'closed' }, { ...STATIC, on: ['5xx'] }],
      },
      {
        name: 'retried',
        match: { path: '/retried/*' },
        service: 'retried',
        fallback: [{ ...STATIC, on: [503] }],
      },
      { name: 'hasty', match: { path: '/hasty/*' }, service: 'hasty', fallback: [{ service: 'backup' }] },
    ],
  });
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await service?.close();
  await backup?.close();
});

const reset = (socket: { resetAndDestroy(): void }) => void socket.resetAndDestroy();

describe('another service', () => {
  it.each<[string, Parameters<ScriptedService['on']>[1]]>([
    ['resets', reset],
    ['does not answer', () => {}],
    ['answers nonsense', (socket) => void socket.write('hello\r\n\r\n')],
    [
      'answers with a listed status',
      (socket) => void socket.write(ok('not now').replace('200 OK', '503 No')),
    ],
  ])('answers in place of one that %s', async (what, script) => {
    const path = `/both/${encodeURIComponent(what)}`;
    service.on(path, script);
    const answer = await exchangeRaw(gateway.url, get(path));
    expect([answer.status, answer.body.toString()]).toEqual([200, path]);
    const line = await accessLine(gateway, path);
    expect(line).toMatchObject({ status: 200, degraded: 'service:backup', service: 'backup', attempts: 2 });
    expect(line.failure).toBeUndefined();
  });

  it('gets the same request with its body, and its own Host', async () => {
    service.on('/both/put', reset);
    await exchangeRaw(gateway.url, `${head('PUT', '/both/put?a=1', 'Content-Length: 4', 'X-A: 1')}body`);
    const [seen] = backup.to('/both/put');
    expect((await seen.whole).toString()).toBe('body');
    expect([seen.method, seen.target, seen.header('x-a')]).toEqual(['PUT', '/both/put?a=1', '1']);
    expect(seen.header('host')).toBe(new URL(backup.url).host);
  });

  it('gets a POST that was not sent', async () => {
    const answer = await exchangeRaw(gateway.url, post('/closed/post', 'body'));
    expect([answer.status, answer.body.toString()]).toEqual([200, '/closed/post']);
    expect((await backup.to('/closed/post')[0].whole).toString()).toBe('body');
  });

  it('gets a streamed body of which nothing was sent', async () => {
    const body = 's'.repeat(300_000);
    const request = head('POST', '/closed/stream', `Content-Length: ${body.length}`) + body;
    expect((await exchangeRaw(gateway.url, request)).status).toBe(200);
    expect((await backup.to('/closed/stream')[0].whole).length).toBe(body.length);
  });

  it('has its own time', async () => {
    service.on('/hasty/a', () => {});
    backup.on('/hasty/a', (socket) => void setTimeout(() => socket.write(ok('slow')), 300));
    expect((await exchangeRaw(gateway.url, get('/hasty/a'))).body.toString()).toBe('slow');
  });

  it('answers when the connections of the service are all busy', async () => {
    const held = Promise.withResolvers<void>();
    service.on('/both/held', async (socket) => {
      await held.promise;
      socket.write(ok('held'));
    });
    const first = exchangeRaw(gateway.url, get('/both/held'));
    await eventually(() => service.to('/both/held').length === 1);
    const answer = await exchangeRaw(gateway.url, get('/both/busy'));
    held.resolve();
    expect(answer.body.toString()).toBe('/both/busy');
    expect(backup.to('/both/busy')).toHaveLength(1);
    await first;
  });
});

describe('a static answer', () => {
  it('comes when the other service fails too', async () => {
    service.on('/both/all', reset);
    backup.on('/both/all', reset);
    const answer = await exchangeRaw(gateway.url, get('/both/all'));
    expect([answer.status, answer.body.toString()]).toEqual([200, '{"quotes":[]}']);
    expect(answer.header('x-static')).toBe('1');
    expect(await accessLine(gateway, '/both/all')).toMatchObject({
      degraded: 'static',
      status: 200,
    });
  });

  it('comes when the other service cannot be reached', async () => {
    service.on('/chain/a', reset);
    expect((await exchangeRaw(gateway.url, get('/chain/a'))).body.toString()).toBe('{"quotes":[]}');
  });

  it('comes for a status that only its step lists', async () => {
    service.on('/chain/b', (socket) => void socket.write(ok('').replace('200 OK', '500 Oh')));
    expect((await exchangeRaw(gateway.url, get('/chain/b'))).body.toString()).toBe('{"quotes":[]}');
  });

  it('comes after the retries, and not before', async () => {
    service.on('/retried/a', (socket) => void socket.write(ok('', 'X-Mine: 1').replace('200 OK', '503 No')));
    const answer = await exchangeRaw(gateway.url, get('/retried/a'));
    expect([answer.header('x-static'), answer.header('x-mine')]).toEqual(['1', undefined]);
    expect(service.to('/retried/a')).toHaveLength(2);
  });

  it('has no body for HEAD', async () => {
    service.on('/chain/head', reset);
    const answer = await exchangeRaw(gateway.url, head('HEAD', '/chain/head'));
    expect([answer.status, answer.header('content-length')]).toEqual([200, '13']);
  });
});

describe('nothing takes the place', () => {
  it.each([
    ['of the answer to a POST that may have been executed', 'reset'],
    ['of the status that a POST was answered with', '503'],
  ])('%s', async (_what, how) => {
    const path = `/both/post-${how}`;
    service.on(path, async (socket, request) => {
      await request.whole;
      if (how === 'reset') socket.resetAndDestroy();
      else socket.write(ok('mine').replace('200 OK', '503 No'));
    });
    const answer = await exchangeRaw(gateway.url, post(path, 'body'));
    expect(answer.status).toBe(how === 'reset' ? 502 : 503);
    expect(backup.to(path)).toHaveLength(0);
    expect((await accessLine(gateway, path)).degraded).toBeUndefined();
  });

  it('of a status that is not listed', async () => {
    service.on('/both/500', (socket) => void socket.write(ok('mine').replace('200 OK', '500 Oh')));
    const answer = await exchangeRaw(gateway.url, get('/both/500'));
    expect([answer.status, answer.body.toString()]).toEqual([500, 'mine']);
  });

  it('of an answer that has begun', async () => {
    service.on('/both/begun', (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
      setTimeout(() => socket.resetAndDestroy(), 50);
    });
    expect(await exchangeRaw(gateway.url, get('/both/begun'))).toMatchObject({
      status: 200,
      complete: false,
    });
    expect(backup.to('/both/begun')).toHaveLength(0);
  });
});

it('is counted by route and by what took the place', async () => {
  const counts = await counted(gateway, 'sluice_fallbacks_total');
  expect(counts['route="both",to="static"']).toBe(1);
  expect(counts['route="both",to="service:backup"']).toBe(7);
  expect(counts['route="chain",to="service:closed"']).toBe(2);
});

it('leaves the books in order', async () => {
  await expectBooksInOrder(gateway);
});
