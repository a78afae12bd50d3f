/**
 * Path confusion over the wire: the canonical path (see path-canonical.test.ts) is the one that routes match and that services
 * get. Here: with a guarded and an open route before the same service, no spelling reaches what is guarded through what
 * is open (CVE-2021-41773, CVE-2019-9901, CVE-2020-5902).
 */
import { describe, expect, it } from 'vitest';
import { exchangeRaw, get, head } from '../harness/raw-client.ts';
import { useTarget } from './target.ts';

const target = useTarget((service) => ({
  services: { service: { endpoints: [service] } },
  routes: [
    { name: 'guarded', match: { path: '/admin/*' }, respond: { status: 403, body: 'guarded' } },
    { name: 'files', match: { path: '/files/*', encodedSlashes: true }, service: 'service' },
    { name: 'stripped', match: { path: '/v1/*' }, service: 'service', rewrite: { prefix: '/inner/' } },
    { name: 'user', match: { path: '/v2/users/:id' }, service: 'service', rewrite: { path: '/users/:id' } },
    { name: 'open', match: { path: '/*' }, service: 'service' },
  ],
}));

describe('a path with two readings', () => {
  it.each([
    ['a dot segment', '/public/../admin/x'],
    ['a dot segment at the end', '/public/..'],
    ['a single dot', '/public/./x'],
    ['an encoded dot segment', '/public/%2e%2e/admin/x'],
    ['a half encoded dot segment', '/public/.%2E/admin/x'],
    ['an encoded slash', '/public%2fx'],
    ['an encoded slash beside a dot segment', '/public/..%2fadmin/x'],
    ['a dot segment between encoded slashes', '/public%2f..%2fadmin%2fx'],
    ['a backslash', '/public\\..\\admin'],
    ['an encoded backslash', '/public%5c..%5cadmin'],
    ['a dot segment with parameters', '/public/..;/admin/x'],
    ['a dot segment with an encoded semicolon', '/public/..%3b/admin/x'],
    ['double encoding', '/public/%252e%252e/admin/x'],
    ['a percent sign that is encoded', '/public/%25%32%65'],
    ['NUL', '/public/x%00.png'],
    ['a line break', '/public/x%0d%0aX-A:%201'],
    ['DEL', '/public/%7f'],
    ['overlong UTF-8', '/public/%c0%ae%c0%ae/admin'],
    ['a lone byte of UTF-8', '/public/%ff'],
    ['a surrogate', '/public/%ed%a0%80'],
    ['a broken escape', '/public/%zz'],
    ['half of an escape', '/public/%2'],
    ['an escape of another kind', '/public/%u002e%u002e/'],
  ])('%s: refused', async (_what, path) => {
    await target.refusesAndStays(get(path), 400, 'BAD_PATH');
    await target.refusesAndStays(`${head('POST', path, 'Content-Length: 3')}abc`, 400, 'BAD_PATH');
  });
});

describe('every spelling of the guarded path reaches the guarded route', () => {
  it.each([
    '/admin/x',
    '//admin/x',
    '///admin//x',
    '/admin//x',
    '/%61dmin/x',
    '/%61%64%6D%69%6e/x',
    '/admin/%78',
    '/admin/x?/../public',
    '/admin/;a=b',
  ])('%s', async (path) => {
    const answer = await exchangeRaw(target.gateway.url, get(path));
    expect(`${answer.status} ${answer.body}`).toBe('403 guarded');
    expect(target.seen).toEqual([]);
  });
});

describe('what passes reaches the service in one form', () => {
  it.each([
    ['/a//b///c', '/a/b/c'],
    ['/%7Euser/%c3%a9', '/~user/%C3%A9'],
    ['/%61%2D%2e%5f', '/a-._'],
    ['/a%3bb%2Cc', '/a%3Bb%2Cc'],
    ['/a;v=1/b', '/a;v=1/b'],
    ['/a...b/..c', '/a...b/..c'],
    ['//evil.example/x', '/evil.example/x'],
    ['/?a=/../b&c=%2f', '/?a=/../b&c=%2f'],
    ['/v1/a%20b//c', '/inner/a%20b/c'],
    ['/v2/users/a%3Fb', '/users/a%3Fb'],
    ['/v2/users/%23', '/users/%23'],
  ])('%s as %s', async (path, expected) => {
    expect((await target.passes(get(path))).target).toBe(expected);
  });
});

describe('encodedSlashes: true', () => {
  it('lets an encoded slash through, still encoded', async () => {
    expect((await target.passes(get('/files/a%2fb%2Fc'))).target).toBe('/files/a%2Fb%2Fc');
  });

  it.each([
    '/files/..%2fadmin',
    '/files/a%2f..',
    '/files/a%2f%2e%2e%2fb',
    '/files/%252f',
    '/files/%5c',
    '/files%2f..%2fadmin',
  ])('lets nothing else through: %s', async (path) => {
    await target.refusesAndStays(get(path), 400, 'BAD_PATH');
  });

  it.each(['/files%2fa', '/admin%2fx', '/v1/a%2fb', '/v2/users/a%2fb'])(
    'does not let one through on another route: %s',
    async (path) => {
      await target.refusesAndStays(get(path), 400, 'BAD_PATH');
    },
  );
});
