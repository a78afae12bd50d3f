/** What of the answer's head reaches the client. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { exchangeRaw, get, head, type RawAnswer } from '../harness/raw-client.ts';
import { ok, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';

let service: ScriptedService;
let gateway: RunningGateway;

beforeAll(async () => {
  service = await startScriptedService();
  gateway = await startGateway({
    services: { scripted: { endpoints: [service.url] } },
    routes: [
      { name: 'scripted', match: { path: '/*' }, service: 'scripted' },
      {
        name: 'stamped',
        match: { path: '/stamped' },
        service: 'scripted',
        headers: { response: { set: { 'x-stamp': 'ours' } } },
      },
    ],
  });
});

afterAll(async () => {
  await gateway?.stop();
  await service?.close();
});

async function passed(fields: string[], { path = '/fields', method = 'GET' } = {}): Promise<RawAnswer> {
  service.on(path, (socket) => void socket.write(Buffer.from(ok('body', ...fields), 'latin1')));
  const answer = await exchangeRaw(gateway.url, head(method, path));
  expect(answer.status).toBe(200);
  return answer;
}

describe('end-to-end fields', () => {
  it('pass, duplicates included and in their order', async () => {
    const answer = await passed([
      'Set-Cookie: a=1; Path=/',
      'Content-Type: text/plain',
      'X-Many: one',
      'Set-Cookie: b=2; HttpOnly',
      'X-Many: two',
      'Set-Cookie: c=3',
      'ETag: "x"',
      'Cache-Control: no-cache',
      'Vary: accept',
      'Vary: cookie',
      'Server: their own',
      'Content-Encoding: gzip',
      'X-Empty:',
    ]);
    expect(answer.all('set-cookie')).toEqual(['a=1; Path=/', 'b=2; HttpOnly', 'c=3']);
    expect(answer.all('x-many')).toEqual(['one', 'two']);
    expect(answer.all('vary')).toEqual(['accept', 'cookie']);
    expect(answer.all('content-type')).toEqual(['text/plain']);
    expect(answer.all('etag')).toEqual(['"x"']);
    expect(answer.all('cache-control')).toEqual(['no-cache']);
    expect(answer.all('server')).toEqual(['their own']);
    expect(answer.all('content-encoding')).toEqual(['gzip']);
    expect(answer.all('x-empty')).toEqual(['']);
  });

  it('are not lost among a hundred', async () => {
    const answer = await passed(Array.from({ length: 100 }, (_, i) => `X-Field-${i}: value ${i}`));
    for (let i = 0; i < 100; i++) expect(answer.header(`x-field-${i}`)).toBe(`value ${i}`);
  });

  it('whose names objects inherit pass like any other', async () => {
    const answer = await passed(['Constructor: a', '__proto__: b', 'toString: c']);
    expect(answer.header('constructor')).toBe('a');
    expect(answer.header('tostring')).toBe('c');
    // Underscores are for requests to refuse; an answer may hold them.
    expect(answer.header('__proto__')).toBe('b');
  });
});

describe('fields of one connection', () => {
  it('stay behind', async () => {
    const answer = await passed([
      'Connection: keep-alive',
      'Keep-Alive: timeout=5, max=100',
      'Proxy-Connection: keep-alive',
      'Upgrade: h2c',
      'Trailer: X-Sum',
      'TE: trailers',
      'Proxy-Authenticate: Basic',
      'X-Kept: 1',
    ]);
    for (const name of [
      'connection',
      'keep-alive',
      'proxy-connection',
      'upgrade',
      'trailer',
      'te',
      'proxy-authenticate',
    ]) {
      expect(answer.all(name)).toEqual([]);
    }
    expect(answer.header('x-kept')).toBe('1');
  });

  it('stay behind when Connection names them', async () => {
    for (const connection of [
      ['Connection: X-Hop'],
      ['Connection: close, x-hop'],
      ['Connection: a', 'Connection: X-Hop'],
    ]) {
      const answer = await passed([...connection, 'X-Hop: 1', 'X-Kept: 1']);
      expect(answer.all('x-hop')).toEqual([]);
      expect(answer.all('x-kept')).toEqual(['1']);
    }
  });

  it('do not close the connection of the client', async () => {
    const answer = await passed(['Connection: close']);
    expect(answer.all('connection')).toEqual([]);
  });

  it('cannot take away what the gateway says', async () => {
    const answer = await passed(['Connection: X-Request-Id, Date, X-Stamp', 'X-Stamp: theirs'], {
      path: '/stamped',
    });
    expect(answer.all('x-request-id')).toHaveLength(1);
    expect(answer.all('date')).toHaveLength(1);
    expect(answer.all('x-stamp')).toEqual(['ours']);
  });
});

describe('fields that the gateway writes itself', () => {
  it('are there once, whatever the service says', async () => {
    const answer = await passed([
      'Date: Thu, 01 Jan 1970 00:00:00 GMT',
      'X-Request-Id: theirs',
      'x-request-id: theirs too',
    ]);
    expect(answer.all('date')).toHaveLength(1);
    expect(Date.parse(answer.header('date') as string)).toBeGreaterThan(Date.now() - 60_000);
    expect(answer.all('x-request-id')).toHaveLength(1);
    expect(answer.header('x-request-id')).not.toContain('theirs');
    expect(answer.all('content-length')).toEqual(['4']);
    expect(answer.header('uwebsockets')).toBeUndefined();
  });

  it('say nothing about the service', async () => {
    const answer = await passed([]);
    expect(answer.fields.map(([name]) => name).sort()).toEqual(['content-length', 'date', 'x-request-id']);
  });
});

it('HEAD gets the same fields as GET', async () => {
  const fields = ['ETag: "x"', 'Set-Cookie: a=1', 'Set-Cookie: b=2'];
  const names = (answer: RawAnswer) => answer.fields.map(([name]) => name).sort();
  const got = await passed(fields);
  expect(names(await passed(fields, { method: 'HEAD' }))).toEqual(names(got));
  expect((await exchangeRaw(gateway.url, get('/next'))).status).toBe(200);
});
