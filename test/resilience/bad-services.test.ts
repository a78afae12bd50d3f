/** Services that do what no service should, where requests are tried again: see also test/proxy/broken-answer.test.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, get, post } from '../harness/raw-client.ts';
import { ok, type Script, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';
import { expectBooksInOrder } from '../proxy/books.ts';
import { counted } from './counts.ts';

let bad: ScriptedService;
let good: ScriptedService;
let gateway: RunningGateway;

beforeAll(async () => {
  bad = await startScriptedService();
  good = await startScriptedService();
  const budget = { share: '100%', minimum: 1_000 };
  const common = {
    timeouts: { connect: '500ms', firstByte: '500ms', idle: '500ms', total: '3s' },
    retries: { attempts: 2, on: ['connect', 'reset', 'timeout', '5xx'], backoff: { base: '1ms' }, budget },
    bulkhead: { maxInFlight: 8, maxWaiting: 0 },
  };
  gateway = await startGateway({
    accessLog: 'all',
    services: {
      bad: { endpoints: [bad.url], ...common },
      mixed: { endpoints: [bad.url, good.url], ...common },
    },
    routes: [
      { name: 'bad', match: { path: '/bad/*' }, service: 'bad' },
      { name: 'mixed', match: { path: '/mixed/*' }, service: 'mixed' },
    ],
  });
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await bad?.close();
  await good?.close();
});

/** Writes one byte after the other. */
function trickles(bytes: string, everyMs: number): Script {
  return async (socket) => {
    for (const byte of bytes) {
      if (socket.destroyed) return;
      socket.write(byte);
      await sleep(everyMs);
    }
  };
}

const WHOLE = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n';
const UNAVAILABLE = ok('no').replace('200 OK', '503 Service Unavailable');

/** What one of two endpoints does; the other one is as it should be. Several, so that both are first once. */
async function expectFine(script: Script): Promise<void> {
  bad.on('/mixed/a', script);
  for (let i = 0; i < 4; i++) {
    const answer = await exchangeRaw(gateway.url, get('/mixed/a'));
    expect([answer.status, answer.body.toString(), answer.complete]).toEqual([200, '/mixed/a', true]);
  }
}

describe('where another endpoint is well, a GET does not notice one that', () => {
  it.each<[string, Script]>([
    ['accepts and never answers', () => {}],
    ['sends its head a byte at a time', trickles(WHOLE, 50)],
    [
      'resets after the head',
      (socket) => void socket.write(WHOLE, () => setTimeout(() => socket.resetAndDestroy(), 20)),
    ],
    ['closes at the worst moment', (socket) => void socket.end()],
    ['answers 503 twice', (socket) => void socket.write(UNAVAILABLE + UNAVAILABLE)],
    ['answers 503, and then something else', (socket) => void socket.write(UNAVAILABLE + ok('stray'))],
    [
      'answers 503 with less of a body than announced',
      (socket) => void socket.end('HTTP/1.1 503 No\r\nContent-Length: 50\r\n\r\nhalf'),
    ],
    [
      'answers 503 with a body that is no body',
      (socket) => void socket.write('HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n'),
    ],
    [
      'answers 503 a byte at a time',
      (socket) => {
        socket.write('HTTP/1.1 503 No\r\nContent-Length: 50\r\n\r\n');
        void trickles('x'.repeat(50), 100)(socket, undefined as never);
      },
    ],
  ])('%s', async (_what, script) => {
    await expectFine(script);
  });
});

describe('a service that is alone and', () => {
  it('sends a byte now and then is cut when the time for the whole exchange is over', async () => {
    bad.on('/bad/slow', (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n');
      void trickles('x'.repeat(5_000), 50)(socket, undefined as never);
    });
    const answer = await exchangeRaw(gateway.url, get('/bad/slow'));
    expect([answer.status, answer.complete]).toEqual([200, false]);
    expect(bad.to('/bad/slow')).toHaveLength(1);
  });

  it('never answers holds places no longer than the time allows', async () => {
    bad.on('/bad/never', () => {});
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => exchangeRaw(gateway.url, get('/bad/never'))),
    );
    const codes = answers.map(({ body }) => JSON.parse(body.toString()).code);
    expect(codes.filter((code) => code === 'SERVICE_BUSY')).toHaveLength(12);
    expect(new Set(codes.filter((code) => code !== 'SERVICE_BUSY'))).toEqual(
      new Set(['UPSTREAM_FIRST_BYTE_TIMEOUT']),
    );
    expect((await exchangeRaw(gateway.url, get('/bad/after'))).status).toBe(200);
  });

  it('sends two answers to a POST: the second reaches nobody', async () => {
    bad.on('/bad/two', (socket) => void socket.write(ok('mine') + ok('stray')));
    const client = await connectRaw(gateway.url);
    for (let i = 0; i < 10; i++) {
      expect((await client.send(post('/bad/two', 'body')).answer()).body.toString()).toBe('mine');
      expect((await client.send(get(`/bad/${i}`)).answer()).body.toString()).toBe(`/bad/${i}`);
    }
  });
});

it('every place is given back', async () => {
  await eventually(async () => {
    const counts = await counted(gateway, 'sluice_bulkhead_in_flight');
    return counts['service="bad"'] === 0 && counts['service="mixed"'] === 0;
  });
});

it('leaves the books in order', async () => {
  await expectBooksInOrder(gateway);
});
