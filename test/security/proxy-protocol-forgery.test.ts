/**
 * A forged PROXY protocol header. The balancer writes one before the first byte of a connection, then passes on what the
 * client sends; and the listener takes such a header before every request, the last one winning. So a client writes its
 * own before its second request and becomes whom it likes. Ours: the first of a connection counts, and one that says
 * otherwise ends the connection.
 */
import { describe, expect, it } from 'vitest';
import { connectRaw, get } from '../harness/raw-client.ts';
import { proxyHeader } from '../listen/proxy-header.ts';
import { useTarget } from './target.ts';

const target = useTarget((service) => ({
  listen: { host: '127.0.0.1', port: 0, proxyProtocol: true, trustedProxies: ['10.0.0.0/8'] },
  services: { service: { endpoints: [service] } },
  routes: [
    {
      name: 'all',
      match: { path: '/*' },
      service: 'service',
      headers: { request: { set: { 'x-client': '${client.ip}' } } },
    },
    { name: 'fixed', match: { path: '/fixed' }, respond: { body: 'fixed' } },
  ],
}));

const REAL = '198.51.100.7';

describe('a second header on a connection', () => {
  it.each([
    ['another address', '6.6.6.6'],
    ['the address of a trusted proxy', '10.0.0.1'],
    ['loopback', '127.0.0.1'],
    ['IPv6', '2001:db8::6'],
  ])('with %s: refused', async (_what, forged) => {
    const client = await connectRaw(target.gateway.url);
    expect((await client.send(proxyHeader(REAL) + get('/real')).answer()).status).toBe(200);
    const answer = await client
      .send(proxyHeader(forged) + get('/forged', 'X-Forwarded-For: 127.0.0.1'))
      .answer();
    expect(answer.status).toBe(400);
    await client.closed(2000);
    expect(target.seen.map((request) => request.target)).toEqual(['/real']);
    await target.stands(false);
  });

  it('in the same segment: refused', async () => {
    const client = await connectRaw(target.gateway.url);
    client.send(proxyHeader(REAL) + get('/fixed') + proxyHeader('6.6.6.6') + get('/forged'));
    expect((await client.answer()).status).toBe(200);
    await client.closed(2000);
    await target.stands();
  });

  it('of a connection that began without one: refused', async () => {
    const client = await connectRaw(target.gateway.url);
    await client.send(get('/real')).answer();
    expect((await client.send(proxyHeader('6.6.6.6') + get('/forged')).answer()).status).toBe(400);
    await client.closed(2000);
    expect(target.seen.map((request) => request.target)).toEqual(['/real']);
  });

  it('does not spoil the next connection from the same port', async () => {
    for (const address of [REAL, '198.51.100.8']) {
      const seen = await target.passes(proxyHeader(address) + get('/x'));
      expect(seen.header('x-client')).toBe(address);
    }
  });
});

describe('a header that is none', () => {
  it('of version 1 is taken for a request line, and refused', async () => {
    await target.refuses(`PROXY TCP4 6.6.6.6 192.0.2.1 4711 80\r\n${get('/forged')}`, 505, null);
  });
});
