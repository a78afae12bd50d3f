/**
 * Host header attacks (RFC 9112 §3.2, RFC 9110 §7.2): no Host, two of them, or one that reads as something else. Routing,
 * caches and password-reset mails depend on it; a second Host is how a request passes the filters of one site and
 * reaches another. Ours: exactly one field, a host name or address with an optional port.
 */
import { describe, expect, it } from 'vitest';
import { exchangeRaw, get } from '../harness/raw-client.ts';
import { LISTENER, raw, useTarget } from './target.ts';

const target = useTarget((service) => ({
  services: { service: { endpoints: [service] } },
  routes: [
    { name: 'shop', match: { host: 'shop.example.com', path: '/*' }, service: 'service' },
    { name: 'kept', match: { path: '/kept/*' }, service: 'service', rewrite: { host: 'keep' } },
    {
      name: 'inner',
      match: { host: 'inner.example.com', path: '/*' },
      respond: { status: 403, body: 'inner' },
    },
  ],
}));

function withHosts(...hosts: string[]): string {
  return raw('GET /kept/x HTTP/1.1', ...hosts.map((host) => `Host: ${host}`));
}

describe('not exactly one Host', () => {
  it.each([
    ['none', withHosts()],
    ['none, but others', raw('GET /kept/x HTTP/1.1', 'X-A: 1', 'X-Host: a')],
    ['two that differ', withHosts('shop.example.com', 'inner.example.com')],
    ['two that agree', withHosts('a', 'a')],
    ['two in different cases', raw('GET /kept/x HTTP/1.1', 'host: a', 'X-A: 1', 'HOST: b')],
    ['an empty one beside a good one', withHosts('', 'a')],
    ['a good one beside an empty one', withHosts('a', '')],
  ])('%s: refused', async (_what, bytes) => {
    await target.refuses(bytes, 400, LISTENER);
  });
});

describe('a Host that is no host', () => {
  it.each([
    ['empty', ''],
    ['only a port', ':80'],
    ['white space inside', 'a b'],
    ['a list', 'shop.example.com, inner.example.com'],
    ['user information', 'user@a'],
    ['a path', 'a/b'],
    ['a query', 'a?b'],
    ['a fragment', 'a#b'],
    ['a backslash', 'a\\b'],
    ['a URL', 'http://a'],
    ['an escape', 'a%00b'],
    ['quotes', '"a"'],
    ['a wildcard', '*.example.com'],
    ['two ports', 'a:80:80'],
    ['a port of letters', 'a:http'],
    ['an empty label', 'a..b'],
    ['a leading dot', '.a'],
    ['an open bracket', '[::1'],
    ['no address in brackets', '[zz]'],
    ['brackets around a name', '[a]:80'],
    ['an address without brackets', '::1'],
    ['letters beyond ASCII', 'caf\xc3\xa9.example.com'],
    ['a letter that lower-cases into ASCII', '\xe2\x84\xaaa'.padStart(6, 'a')],
  ])('%s: refused', async (_what, host) => {
    await target.refuses(withHosts(host), 400, 'BAD_HOST');
  });
});

describe('a good Host', () => {
  it.each([
    ['a name', 'example.com'],
    ['with a port', 'example.com:8443'],
    ['with an empty port', 'example.com:'],
    ['absolute', 'example.com.'],
    ['an address', '192.0.2.1:80'],
    ['an IPv6 address', '[2001:db8::1]:80'],
    ['with underscores', 'my_host'],
  ])('%s: kept as it was written where the route says so', async (_what, host) => {
    const seen = await target.passes(withHosts(host));
    expect(seen.all('host')).toEqual([host]);
    expect(seen.header('x-forwarded-host')).toBe(host);
  });

  it('is replaced by the address of the service elsewhere', async () => {
    const seen = await target.passes(get('/x'));
    expect(seen.all('host')).toEqual([new URL(target.service.url).host]);
    expect(seen.header('x-forwarded-host')).toBe('shop.example.com');
  });

  it.each(['INNER.example.COM', 'inner.example.com.', 'inner.example.com:8080', 'Inner.Example.Com.:1'])(
    '%s: every spelling reaches the same route',
    async (host) => {
      const answer = await exchangeRaw(target.gateway.url, raw('GET /x HTTP/1.1', `Host: ${host}`));
      expect(answer.body.toString()).toBe('inner');
    },
  );

  it('comes from no other field', async () => {
    const seen = await target.passes(
      get(
        '/x',
        'X-Forwarded-Host: inner.example.com',
        'X-Host: inner.example.com',
        'Forwarded: host=inner.example.com',
      ),
    );
    expect(seen.header('x-forwarded-host')).toBe('shop.example.com');
    expect(seen.header('forwarded')).not.toContain('inner');
  });
});
