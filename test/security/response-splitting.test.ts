/**
 * Response splitting and header injection (CWE-113): a line break in what a client sends becomes a line break in a head that we
 * write, towards the client (a forged Set-Cookie, a second answer) or the service (a forged identity). Everything of a
 * request that a template can name goes here through redirects and headers, both ways.
 */
import { describe, expect, it } from 'vitest';
import { exchangeRaw, get, type RawAnswer } from '../harness/raw-client.ts';
import { useTarget } from './target.ts';

const EVERYTHING = {
  'x-path': '${request.path}',
  'x-query': '${request.query}',
  'x-host': '${request.host}',
  'x-method': '${request.method}',
  'x-param': '${param.id}',
  'x-in': '${header.x-in}',
  'x-name': '${query.name}',
  'x-mixed': 'a ${header.x-in} b ${query.name} c',
};

const target = useTarget((service) => ({
  services: { service: { endpoints: [service] } },
  routes: [
    { name: 'all', match: { path: '/*' }, service: 'service' },
    {
      name: 'echo',
      match: { path: '/echo/:id' },
      service: 'service',
      rewrite: { query: { set: { name: '${query.name}', from: '${header.x-in}' } } },
      headers: { request: { set: EVERYTHING }, response: { set: EVERYTHING } },
    },
    { name: 'to', match: { path: '/to/:id' }, redirect: '/new/${param.id}?${query.name}' },
    { name: 'moved', match: { path: '/moved/*' }, redirect: { to: '${request.path}', status: 301 } },
    { name: 'header', match: { path: '/by-header' }, redirect: 'https://${request.host}/${header.x-in}' },
  ],
}));

/** What a line break is turned into before it is sent. */
const INJECTIONS = [
  '%0d%0aSet-Cookie:%20a=1',
  '%0d%0a%0d%0aHTTP/1.1 200 OK',
  '%0aSet-Cookie:a=1',
  '%0dSet-Cookie:a=1',
  '%E5%98%8A%E5%98%8DSet-Cookie:a=1',
  '%c4%8a%c4%8dSet-Cookie:a=1',
  '%u000aSet-Cookie:a=1',
  '\xc4\x8a\xc4\x8dSet-Cookie:a=1',
  '\xe5\x98\x8a\xe5\x98\x8dSet-Cookie:a=1',
  '\xc2\x85Set-Cookie:a=1',
];

/** The head holds what an undisturbed one would: no field that was not asked for. */
function expectIntact(answer: RawAnswer): void {
  expect(answer.complete).toBe(true);
  expect(answer.header('set-cookie')).toBeUndefined();
  for (const [name, value] of answer.fields) {
    expect(name).toMatch(/^[a-z-]+$/);
    expect(value).not.toMatch(/[\r\n\0]/);
  }
}

describe('through the query', () => {
  it.each(INJECTIONS)('%j stays what it is', async (injection) => {
    for (const path of ['/echo/1', '/to/1']) {
      const answer = await exchangeRaw(target.gateway.url, get(`${path}?name=x${injection}`));
      expectIntact(answer);
    }
    for (const seen of target.seen) expect(seen.header('set-cookie')).toBeUndefined();
  });

  it('a value arrives still encoded in a header, and in Location', async () => {
    const echoed = await exchangeRaw(target.gateway.url, get('/echo/1?name=%0d%0aSet-Cookie:a'));
    expect(echoed.header('x-name')).toBe('%0d%0aSet-Cookie:a');
    expect(target.seen[0].header('x-name')).toBe('%0d%0aSet-Cookie:a');
    const moved = await exchangeRaw(target.gateway.url, get('/to/1?name=%0d%0aSet-Cookie:a'));
    expect(moved.header('location')).toBe('/new/1?%0d%0aSet-Cookie:a');
  });
});

describe('through the path', () => {
  it.each(INJECTIONS)('%j is refused, or stays encoded', async (injection) => {
    for (const path of ['/echo/', '/to/', '/moved/']) {
      expectIntact(await exchangeRaw(target.gateway.url, get(`${path}x${injection}`)));
    }
    for (const seen of target.seen) expect(seen.header('set-cookie')).toBeUndefined();
  });

  it('a parameter arrives still encoded', async () => {
    const answer = await exchangeRaw(target.gateway.url, get('/to/a%3fb%20c%c3%a9'));
    expect(answer.header('location')).toBe('/new/a%3Fb%20c%C3%A9?');
  });
});

describe('through a header', () => {
  it.each(INJECTIONS)('%j stays what it is', async (injection) => {
    const value = `x${injection}y`;
    const answer = await exchangeRaw(target.gateway.url, get('/echo/1', `X-In: ${value}`));
    expectIntact(answer);
    expect(answer.header('x-in')).toBe(value);
    expect(target.seen[0].header('x-in')).toBe(value);
    expectIntact(await exchangeRaw(target.gateway.url, get('/by-header', `X-In: ${value}`)));
  });
});

describe('an open redirect', () => {
  it.each([
    '//evil.example',
    '/moved//evil.example',
    '//moved//evil.example/',
    '/moved/%2e%2e/evil',
    '/moved/\\evil.example',
  ])('by two slashes or a backslash is none: %s', async (path) => {
    const answer = await exchangeRaw(target.gateway.url, get(path));
    expect(answer.header('location') ?? '/').toMatch(/^\/(?![/\\])/);
  });
});

describe('through the configuration', () => {
  // U+010A and U+010D end in the bytes of a line break when a writer keeps only the low byte of each character.
  const literal = 'é 東京 \u010a\u010dSet-Cookie: a=1';
  const asBytes = Buffer.from(literal).toString('latin1');

  it('text beyond Latin-1 goes out as UTF-8, both ways', async () => {
    await target.reconfigure((service) => ({
      services: { service: { endpoints: [service] } },
      routes: [
        {
          name: 'all',
          match: { path: '/*' },
          service: 'service',
          headers: { request: { set: { 'x-text': literal } }, response: { set: { 'x-text': literal } } },
        },
        { name: 'fixed', match: { path: '/fixed' }, respond: { headers: { 'x-text': literal } } },
      ],
    }));
    const proxied = await exchangeRaw(target.gateway.url, get('/x'));
    expect(proxied.status).toBe(200);
    expectIntact(proxied);
    expect(proxied.header('x-text')).toBe(asBytes);
    expect(target.seen[0].header('x-text')).toBe(asBytes);
    const fixed = await exchangeRaw(target.gateway.url, get('/fixed'));
    expectIntact(fixed);
    expect(fixed.header('x-text')).toBe(asBytes);
  });
});
