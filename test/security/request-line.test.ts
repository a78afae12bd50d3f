/**
 * Request lines that are none (RFC 9112 §2.3, §3), and forms that a gateway must not take (RFC 9110 §9.3.6, §9.3.8): CONNECT
 * would make it an open tunnel, TRACE would show a client the fields that we add (cross-site tracing), absolute-form
 * names a second host, HTTP/1.0 and HTTP/0.9 frame their answers in other ways.
 */
import { describe, expect, it } from 'vitest';
import { exchangeRaw, get, head } from '../harness/raw-client.ts';
import { LISTENER, raw, useTarget } from './target.ts';

const target = useTarget((service) => ({
  services: { service: { endpoints: [service] } },
  routes: [
    { name: 'all', match: { path: '/*' }, service: 'service' },
    { name: 'post', match: { path: '/orders', methods: ['POST', 'PUT'] }, service: 'service' },
  ],
}));

const byte = String.fromCharCode;

describe('a method that is no token', () => {
  it.each([...'"(),/:;<=>?@[\\]{}', byte(0x7f)])('%j in it: refused', async (illegal) => {
    await target.refuses(head(`G${illegal}T`, '/attacked'), 400, 'BAD_METHOD');
  });

  it.each(['\0', '\x01', '\t', '\x0b', '\x1b', '\x80', '\xe9', '\xff'])(
    '%j in it: refused',
    async (illegal) => {
      await target.refuses(head(`G${illegal}T`, '/attacked'), 505, LISTENER);
    },
  );

  it('an empty one: refused', async () => {
    await target.refuses(head('', '/attacked'), 400, 'BAD_METHOD');
  });

  it.each(['QUERY', 'PROPFIND', "X!#$%&'*+-.^`|~9"])('%s is a token, and passes', async (method) => {
    const seen = await target.passes(`${head(method, '/good', 'Content-Length: 1')}a`);
    expect(seen.method).toBe(method);
  });

  it('is not a method in another case (RFC 9110 §9.1)', async () => {
    expect((await target.passes(head('get', '/good'))).method).toBe('get');
  });
});

describe('a target with bytes that no target holds', () => {
  it.each(['\0', '\x01', '\t', '\x0b', '\x1f', ' '])('%j in the path or query: refused', async (illegal) => {
    await target.refuses(get(`/a${illegal}b`), 505, LISTENER);
    await target.refuses(get(`/a?b=${illegal}c`), 505, LISTENER);
  });

  it.each(['\x7f', '\x80', '\xa0', '\xc3\xa9', '\xff'])(
    '%j in the path or query: refused',
    async (illegal) => {
      await target.refusesAndStays(get(`/a${illegal}b`), 400, 'BAD_PATH');
      await target.refusesAndStays(get(`/a?b=${illegal}c`), 400, 'BAD_QUERY');
    },
  );

  it.each([...'"<>\\^`{|}[]#'])('%j in the path: refused', async (illegal) => {
    await target.refusesAndStays(get(`/a${illegal}b`), 400, 'BAD_PATH');
  });

  it('a fragment in the query: refused', async () => {
    await target.refusesAndStays(get('/a?b=c#d'), 400, 'BAD_QUERY');
  });
});

describe('a request line that is none', () => {
  it.each([
    ['HTTP/1.0', 'GET /attacked HTTP/1.0'],
    ['HTTP/1.2', 'GET /attacked HTTP/1.2'],
    ['HTTP/2.0', 'GET /attacked HTTP/2.0'],
    ['HTTP/1.10', 'GET /attacked HTTP/1.10'],
    ['HTTP/11', 'GET /attacked HTTP/11'],
    ['a name in lower case', 'GET /attacked http/1.1'],
    ['another protocol', 'GET /attacked ICY/1.1'],
    ['two spaces before the target', 'GET  /attacked HTTP/1.1'],
    ['two spaces behind the target', 'GET /attacked  HTTP/1.1'],
    ['a space behind the version', 'GET /attacked HTTP/1.1 '],
    ['a space before the method', ' GET /attacked HTTP/1.1'],
    ['a tab before the target', 'GET\t/attacked HTTP/1.1'],
    ['a tab behind the target', 'GET /attacked\tHTTP/1.1'],
    ['four words', 'GET /attacked x HTTP/1.1'],
    ['no target', 'GET HTTP/1.1'],
    ['an empty target', 'GET  HTTP/1.1'],
    ['a target without a slash', 'GET attacked HTTP/1.1'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0'],
    ['absolute-form', 'GET http://shop.example.com/attacked HTTP/1.1'],
    ['absolute-form with TLS', 'GET https://shop.example.com/attacked HTTP/1.1'],
    ['asterisk-form', 'OPTIONS * HTTP/1.1'],
    ['authority-form', 'CONNECT shop.example.com:443 HTTP/1.1'],
  ])('%s: refused', async (_what, line) => {
    await target.refuses(raw(line, 'Host: shop.example.com'), 505, LISTENER);
  });
});

describe('CONNECT', () => {
  it('with the form of another method: refused', async () => {
    const answer = await target.refusesAndStays(head('CONNECT', '/attacked'), 405, 'METHOD_NOT_ALLOWED');
    expect(answer.header('allow')).not.toContain('CONNECT');
  });

  it('with a body: refused', async () => {
    const bytes = `${head('CONNECT', '/attacked', 'Content-Length: 3')}abc`;
    await target.refusesAndStays(bytes, 405, 'METHOD_NOT_ALLOWED');
  });
});

describe('TRACE', () => {
  it('is refused on every route, and says what is allowed', async () => {
    const answer = await target.refusesAndStays(head('TRACE', '/attacked'), 405, 'METHOD_NOT_ALLOWED');
    expect(answer.header('allow')).toContain('GET');
    expect(answer.header('allow')).not.toContain('TRACE');
  });

  it('shows nothing of the request', async () => {
    const answer = await exchangeRaw(
      target.gateway.url,
      head('TRACE', '/attacked', 'Cookie: session=secret'),
    );
    expect(answer.body.toString()).not.toContain('secret');
  });

  it('with a body is refused too', async () => {
    const bytes = `${head('TRACE', '/attacked', 'Content-Length: 3')}abc`;
    await target.refusesAndStays(bytes, 405, 'METHOD_NOT_ALLOWED');
  });
});

describe('a method that the route does not take', () => {
  it.each(['GET', 'DELETE', 'OPTIONS', 'post'])(
    '%s falls to the next route, if there is one',
    async (method) => {
      expect((await target.passes(head(method, '/orders'))).method).toBe(method);
    },
  );

  it('without another route: 405 with what is allowed', async () => {
    await target.reconfigure((service) => ({
      services: { service: { endpoints: [service] } },
      routes: [
        { name: 'own', match: { path: '/-/*' }, service: 'service' },
        { name: 'post', match: { path: '/orders', methods: ['POST', 'PUT'] }, service: 'service' },
      ],
    }));
    const answer = await target.refusesAndStays(get('/orders'), 405, 'METHOD_NOT_ALLOWED');
    expect(answer.header('allow')?.split(', ').sort()).toEqual(['POST', 'PUT']);
    await target.refusesAndStays(get('/nowhere'), 404, 'NOT_FOUND');
  });
});
