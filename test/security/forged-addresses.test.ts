/**
 * Forged addresses and identities: `X-Forwarded-For`, `-Proto`, `-Host`, `Forwarded` (RFC 7239), `X-Real-IP`, `X-Request-Id`, `Via`. Whoever
 * believes what a client says about itself gives away limits, audit logs and allow-lists. Ours: from an untrusted peer
 * all of it is dropped and made anew; from a trusted one it is continued, and the client is the right-most address that
 * is not a trusted proxy, because everything to its left came from there.
 */
import { describe, expect, it } from 'vitest';
import { exchangeRaw, get } from '../harness/raw-client.ts';
import { useTarget } from './target.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const CLAIMS = [
  'X-Forwarded-For: 6.6.6.6',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: evil.example',
  'Forwarded: for=6.6.6.6;host=evil.example;proto=https',
  'X-Request-Id: forged',
];

function before(service: string, trustedProxies: string[]) {
  return {
    listen: { host: '127.0.0.1', port: 0, trustedProxies },
    services: { service: { endpoints: [service] } },
    routes: [
      {
        name: 'all',
        match: { path: '/*' },
        service: 'service',
        headers: { request: { set: { 'x-client': '${client.ip}', 'x-scheme': '${request.scheme}' } } },
      },
    ],
  };
}

describe('an untrusted peer', () => {
  const target = useTarget((service) => before(service, ['10.0.0.0/8', '127.0.0.2']));

  it('says nothing about itself: all of it is made by us', async () => {
    const seen = await target.passes(get('/good', ...CLAIMS));
    expect(seen.all('x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(seen.all('x-forwarded-proto')).toEqual(['http']);
    expect(seen.all('x-forwarded-host')).toEqual(['shop.example.com']);
    expect(seen.all('forwarded')).toEqual(['for=127.0.0.1;host="shop.example.com";proto=http']);
    expect(seen.all('x-client')).toEqual(['127.0.0.1']);
    expect(seen.all('x-scheme')).toEqual(['http']);
  });

  it('names no request', async () => {
    const seen = await target.passes(
      get('/good', ...CLAIMS, 'X-Request-Id: 0190b6a0-0000-7000-8000-000000000000'),
    );
    expect(seen.all('x-request-id')).toHaveLength(1);
    expect(seen.header('x-request-id')).toMatch(UUID);
    expect(seen.header('x-request-id')).not.toMatch(/^0190b6a0/);
  });

  it.each([
    'X-Forwarded-For: 6.6.6.6, 10.0.0.1',
    'X-Forwarded-For: 127.0.0.1',
    'X-Forwarded-Port: 443',
    'X-Forwarded-Server: evil',
    'X-Forwarded-Prefix: /admin',
    'X-Forwarded-User: root',
    'X-Real-IP: 6.6.6.6',
    'x-FORWARDED-anything: 1',
  ])('%s: does not reach the service', async (field) => {
    const seen = await target.passes(get('/good', field));
    const [name, value] = field.split(': ');
    expect(seen.all(name.toLowerCase())).not.toContain(
      value === '127.0.0.1' ? '127.0.0.1, 127.0.0.1' : value,
    );
    expect(seen.fields.filter(([each]) => each.startsWith('x-forwarded-')).map(([each]) => each)).toEqual([
      'x-forwarded-for',
      'x-forwarded-proto',
      'x-forwarded-host',
    ]);
    expect(seen.header('x-real-ip')).toBeUndefined();
    expect(seen.header('x-client')).toBe('127.0.0.1');
  });

  it('keeps its place in Via, behind which ours stands', async () => {
    const seen = await target.passes(get('/good', 'Via: 1.0 a', 'Via: 1.1 b'));
    expect(seen.all('via')).toEqual(['1.0 a, 1.1 b, 1.1 sluice']);
  });

  it('sees the id of its request in the answer', async () => {
    const answer = await exchangeRaw(target.gateway.url, get('/good', 'X-Request-Id: forged'));
    expect(answer.all('x-request-id')).toEqual([target.seen[0].header('x-request-id')]);
  });
});

describe('a trusted peer', () => {
  const target = useTarget((service) => before(service, ['127.0.0.0/8', '10.0.0.0/8', 'fd00::/8']));

  it('is continued', async () => {
    const seen = await target.passes(get('/good', ...CLAIMS));
    expect(seen.all('x-forwarded-for')).toEqual(['6.6.6.6, 127.0.0.1']);
    expect(seen.all('x-forwarded-proto')).toEqual(['https']);
    expect(seen.all('x-forwarded-host')).toEqual(['evil.example']);
    expect(seen.header('forwarded')).toMatch(
      /^for=6\.6\.6\.6;host=evil\.example;proto=https, for=127\.0\.0\.1;/,
    );
    expect(seen.all('x-request-id')).toEqual(['forged']);
    expect(seen.header('x-client')).toBe('6.6.6.6');
  });

  it.each([
    ['one hop', ['6.6.6.6'], '6.6.6.6'],
    ['none', [], '127.0.0.1'],
    ['an empty one', [''], '127.0.0.1'],
    ['hops of ours behind the client', ['6.6.6.6, 10.1.1.1, 10.2.2.2'], '6.6.6.6'],
    ['what the client claims before itself', ['1.1.1.1, 6.6.6.6, 10.1.1.1'], '6.6.6.6'],
    ['a client that claims one of ours before itself', ['10.9.9.9, 6.6.6.6'], '6.6.6.6'],
    ['several lines', ['1.1.1.1', '6.6.6.6, 10.1.1.1'], '6.6.6.6'],
    ['only our own', ['10.1.1.1, 10.2.2.2'], '10.1.1.1'],
    ['a port', ['6.6.6.6:4711'], '6.6.6.6'],
    ['IPv6', ['2001:db8::6'], '2001:db8::6'],
    ['IPv6 with a port', ['[2001:db8::6]:4711'], '2001:db8::6'],
    ['IPv6 of ours', ['2001:db8::6, fd00::1'], '2001:db8::6'],
    ['IPv4 of ours, written as IPv6', ['6.6.6.6, ::ffff:10.1.1.1'], '6.6.6.6'],
    ['tabs and many spaces', ['6.6.6.6 ,\t  10.1.1.1 '], '6.6.6.6'],
    ['something that is no address', ['6.6.6.6, unknown, 10.1.1.1'], '10.1.1.1'],
    ['something that is no address at the end', ['6.6.6.6, nonsense'], '127.0.0.1'],
    ['an address out of range', ['6.6.6.666'], '127.0.0.1'],
    ['octal', ['010.1.1.1'], '127.0.0.1'],
    ['a name', ['evil.example'], '127.0.0.1'],
    ['a markup', ['<script>'], '127.0.0.1'],
  ])('the client is the right-most address that is not ours: %s', async (_what, lines, client) => {
    const fields = lines.map((line) => `X-Forwarded-For: ${line}`);
    expect((await target.passes(get('/good', ...fields))).header('x-client')).toBe(client);
  });

  it('a chain of a thousand hops costs nobody anything', async () => {
    const chain = Array.from({ length: 1000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`).join(',');
    const seen = await target.passes(get('/good', `X-Forwarded-For: 6.6.6.6,${chain}`));
    expect(seen.header('x-client')).toBe('6.6.6.6');
  });

  it.each([
    ['white space', 'a b'],
    ['markup', '<x>'],
    ['quotes', '"a"'],
    ['nothing', ''],
    ['too much', 'a'.repeat(129)],
    ['letters beyond ASCII', 'caf\xc3\xa9s'],
  ])('its request id must be well formed: %s is replaced', async (_what, id) => {
    const seen = await target.passes(get('/good', `X-Request-Id: ${id}`));
    expect(seen.all('x-request-id')).toHaveLength(1);
    expect(seen.header('x-request-id')).toMatch(UUID);
  });

  it.each([
    '0190b6a0-0000-7000-8000-000000000000',
    'abc',
    'Root=1-67891233-abcdef012345678912345678',
    'a'.repeat(128),
  ])('its request id is kept when it is: %s', async (id) => {
    const answer = await exchangeRaw(target.gateway.url, get('/good', `X-Request-Id: ${id}`));
    expect(answer.all('x-request-id')).toEqual([id]);
    expect(target.seen[0].all('x-request-id')).toEqual([id]);
  });

  it.each([
    ['a quote in the host', 'X-Forwarded-Host: a";for=1.1.1.1'],
    ['a list of hosts', 'X-Forwarded-Host: a, b'],
    ['a path in the host', 'X-Forwarded-Host: a/b'],
    ['a separator in the scheme', 'X-Forwarded-Proto: https;for=1.1.1.1'],
    ['an unknown scheme', 'X-Forwarded-Proto: gopher'],
    ['an empty scheme', 'X-Forwarded-Proto: '],
  ])('what it passes on cannot break out of Forwarded: %s', async (_what, field) => {
    const seen = await target.passes(get('/good', field));
    expect(seen.header('forwarded')).toBe('for=127.0.0.1;host="shop.example.com";proto=http');
    expect(seen.header('x-forwarded-host')).toBe('shop.example.com');
    expect(seen.header('x-forwarded-proto')).toBe('http');
  });
});
