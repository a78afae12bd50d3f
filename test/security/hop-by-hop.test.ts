/**
 * Abuse of hop-by-hop fields (RFC 9110 §7.6.1). `Connection` names the fields that end at the next hop: a client that names those
 * a proxy adds has them deleted again on the way (CVE-2022-31813 in Apache, CVE-2024-45410 in
 * Traefik: `Connection: X-Forwarded-For`). Ours: what the client
 * names goes, then what we add is added.
 */
import { describe, expect, it } from 'vitest';
import { connectRaw, get, head } from '../harness/raw-client.ts';
import { useTarget } from './target.ts';

const target = useTarget((service) => ({
  services: { service: { endpoints: [service] } },
  routes: [
    {
      name: 'all',
      match: { path: '/*' },
      service: 'service',
      headers: { request: { set: { 'x-route': '${route.name}' } } },
    },
  ],
}));

/** What the gateway adds to every request. */
const OURS = [
  'host',
  'x-request-id',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'forwarded',
  'via',
  'x-route',
];

describe('a field of ours that Connection names', () => {
  it.each(OURS)('%s reaches the service all the same', async (name) => {
    const seen = await target.passes(get('/good', `Connection: ${name}`));
    expect(seen.all(name)).toHaveLength(1);
    expect(seen.header(name)).not.toBe('');
  });

  it('nor do all of them together change anything', async () => {
    const seen = await target.passes(get('/good', `Connection: close, ${OURS.join(', ')}`));
    for (const name of OURS) expect(seen.all(name), name).toHaveLength(1);
  });

  it.each(['content-length', 'transfer-encoding'])('nor does %s: the body stays framed', async (name) => {
    const seen = await target.passes(
      `${head('POST', '/good', `Connection: ${name}`, 'Content-Length: 3')}abc`,
    );
    expect(seen.body.toString()).toBe('abc');
  });
});

describe('a field of the client that Connection names', () => {
  it.each([
    ['as it is', ['Connection: x-a']],
    ['in other letters', ['Connection: X-A']],
    ['among others', ['Connection: keep-alive, X-A, foo']],
    ['without spaces', ['Connection: keep-alive,x-a,foo']],
    ['with many', ['Connection: ,, \t x-a ,, ']],
    ['on a second line', ['Connection: keep-alive', 'Connection: x-a']],
    ['behind the field', ['X-B: 1', 'connection: x-a']],
  ])('ends here: %s', async (_how, fields) => {
    const seen = await target.passes(get('/good', 'X-A: 1', 'X-A: 2', 'X-C: 3', ...fields));
    expect(seen.all('x-a')).toEqual([]);
    expect(seen.header('x-c')).toBe('3');
  });

  it('may be a cookie or an authorization: it is the client that loses it', async () => {
    const seen = await target.passes(
      get('/good', 'Cookie: a=1', 'Authorization: x', 'Connection: cookie, authorization'),
    );
    expect(seen.header('cookie')).toBeUndefined();
    expect(seen.header('authorization')).toBeUndefined();
  });
});

describe('fields of one connection', () => {
  it.each([
    ['Connection', 'keep-alive, x-b'],
    ['Keep-Alive', 'timeout=5'],
    ['Keep-Alive', 'nonsense'],
    ['Proxy-Connection', 'keep-alive'],
    ['Proxy-Authorization', 'Basic c2VjcmV0'],
    ['TE', 'trailers'],
    ['TE', 'gzip;q=0.5'],
    ['Trailer', 'X-Sum'],
    ['Upgrade', 'websocket'],
    ['HTTP2-Settings', 'AAMA'],
  ])('%s: %s ends here', async (name, value) => {
    const seen = await target.passes(get('/good', `${name}: ${value}`, 'X-C: 3'));
    const expected = name === 'Connection' ? ['keep-alive'] : [];
    expect(seen.all(name.toLowerCase())).toEqual(expected);
    expect(seen.header('x-c')).toBe('3');
  });

  it('Authorization and Cookie are not among them', async () => {
    const seen = await target.passes(get('/good', 'Authorization: Bearer x', 'Cookie: a=1', 'Cookie: b=2'));
    expect(seen.header('authorization')).toBe('Bearer x');
    expect(seen.all('cookie')).toEqual(['a=1', 'b=2']);
  });

  it('of the service end here too', async () => {
    const lines = [
      'Connection: keep-alive, X-Hop',
      'X-Hop: 1',
      'Keep-Alive: timeout=5',
      'Proxy-Authenticate: Basic',
      'X-End: 2',
    ];
    target.service.on('/hops', (socket) => {
      socket.write(
        `HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\nX-Request-Id: forged\r\nContent-Length: 0\r\n\r\n`,
      );
    });
    const client = await connectRaw(target.gateway.url);
    const answer = await client.send(get('/hops')).answer();
    for (const name of ['connection', 'x-hop', 'keep-alive', 'proxy-authenticate'])
      expect(answer.header(name), name).toBeUndefined();
    expect(answer.header('x-end')).toBe('2');
    expect(answer.all('x-request-id')).not.toContain('forged');
  });
});
