/** What of the request's head reaches the service, what does not, and what the gateway adds. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, exchangeRaw, get, head, post } from '../harness/raw-client.ts';
import { type RawRequest, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let service: ScriptedService;
let gateway: RunningGateway;
/** Believes what 127.0.0.0/8 says about the way. */
let trusting: RunningGateway;

beforeAll(async () => {
  service = await startScriptedService();
  const config = {
    services: { scripted: { endpoints: [service.url] } },
    routes: [
      { name: 'scripted', match: { path: '/*' }, service: 'scripted' },
      { name: 'kept', match: { path: '/kept/*' }, service: 'scripted', rewrite: { host: 'keep' } },
      {
        name: 'shown',
        match: { path: '/shown/*' },
        service: 'scripted',
        headers: { request: { set: { 'x-client': '${client.ip}', 'x-id': '${request.id}' } } },
      },
    ],
  };
  gateway = await startGateway(config);
  trusting = await startGateway({
    ...config,
    listen: { host: '127.0.0.1', port: 0, trustedProxies: ['127.0.0.0/8', '10.0.0.0/8', '2001:db8::/32'] },
  });
});

afterAll(async () => {
  await gateway?.stop();
  await trusting?.stop();
  await service?.close();
});

let count = 0;

/** The request as the service saw it. */
async function passed(
  fields: string[],
  { prefix = '', via = gateway, method = 'GET' } = {},
): Promise<RawRequest> {
  const path = `${prefix}/fields-${count++}`;
  const answer = await exchangeRaw(via.url, head(method, path, ...fields));
  expect(answer.status).toBe(200);
  return service.to(path)[0];
}

describe('end-to-end fields', () => {
  it('pass in order, duplicates included, with every byte of their values', async () => {
    const request = await passed([
      'Accept: text/html',
      'X-Many: one',
      'Cookie: a=1',
      'X-Many: two',
      'Accept: application/json',
      'Cookie: b=2',
      'X-Many: one',
      'X-Empty:',
      'X-Spaced:   inner  spaces\tand tabs   ',
      'Authorization: Bearer abc',
      'X-Accent: caf\xc3\xa9!',
    ]);
    const own = /^(host|x-request-id|x-forwarded-.*|forwarded|via|connection)$/;
    expect(request.fields.filter(([name]) => !own.test(name))).toEqual([
      ['accept', 'text/html'],
      ['x-many', 'one'],
      ['cookie', 'a=1'],
      ['x-many', 'two'],
      ['accept', 'application/json'],
      ['cookie', 'b=2'],
      ['x-many', 'one'],
      ['x-empty', ''],
      ['x-spaced', 'inner  spaces\tand tabs'],
      ['authorization', 'Bearer abc'],
      ['x-accent', 'caf\xc3\xa9!'],
    ]);
  });

  it('are not invented', async () => {
    const request = await passed([]);
    expect(request.fields.map(([name]) => name).sort()).toEqual([
      'connection',
      'forwarded',
      'host',
      'via',
      'x-forwarded-for',
      'x-forwarded-host',
      'x-forwarded-proto',
      'x-request-id',
    ]);
  });
});

describe('fields of one connection', () => {
  it('stay behind', async () => {
    const request = await passed([
      'Connection: keep-alive',
      'Keep-Alive: timeout=5',
      'Proxy-Connection: keep-alive',
      'TE: trailers',
      'Trailer: X-Sum',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAAQAAP__',
      'Proxy-Authorization: Basic abc',
      'Proxy: http://evil.example.com',
      'X-Kept: 1',
    ]);
    for (const name of [
      'keep-alive',
      'proxy-connection',
      'te',
      'trailer',
      'upgrade',
      'http2-settings',
      'proxy-authorization',
      'proxy',
    ]) {
      expect(request.all(name)).toEqual([]);
    }
    expect(request.all('connection')).toEqual(['keep-alive']);
    expect(request.header('x-kept')).toBe('1');
  });

  it.each([
    ['one name', ['Connection: X-Hop']],
    ['several names', ['Connection: close, X-Hop , X-Other']],
    ['several lines', ['Connection: X-Other', 'Connection: X-Hop']],
    ['another spelling', ['Connection: x-hOP']],
  ])('stay behind when Connection names them (%s)', async (_what, connection) => {
    const request = await passed([...connection, 'X-Hop: 1', 'x-hop: 2', 'X-Kept: 1']);
    expect(request.all('x-hop')).toEqual([]);
    expect(request.all('x-kept')).toEqual(['1']);
  });

  it('cannot take away what the gateway says', async () => {
    const request = await passed([
      'Connection: X-Request-Id, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Forwarded, Via, Host',
    ]);
    expect(request.header('x-request-id')).toMatch(UUID_V7);
    expect(request.header('x-forwarded-for')).toBe('127.0.0.1');
    expect(request.header('x-forwarded-proto')).toBe('http');
    expect(request.header('x-forwarded-host')).toBe('shop.example.com');
    expect(request.header('forwarded')).toBeDefined();
    expect(request.header('via')).toBe('1.1 sluice');
    expect(request.header('host')).toBe(`127.0.0.1:${service.port}`);
  });

  it('cannot take away what a route sets', async () => {
    const request = await passed(['Connection: X-Client', 'X-Client: forged'], { prefix: '/shown' });
    expect(request.all('x-client')).toEqual(['127.0.0.1']);
  });
});

describe('Host', () => {
  it("is the endpoint's", async () => {
    expect((await passed([])).all('host')).toEqual([`127.0.0.1:${service.port}`]);
  });

  it("is the client's, with its port, when the route says so", async () => {
    const path = '/kept/host';
    await exchangeRaw(gateway.url, `GET ${path} HTTP/1.1\r\nHost: Shop.Example.com:8080\r\n\r\n`);
    expect(service.to(path)[0].all('host')).toEqual(['Shop.Example.com:8080']);
  });
});

describe('the way here', () => {
  it('is said by the gateway, not by a client it does not trust', async () => {
    const request = await passed([
      'X-Forwarded-For: 1.2.3.4',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: evil.example.com',
      'X-Forwarded-Port: 443',
      'X-Forwarded-Anything: forged',
      'X-Real-IP: 1.2.3.4',
      'Forwarded: for=1.2.3.4;proto=https',
      'X-Request-Id: forged',
    ]);
    expect(request.all('x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(request.all('x-forwarded-proto')).toEqual(['http']);
    expect(request.all('x-forwarded-host')).toEqual(['shop.example.com']);
    expect(request.all('forwarded')).toEqual(['for=127.0.0.1;host="shop.example.com";proto=http']);
    for (const name of ['x-forwarded-port', 'x-forwarded-anything', 'x-real-ip'])
      expect(request.all(name)).toEqual([]);
    expect(request.all('x-request-id')).toEqual([expect.stringMatching(UUID_V7)]);
  });

  it('keeps the port of the host', async () => {
    const path = `/fields-${count++}`;
    await exchangeRaw(gateway.url, `GET ${path} HTTP/1.1\r\nHost: shop.example.com:8080\r\n\r\n`);
    expect(service.to(path)[0].header('x-forwarded-host')).toBe('shop.example.com:8080');
    expect(service.to(path)[0].header('forwarded')).toContain('host="shop.example.com:8080"');
  });

  it('is continued from a trusted proxy', async () => {
    const request = await passed(
      [
        'X-Forwarded-For: 203.0.113.9, 10.1.1.1',
        'X-Forwarded-Proto: https',
        'X-Forwarded-Host: www.example.com',
        'Forwarded: for=203.0.113.9;proto=https',
      ],
      { via: trusting, prefix: '/shown' },
    );
    expect(request.all('x-forwarded-for')).toEqual(['203.0.113.9, 10.1.1.1, 127.0.0.1']);
    expect(request.all('x-forwarded-proto')).toEqual(['https']);
    expect(request.all('x-forwarded-host')).toEqual(['www.example.com']);
    expect(request.all('forwarded')).toEqual([
      'for=203.0.113.9;proto=https, for=127.0.0.1;host="www.example.com";proto=https',
    ]);
    expect(request.header('x-client')).toBe('203.0.113.9');
  });

  it.each([
    ['the right-most hop that is not ours', '1.1.1.1, 203.0.113.9, 10.0.0.7', '203.0.113.9'],
    ['what a client wrote before it', 'not-an-address, 203.0.113.9', '203.0.113.9'],
    ['several lines of the field', '1.1.1.1\r\nX-Forwarded-For: 203.0.113.9', '203.0.113.9'],
    ['hops with ports', '203.0.113.9:4711, 10.0.0.7:80', '203.0.113.9'],
    ['IPv6', '2001:db9::1, [2001:db8::2]:443', '2001:db9::1'],
    ['only our own proxies', '10.0.0.7, 10.0.0.8', '10.0.0.7'],
    ['nonsense next to us', '203.0.113.9, unknown', '127.0.0.1'],
  ])('names the client from %s', async (_what, forwardedFor, client) => {
    const request = await passed([`X-Forwarded-For: ${forwardedFor}`], { via: trusting, prefix: '/shown' });
    expect(request.header('x-client')).toBe(client);
  });

  it('gets a Via entry behind those that are there', async () => {
    expect((await passed([])).all('via')).toEqual(['1.1 sluice']);
    expect((await passed(['Via: 1.0 fred, 2 edge', 'Via: 1.1 mid'])).all('via')).toEqual([
      '1.0 fred, 2 edge, 1.1 mid, 1.1 sluice',
    ]);
  });
});

describe('the request id', () => {
  it('is a new UUIDv7 for each request, the same for service and client', async () => {
    const client = await connectRaw(gateway.url);
    const ids = new Set<string>();
    for (let i = 0; i < 5; i++) {
      const answer = await client.send(get(`/id-${i}`)).answer();
      const [request] = service.to(`/id-${i}`);
      expect(answer.all('x-request-id')).toEqual(request.all('x-request-id'));
      expect(answer.header('x-request-id')).toMatch(UUID_V7);
      ids.add(answer.header('x-request-id') as string);
    }
    expect(ids.size).toBe(5);
    expect([...ids]).toEqual([...ids].sort());
  });

  it("is a trusted peer's own when it is well formed", async () => {
    const answer = await exchangeRaw(trusting.url, get('/own-id', 'X-Request-Id: edge-1/a.b:c=@+_'));
    expect(answer.all('x-request-id')).toEqual(['edge-1/a.b:c=@+_']);
    expect(service.to('/own-id')[0].all('x-request-id')).toEqual(['edge-1/a.b:c=@+_']);
  });

  it.each(['with space', 'quote"', '<script>', 'a'.repeat(129)])('is not taken over from %j', async (id) => {
    const answer = await exchangeRaw(trusting.url, get('/bad-id', `X-Request-Id: ${id}`));
    expect(answer.header('x-request-id')).toMatch(UUID_V7);
  });

  it('can be named by a route', async () => {
    const request = await passed([], { prefix: '/shown' });
    expect(request.header('x-id')).toBe(request.header('x-request-id'));
  });
});

describe('the body', () => {
  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'GET', 'OPTIONS', 'PROPFIND', 'M-SEARCH'])(
    'of a %s arrives with its length',
    async (method) => {
      const path = `/body-${count++}`;
      const answer = await exchangeRaw(gateway.url, `${head(method, path, 'Content-Length: 5')}hello`);
      expect(answer.status).toBe(200);
      const [request] = service.to(path);
      expect(request.method).toBe(method);
      expect((await request.whole).toString()).toBe('hello');
      expect(request.all('content-length')).toEqual(['5']);
      expect(request.all('transfer-encoding')).toEqual([]);
    },
  );

  it('above what is held in one piece keeps its length too', async () => {
    const body = 'x'.repeat(500_000);
    const answer = await exchangeRaw(gateway.url, post('/large', body));
    expect(answer.status).toBe(200);
    const [request] = service.to('/large');
    expect((await request.whole).equals(Buffer.from(body))).toBe(true);
    expect(request.all('content-length')).toEqual(['500000']);
    expect(request.all('transfer-encoding')).toEqual([]);
  });

  it('of unknown length stays chunked', async () => {
    const client = await connectRaw(gateway.url);
    client.send(`${head('POST', '/chunked', 'Transfer-Encoding: chunked')}3\r\none\r\n`);
    await eventually(() => service.to('/chunked')[0]?.body.length === 3);
    client.send('3\r\ntwo\r\n0\r\n\r\n');
    expect((await client.answer()).status).toBe(200);
    const [request] = service.to('/chunked');
    expect((await request.whole).toString()).toBe('onetwo');
    expect(request.all('transfer-encoding')).toEqual(['chunked']);
    expect(request.all('content-length')).toEqual([]);
    await client.closed();
  });

  it('of unknown length may get one when it has all arrived', async () => {
    await exchangeRaw(
      gateway.url,
      `${head('POST', '/at-once', 'Transfer-Encoding: chunked')}3\r\none\r\n0\r\n\r\n`,
    );
    const [request] = service.to('/at-once');
    expect((await request.whole).toString()).toBe('one');
    const framing = [...request.all('transfer-encoding'), ...request.all('content-length')];
    expect(framing).toHaveLength(1);
    expect(['chunked', '3']).toContain(framing[0]);
  });

  it('loses its trailers: they are neither fields nor a request', async () => {
    const client = await connectRaw(gateway.url);
    client.send(
      `${head('POST', '/trailers', 'Trailer: X-Sum', 'Transfer-Encoding: chunked')}3\r\none\r\n0\r\nX-Sum: 1\r\n\r\n`,
    );
    await client.answer().catch(() => null);
    await client.closed();
    for (const request of service.to('/trailers')) {
      expect(request.header('x-sum')).toBeUndefined();
      expect(request.header('trailer')).toBeUndefined();
    }
    expect((await exchangeRaw(gateway.url, get('/after-trailers'))).body.toString()).toBe('/after-trailers');
  });

  it('may be empty', async () => {
    await exchangeRaw(gateway.url, head('POST', '/empty', 'Content-Length: 0'));
    expect(service.to('/empty')[0].all('content-length')).toEqual(['0']);
    await exchangeRaw(gateway.url, `${head('POST', '/no-chunks', 'Transfer-Encoding: chunked')}0\r\n\r\n`);
    expect((await service.to('/no-chunks')[0].whole).length).toBe(0);
  });

  it('may be absent: no framing is invented for a GET', async () => {
    const request = await passed([]);
    expect(request.all('content-length')).toEqual([]);
    expect(request.all('transfer-encoding')).toEqual([]);
  });

  it('is asked for with 100 Continue, which the service never sees', async () => {
    const client = await connectRaw(gateway.url);
    client.send(head('POST', '/expect', 'Expect: 100-continue', 'Content-Length: 5'));
    await client.until('HTTP/1.1 100 Continue');
    client.send('hello');
    expect((await client.answer()).status).toBe(200);
    const [request] = service.to('/expect');
    expect(request.all('expect')).toEqual([]);
    expect((await request.whole).toString()).toBe('hello');
  });
});
