/**
 * Path confusion: a client spells a path so that the gateway reads one resource, with its route and filters,
 * and the service behind it reads another. Seen as CVE-2021-41773 (Apache, `/.%2e/`), CVE-2019-9901 and
 * CVE-2021-32779 (Envoy: dot segments, fragments past path rules) and CVE-2020-5902 (`/..;/` before a Java
 * server). Here: what is refused, and that nothing accepted has two readings.
 */
import { describe, expect, it } from 'vitest';
import { canonicalPath } from '../../src/route/path.ts';
import { RouteTable } from '../../src/route/table.ts';
import { emptyMatch, request, route } from '../route/requests.ts';

describe.each([
  ['a dot segment', ['/..', '/.', '/../', '/./', '/a/..', '/a/../b', '/a/./b', '/a/.', '//..', '/a//../b']],
  [
    'an encoded dot segment',
    ['/%2e%2e', '/.%2e/', '/%2E./a', '/a/%2e', '/a/%2e%2E/b', '/cgi-bin/.%2e/.%2e/etc/passwd'],
  ],
  [
    'a dot segment before parameters',
    ['/..;/', '/a/..;x=1/b', '/.;', '/a/%2e%2e;/b', '/..%3b/', '/a/..%3Bx'],
  ],
  [
    'a dot segment at an encoded slash',
    ['/..%2f', '/..%2Fa', '/a%2f..', '/a%2F../b', '/a%2f%2e%2e%2fb', '/a%2F.%2Fb'],
  ],
  ['a backslash', ['/\\', '/a\\..\\b', '/..\\', '/%5c', '/..%5C', '/a%5cb']],
  [
    'double encoding',
    ['/%252e%252e/', '/%252f', '/%255c', '/%2500', '/%25%32%65', '/%25%32e', '/%252%65', '/a%25252e'],
  ],
  [
    'a control character',
    ['/%00', '/a%00.html', '/%0d%0aSet-Cookie:x', '/%09', '/%1f', '/%7f', '/\u0000', '/a\tb', '/\u007f'],
  ],
  [
    'UTF-8 with two spellings',
    ['/%c0%ae%c0%ae/', '/%c0%af', '/%e0%80%ae', '/%f0%80%80%ae', '/%c1%9c', '/%e0%9f%bf'],
  ],
  [
    'what is not UTF-8',
    ['/%80', '/%ff', '/%c3', '/%c3a', '/%c3/%a9', '/%ed%a0%80', '/%f4%90%80%80', '/%e2%82'],
  ],
  ['a broken escape', ['/%', '/a%2', '/%zz', '/%u002e%u002e', '/%%32%65', '/% 20', '/%+1', '/%x41']],
  [
    'a character no target may hold',
    ['/a b', '/a#b', '/a?b', '/<', '/>', '/"', '/^', '/`', '/{', '/|', '/}', '/[', '/é', '/\u2025/'],
  ],
  ['a target that is no path', ['', '*', 'a', 'http://h/', ' /', '%2f', '?', '.', '\\']],
])('%s', (_, paths) => {
  it.each(paths)('is refused: %j', (path) => {
    expect(canonicalPath(path)).toBe('');
  });
});

describe('a path that has several spellings', () => {
  const table = new RouteTable([
    route('guarded', { path: '/admin/*' }),
    route('batch', { path: '/items:batch', methods: ['POST'] }),
    route('open', { path: '/*' }),
  ]);
  const routeOf = (method: string, raw: string) => {
    const path = canonicalPath(raw);
    return path === '' ? 'refused' : table.find(request(method, path), emptyMatch())?.name;
  };

  it.each(['/admin/x', '//admin/x', '/%61dmin/x', '/admin//x', '/%61%64%6D%69%6E//x'])(
    'reaches one route: %s',
    (raw) => {
      expect(routeOf('GET', raw)).toBe('guarded');
    },
  );

  it('cannot pass a route by escaping a character that the route holds raw', () => {
    expect(routeOf('POST', '/items:batch')).toBe('batch');
    expect(routeOf('POST', '/items%3Abatch')).toBe('batch');
    expect(routeOf('POST', '/items%3abatch')).toBe('batch');
  });

  it('goes to the service as the client meant it: an escaped delimiter stays escaped', () => {
    expect(canonicalPath('/items%3abatch')).toBe('/items%3Abatch');
    expect(canonicalPath('/a%3Bb%2cc')).toBe('/a%3Bb%2Cc');
  });
});
