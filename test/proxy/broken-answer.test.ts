/** Services that break off or speak nonsense: the client gets a clear error or a cut connection, never half an answer. */
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type LogLine, type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, get, type RawAnswer } from '../harness/raw-client.ts';
import { ok, type Script, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';
import { type RunningService, startRawService } from '../harness/service.ts';
import { expectBooksInOrder } from './books.ts';

let service: ScriptedService;
let resetting: RunningService;
let gateway: RunningGateway;

beforeAll(async () => {
  service = await startScriptedService();
  resetting = await startRawService((socket) => socket.resetAndDestroy());
  const timeouts = { firstByte: '400ms', idle: '300ms' };
  gateway = await startGateway({
    accessLog: 'all',
    services: {
      scripted: { endpoints: [service.url], timeouts },
      resetting: { endpoints: [resetting.url] },
      closed: { endpoints: ['http://127.0.0.1:1'] },
      unknown: { endpoints: ['http://no-such-host.invalid'] },
    },
    routes: [
      { name: 'scripted', match: { path: '/*' }, service: 'scripted' },
      { name: 'resetting', match: { path: '/at-connect' }, service: 'resetting' },
      { name: 'closed', match: { path: '/nobody' }, service: 'closed' },
      { name: 'unknown', match: { path: '/no-name' }, service: 'unknown' },
    ],
  });
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await service?.close();
  await resetting?.close();
});

/** Writes these bytes and then ends, resets or just waits. */
function says(bytes: string, then: 'end' | 'reset' | 'wait' = 'end'): Script {
  return (socket) => {
    socket.write(Buffer.from(bytes, 'latin1'), () => {
      if (then === 'end') socket.end();
      // What was written must be on its way before the reset throws away the rest.
      if (then === 'reset') setTimeout(() => socket.resetAndDestroy(), 20);
    });
  };
}

async function expectRefusal(
  answer: RawAnswer,
  status: number,
  code: string,
  proxyStatus: string,
): Promise<void> {
  expect(answer).toMatchObject({ status, complete: true, framing: 'length' });
  expect(JSON.parse(answer.body.toString())).toMatchObject({ status, code });
  expect(answer.header('content-type')).toBe('application/problem+json');
  expect(answer.header('proxy-status')).toBe(`sluice; error=${proxyStatus}`);
  await expectLogged(answer.header('x-request-id') as string, code, status);
}

async function expectLogged(id: string, failure: string, status: number): Promise<void> {
  const line = await gateway.logged(({ msg, request_id }) => msg === 'access' && request_id === id);
  expect(line).toMatchObject({ failure, blame: 'upstream', status });
  const reason = gateway.log.find(({ msg, request_id }) => msg !== 'access' && request_id === id);
  expect(reason).toMatchObject({ level: 'warn', code: failure });
}

const isStray = ({ msg }: LogLine) => /what nobody asked for/.test(msg);

async function expectNextAnswered(): Promise<void> {
  const next = await exchangeRaw(gateway.url, get('/next'));
  expect(next).toMatchObject({ status: 200, complete: true });
  expect(next.body.toString()).toBe('/next');
}

const HEAD = 'HTTP/1.1 200 OK\r\n';
const PLAIN = `${HEAD}Content-Type: text/plain\r\n`;

const RESET = [502, 'UPSTREAM_RESET', 'connection_terminated'] as const;
const NONSENSE = [502, 'UPSTREAM_PROTOCOL_ERROR', 'http_protocol_error'] as const;
const INCOMPLETE = [502, 'UPSTREAM_INCOMPLETE', 'http_response_incomplete'] as const;
const SILENT = [504, 'UPSTREAM_FIRST_BYTE_TIMEOUT', 'http_response_timeout'] as const;
const STALLED = [504, 'UPSTREAM_IDLE_TIMEOUT', 'http_response_timeout'] as const;

describe('a service that cannot be connected to', () => {
  it.each([
    ['refuses', '/nobody', 'UPSTREAM_CONNECT_FAILED', 'connection_refused'],
    ['has a name without an address', '/no-name', 'UPSTREAM_NAME_NOT_RESOLVED', 'dns_error'],
  ])('and %s gives a 502', async (_what, path, code, proxyStatus) => {
    await expectRefusal(await exchangeRaw(gateway.url, get(path)), 502, code, proxyStatus);
    await expectNextAnswered();
  });
});

it('a service that resets at once gives a 502, whichever of connecting and sending notices it', async () => {
  const answer = await exchangeRaw(gateway.url, get('/at-connect'));
  expect(answer.status).toBe(502);
  expect(JSON.parse(answer.body.toString()).code).toMatch(/^UPSTREAM_(CONNECT_FAILED|RESET)$/);
  await expectNextAnswered();
});

describe('before anything has gone to the client, a service that', () => {
  it.each<[string, Script, readonly [number, string, string]]>([
    ['closes without an answer', says(''), RESET],
    ['resets without an answer', says('', 'reset'), RESET],
    ['closes in the middle of the head', says(`${PLAIN}X-Half: va`), RESET],
    ['resets in the middle of the head', says(`${PLAIN}X-Half: va`, 'reset'), RESET],
    ['closes after half of the status line', says('HTTP/1.'), RESET],
    ['never answers', says('', 'wait'), SILENT],
    ['stops in the middle of the head', says(`${PLAIN}X-Half: va`, 'wait'), SILENT],
    ['sends only interim answers', says('HTTP/1.1 103 Early Hints\r\n\r\n', 'wait'), SILENT],
    ['sends garbage', says('\x00\x01\x02 hello? \xff\xfe\r\n\r\n'), NONSENSE],
    ['sends a page without a head', says('<html>hello</html>'), NONSENSE],
    ['speaks another protocol', says('220 mail.example.com ESMTP\r\n', 'wait'), NONSENSE],
    [
      'speaks a version that does not exist',
      says('HTTP/1.9 200 OK\r\nContent-Length: 0\r\n\r\n', 'wait'),
      NONSENSE,
    ],
    ['sends a status of two digits', says('HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n', 'wait'), NONSENSE],
    ['sends a status of letters', says('HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n', 'wait'), NONSENSE],
    [
      'switches protocols unasked',
      says('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n', 'wait'),
      NONSENSE,
    ],
    [
      'sends both framings',
      says(`${HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 'wait'),
      NONSENSE,
    ],
    [
      'sends both framings the other way round',
      says(`${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`, 'wait'),
      NONSENSE,
    ],
    [
      'sends two lengths',
      says(`${HEAD}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`, 'wait'),
      NONSENSE,
    ],
    ['sends two lengths in one field', says(`${HEAD}Content-Length: 5, 6\r\n\r\nhello!`, 'wait'), NONSENSE],
    ['sends a negative length', says(`${HEAD}Content-Length: -5\r\n\r\nhello`, 'wait'), NONSENSE],
    ['sends a length with a sign', says(`${HEAD}Content-Length: +5\r\n\r\nhello`, 'wait'), NONSENSE],
    ['sends a hexadecimal length', says(`${HEAD}Content-Length: 0x5\r\n\r\nhello`, 'wait'), NONSENSE],
    [
      'sends a length beyond all bounds',
      says(`${HEAD}Content-Length: 99999999999999999999\r\n\r\nhello`, 'wait'),
      NONSENSE,
    ],
    ['sends a coding nobody asked for', says(`${HEAD}Transfer-Encoding: gzip\r\n\r\nhello`), NONSENSE],
    [
      'sends codings in the wrong order',
      says(`${HEAD}Transfer-Encoding: chunked, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n`),
      NONSENSE,
    ],
    [
      'compresses the transfer unasked',
      says(`${HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, 'wait'),
      NONSENSE,
    ],
    [
      'sends a bare CR in a value',
      says(`${HEAD}X-A: one\rX-B: two\r\nContent-Length: 0\r\n\r\n`, 'wait'),
      NONSENSE,
    ],
    ['sends a NUL in a value', says(`${HEAD}X-A: one\x00two\r\nContent-Length: 0\r\n\r\n`, 'wait'), NONSENSE],
    [
      'sends white space before the colon',
      says(`${HEAD}X-A : one\r\nContent-Length: 0\r\n\r\n`, 'wait'),
      NONSENSE,
    ],
    [
      'sends a name that is not a token',
      says(`${HEAD}X(A): one\r\nContent-Length: 0\r\n\r\n`, 'wait'),
      NONSENSE,
    ],
    ['sends a field without a colon', says(`${HEAD}nonsense\r\nContent-Length: 0\r\n\r\n`, 'wait'), NONSENSE],
    [
      'sends 65 KiB of fields',
      says(`${HEAD}X-A: ${'a'.repeat(65 * 1024)}\r\nContent-Length: 0\r\n\r\n`, 'wait'),
      NONSENSE,
    ],
    [
      'sends 65 KiB in many fields',
      says(`${HEAD}${`X-A: ${'a'.repeat(1000)}\r\n`.repeat(66)}Content-Length: 0\r\n\r\n`, 'wait'),
      NONSENSE,
    ],
    [
      'sends a chunk size of letters',
      says(`${HEAD}Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n`, 'wait'),
      NONSENSE,
    ],
    ['ends after a head that promised a body', says(`${HEAD}Content-Length: 5\r\n\r\n`), INCOMPLETE],
    [
      'resets after a head that promised a body',
      says(`${HEAD}Content-Length: 5\r\n\r\n`, 'reset'),
      INCOMPLETE,
    ],
    ['ends after a head that promised chunks', says(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`), INCOMPLETE],
    ['stops after the head', says(`${HEAD}Content-Length: 5\r\n\r\n`, 'wait'), STALLED],
  ])('%s gives a clear error', async (_what, script, [status, code, proxyStatus]) => {
    service.on('/broken', script);
    const answer = await exchangeRaw(gateway.url, get('/broken'));
    await expectRefusal(answer, status, code, proxyStatus);
    await expectNextAnswered();
  });

  it('folds a field over two lines never passes the fold on', async () => {
    service.on('/folded', says(`${HEAD}X-A: one\r\n two\r\nContent-Length: 0\r\n\r\n`, 'wait'));
    const answer = await exchangeRaw(gateway.url, get('/folded'));
    // RFC 9112 §5.2: a proxy refuses it, or replaces the fold by spaces.
    if (answer.status !== 502) expect(answer.header('x-a')).toMatch(/^one +two$/);
    await expectNextAnswered();
  });

  it('tells the client nothing about itself', async () => {
    const answer = await exchangeRaw(gateway.url, get('/nobody'));
    expect(answer.body.toString()).not.toMatch(/127\.0\.0\.1|ECONN|undici|\.js/);
    expect(answer.fields.flat().join('\n')).not.toMatch(/127\.0\.0\.1|ECONN|undici/);
  });
});

describe('in the middle of the body, a service that', () => {
  const LENGTH = `${PLAIN}Content-Length: 1000\r\n\r\nbegun`;
  const CHUNKED = `${PLAIN}Transfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n`;
  const UNTIL_CLOSE = `${PLAIN}Connection: close\r\n\r\nbegun`;
  const end = (socket: Socket) => void socket.end();
  const reset = (socket: Socket) => void socket.resetAndDestroy();
  const wait = () => {};
  const INCOMPLETE = 'UPSTREAM_INCOMPLETE';

  it.each<[string, string, (socket: Socket) => void, string]>([
    ['closes, with a length', LENGTH, end, INCOMPLETE],
    ['resets, with a length', LENGTH, reset, INCOMPLETE],
    [
      'closes, with a length and "close"',
      LENGTH.replace('\r\n', '\r\nConnection: close\r\n'),
      end,
      INCOMPLETE,
    ],
    [
      'resets, with a length and "close"',
      LENGTH.replace('\r\n', '\r\nConnection: close\r\n'),
      reset,
      INCOMPLETE,
    ],
    ['closes between chunks', CHUNKED, end, INCOMPLETE],
    ['resets between chunks', CHUNKED, reset, INCOMPLETE],
    [
      'closes between chunks after "close"',
      CHUNKED.replace('\r\n', '\r\nConnection: close\r\n'),
      end,
      INCOMPLETE,
    ],
    [
      'resets between chunks after "close"',
      CHUNKED.replace('\r\n', '\r\nConnection: close\r\n'),
      reset,
      INCOMPLETE,
    ],
    ['closes within a chunk', `${CHUNKED}64\r\nhalf`, end, INCOMPLETE],
    [
      'closes within a chunk after "close"',
      `${CHUNKED.replace('\r\n', '\r\nConnection: close\r\n')}64\r\nhalf`,
      end,
      INCOMPLETE,
    ],
    ['closes before the end of the last chunk', `${CHUNKED}0\r\n`, end, INCOMPLETE],
    ['resets an answer that would end with the connection', UNTIL_CLOSE, reset, INCOMPLETE],
    [
      'sends nonsense for a chunk size',
      CHUNKED,
      (socket) => void socket.write('nonsense\r\n'),
      'UPSTREAM_PROTOCOL_ERROR',
    ],
    ['stops, with a length', LENGTH, wait, 'UPSTREAM_IDLE_TIMEOUT'],
    ['stops, with chunks', CHUNKED, wait, 'UPSTREAM_IDLE_TIMEOUT'],
    ['stops an answer that would end with the connection', UNTIL_CLOSE, wait, 'UPSTREAM_IDLE_TIMEOUT'],
  ])('%s leaves the client with a cut connection', async (_what, bytes, then, failure) => {
    const begun = Promise.withResolvers<Socket>();
    service.on('/broken', (socket) => void socket.write(bytes, () => begun.resolve(socket)));
    const client = await connectRaw(gateway.url);
    client.send(get('/broken'));
    await client.until('begun');
    then(await begun.promise);

    const answer = await client.answer();
    expect(answer).toMatchObject({ status: 200, complete: false });
    expect(answer.framing).not.toBe('close');
    await client.closed();
    await expectLogged(answer.header('x-request-id') as string, failure, 200);
    await expectNextAnswered();
  });
});

describe('a service that says more than it should', () => {
  it('sends more than its length: the client gets what was announced', async () => {
    service.on('/longer', says(`${HEAD}Content-Length: 5\r\n\r\nhello, and more`, 'wait'));
    const client = await connectRaw(gateway.url);
    for (let i = 0; i < 3; i++) {
      const answer = await client.send(get('/longer')).answer();
      expect([answer.status, answer.body.toString()]).toEqual([200, 'hello']);
      const next = await client.send(get(`/after-${i}`)).answer();
      expect(next.body.toString()).toBe(`/after-${i}`);
    }
    expect(client.received.toString()).toBe('');
  });

  it('sends two answers: the second reaches nobody', async () => {
    service.on('/twice', says(`${ok('mine')}${ok('stray')}`, 'wait'));
    const client = await connectRaw(gateway.url);
    for (let i = 0; i < 5; i++) {
      expect((await client.send(get('/twice')).answer()).body.toString()).toBe('mine');
      const others = await Promise.all(
        [1, 2, 3].map((n) => exchangeRaw(gateway.url, get(`/other-${i}-${n}`))),
      );
      expect(others.map((answer) => answer.body.toString())).toEqual(
        [1, 2, 3].map((n) => `/other-${i}-${n}`),
      );
    }
    expect(await gateway.logged(isStray)).toMatchObject({ level: 'warn', endpoint: service.url });
  });

  it('sends something while nobody asks it: that is logged, and the next one is not confused by it', async () => {
    const before = gateway.log.filter(isStray).length;
    service.on('/later', (socket) => {
      socket.write(ok('mine'), () => setTimeout(() => socket.write('good morning\r\n\r\n'), 50));
    });
    expect((await exchangeRaw(gateway.url, get('/later'))).body.toString()).toBe('mine');
    await eventually(() => gateway.log.filter(isStray).length > before, { what: 'its line' });
    await expectNextAnswered();
  });

  it('sends a body with the answer to HEAD: it reaches nobody', async () => {
    service.on('/head', says(ok('not for you'), 'wait'));
    const client = await connectRaw(gateway.url);
    client.send('HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n');
    const answer = await client.answer({ to: 'HEAD' });
    expect(answer.header('content-length')).toBe('11');
    const next = await client.send(get('/next')).answer();
    expect(next.body.toString()).toBe('/next');
    expect(client.received.toString()).toBe('');
  });

  it.each([
    ['204', 'HTTP/1.1 204 No Content\r\n\r\nsurplus'],
    ['204 with a length', 'HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\nsurplus'],
    [
      '204 with chunks',
      'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nsurplus\r\n0\r\n\r\n',
    ],
    ['304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\nsurplus'],
    [
      '304 with chunks',
      'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nsurplus\r\n0\r\n\r\n',
    ],
  ])('sends a body with %s: it reaches nobody', async (what, bytes) => {
    service.on('/bodyless', says(bytes, 'wait'));
    const client = await connectRaw(gateway.url);
    const answer = await client.send(get('/bodyless')).answer();
    expect(answer.status).toBe(Number(what.slice(0, 3)));
    expect(answer.header('content-length')).toBeUndefined();
    expect(answer.header('transfer-encoding')).toBeUndefined();
    const next = await client.send(get('/next')).answer();
    expect(next.body.toString()).toBe('/next');
    expect(client.received.toString()).toBe('');
  });
});

it('leaves the books in order', async () => {
  await expectBooksInOrder(gateway);
});
