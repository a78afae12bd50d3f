/**
 * Clients that are slow, and clients that only pretend to be (slowloris, CVE-2007-6750). Who makes progress is waited for; who
 * does not is cut, so that nobody holds connections for nothing. The listener's own clock runs for 8 to 12 seconds: what
 * has to outlast it is started before the tests, all at once.
 */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectRaw, exchangeRaw, get, head, RawClient } from '../harness/raw-client.ts';
import { codeOf, useTarget } from '../security/target.ts';

const target = useTarget((service) => ({
  services: {
    service: { endpoints: [service], timeouts: { idle: '5s', firstByte: '20s' } },
    impatient: { endpoints: [service], timeouts: { idle: '400ms' } },
  },
  routes: [
    { name: 'all', match: { path: '/*' }, service: 'service' },
    { name: 'impatient', match: { path: '/impatient/*' }, service: 'impatient' },
    { name: 'fixed', match: { path: '/fixed' }, respond: { body: 'fixed' } },
  ],
}));

/** Longer than the listener's clock. */
const SECONDS = 14;
const TIMEOUT_MS = (SECONDS + 4) * 1000;

const second = () => new Promise((resolve) => setTimeout(resolve, 1000));

/** What is sent at once, and what follows, a piece each second. */
interface Slow {
  first: string;
  pieces?: string[];
}

const STOPPING: Readonly<Record<string, Slow>> = {
  'that sends nothing': { first: '' },
  'that stops in the request line': { first: 'GET /slow HT' },
  'that stops in its fields': { first: 'GET /slow HTTP/1.1\r\nHost: a\r\nX-A: ' },
  'that sends its head one byte at a time': {
    first: '',
    pieces: [...get('/slow', `X-A: ${'a'.repeat(60)}`)],
  },
};

const PROGRESSING: Readonly<Record<string, Slow & { body: string }>> = {
  'with a small body': upload('Content-Length: 280', 'a'.repeat(20), 'a'.repeat(280)),
  'with a large body': upload('Content-Length: 126000', 'a'.repeat(9000), 'a'.repeat(126_000)),
  'with a chunked body': upload(
    'Transfer-Encoding: chunked',
    '5\r\nabcde\r\n',
    'abcde'.repeat(SECONDS),
    '0\r\n\r\n',
  ),
};

function upload(field: string, piece: string, body: string, last = ''): Slow & { body: string } {
  return {
    first: head('POST', `/upload/${body.length}`, field),
    pieces: [...Array(SECONDS).fill(piece), last],
    body,
  };
}

const clients = new Map<string, RawClient>();

function start(name: string, { first, pieces = [] }: Slow): void {
  const { hostname, port } = new URL(target.gateway.url);
  const client = new RawClient(connect(Number(port), hostname));
  clients.set(name, client.send(first));
  void (async () => {
    for (const piece of pieces) {
      await second();
      if (client.ended) return;
      client.send(piece);
    }
  })();
}

beforeAll(() => {
  target.service.on('/thinking', async (socket) => {
    for (let i = 0; i < SECONDS; i++) await second();
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone');
  });
  for (const [name, slow] of Object.entries(STOPPING)) start(name, slow);
  for (const [name, slow] of Object.entries(PROGRESSING)) start(name, slow);
  start('keeps', { first: get('/fixed') });
  start('waits', { first: get('/thinking') });
});

afterAll(() => {
  for (const client of clients.values()) client.close();
});

const started = (name: string) => clients.get(name) as RawClient;

describe('a client that stops in the middle of its body', () => {
  it.each([
    ['small', head('POST', '/impatient/small', 'Content-Length: 10')],
    ['large', head('POST', '/impatient/large', 'Content-Length: 1000000')],
    ['chunked', `${head('POST', '/impatient/chunked', 'Transfer-Encoding: chunked')}5\r\n`],
  ])('is told so when the idle timeout of the service is over: %s', async (_what, bytes) => {
    const client = await connectRaw(target.gateway.url);
    const answer = await client.send(`${bytes}abcde`).answer();
    expect(`${answer.status} ${codeOf(answer)}`).toBe('408 REQUEST_TIMEOUT');
    await client.closed(2000);
    expect((await exchangeRaw(target.gateway.url, get('/fixed'))).status).toBe(200);
  });
});

describe('a client without progress is cut', () => {
  it.each(Object.keys(STOPPING))('one %s', { timeout: TIMEOUT_MS }, async (name) => {
    await started(name).closed(TIMEOUT_MS);
    expect(started(name).received).toHaveLength(0);
  });

  it('one that keeps its connection without another request', { timeout: TIMEOUT_MS }, async () => {
    expect((await started('keeps').answer()).status).toBe(200);
    await started('keeps').closed(TIMEOUT_MS);
  });
});

describe('a client with progress is waited for', () => {
  it.each(Object.entries(PROGRESSING))('one %s', { timeout: TIMEOUT_MS }, async (name, { body }) => {
    const answer = await started(name).answer({ withinMs: TIMEOUT_MS });
    expect(`${answer.status} ${answer.body}`).toBe(`200 /upload/${body.length}`);
  });

  it('one whose answer the service takes long for', { timeout: TIMEOUT_MS }, async () => {
    const answer = await started('waits').answer({ withinMs: TIMEOUT_MS });
    expect(`${answer.status} ${answer.body}`).toBe('200 done');
  });
});
