/**
 * Requests behind the end of a connection (RFC 9112 §9.6: after `close`, nothing further on the connection is a request). The
 * listener would go on to parse what it has read together with the last request; then a refusal does not end what it
 * refused, and a client that was turned away goes on in the same segment.
 */
import { describe, expect, it } from 'vitest';
import { connectRaw, get, head } from '../harness/raw-client.ts';
import { useTarget } from './target.ts';

const target = useTarget((service) => ({
  services: { service: { endpoints: [service] } },
  routes: [
    { name: 'own', match: { path: '/-/*' }, service: 'service' },
    { name: 'x', match: { path: '/x' }, service: 'service' },
    { name: 'smuggled', match: { path: '/smuggled' }, service: 'service' },
    { name: 'fixed', match: { path: '/fixed' }, respond: { body: 'fixed' } },
    { name: 'empty', match: { path: '/empty' }, respond: { status: 204 } },
    { name: 'moved', match: { path: '/moved' }, redirect: '/fixed' },
    { name: 'small', match: { path: '/small' }, service: 'service', requestSize: { maxBody: 10 } },
  ],
}));

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

describe('behind an answer that ends the connection', () => {
  it.each([
    ['a fixed answer after "close"', get('/fixed', 'Connection: close')],
    ['an empty answer after "close"', get('/empty', 'Connection: close')],
    ['a redirect after "close"', get('/moved', 'Connection: close')],
    ['the answer to HEAD after "close"', head('HEAD', '/fixed', 'Connection: close')],
    ['"close" among others', get('/fixed', 'Connection: keep-alive, close')],
    ['a missing route after "close"', get('/nowhere', 'Connection: close')],
    ['a bad method', head('G@T', '/x')],
    ['a bad header', get('/x', 'X-A: a\x7fb')],
    ['a bad host', 'GET /x HTTP/1.1\r\nHost: a b\r\n\r\n'],
    ['a bad framing', head('POST', '/x', 'Content-Length: 0', 'Content-Length: 0')],
    ['an unmet expectation', get('/x', 'Expect: nonsense')],
    ['a body that is too large', head('POST', '/small', 'Content-Length: 11')],
    ['an answer of the service after "close"', get('/x', 'Connection: close')],
  ])('%s: nothing is executed', async (_what, first) => {
    await target.cuts(first + SMUGGLED);
    expect(target.seen.map(({ target: path }) => path)).not.toContain('/smuggled');
    await target.cuts(first + SMUGGLED.repeat(30));
    expect(target.seen.map(({ target: path }) => path)).not.toContain('/smuggled');
  });

  it.each([
    ['a bad path', '/a/../b', 400],
    ['a fixed answer', '/fixed', 200],
    ['a missing route', '/nowhere', 404],
  ])('nor is the rest of a body that nobody wanted: %s', async (_what, path, status) => {
    const client = await connectRaw(target.gateway.url);
    const answer = await client
      .send(head('POST', path, `Content-Length: ${SMUGGLED.length * 2}`) + SMUGGLED)
      .answer();
    expect(answer.status).toBe(status);
    client.send(SMUGGLED);
    if (answer.header('connection') === 'close') {
      await client.closed(2000);
    } else {
      expect((await client.send(get('/-/next')).answer()).body.toString()).toBe('/-/next');
    }
    expect(client.received).toHaveLength(0);
    await target.stands();
  });

  it.each([
    ['a fixed answer after "close"', get('/fixed', 'Connection: close')],
    ['an answer of the service after "close"', get('/x', 'Connection: close')],
    ['a bad header', get('/x', 'X-A: a\x7fb')],
  ])('%s: nothing is executed that comes later', async (_what, first) => {
    expect(await target.cuts(first, SMUGGLED)).toHaveLength(1);
    expect(target.seen.map(({ target: path }) => path)).not.toContain('/smuggled');
  });
});
