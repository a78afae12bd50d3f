import { describe, expect, it } from 'vitest';
import type { Routable, RouteMatchConfig } from '../../src/route/candidate.ts';
import { RouteConflict, RouteTable, routeConflicts } from '../../src/route/table.ts';
import { emptyMatch, request, route } from './requests.ts';

/** The names that `GET` requests find among routes named by their paths. */
function namesFor(paths: string[], urls: string[]): (string | undefined)[] {
  const table = new RouteTable(paths.map((path) => route(path, { path })));
  return urls.map((url) => table.find(request('GET', url), emptyMatch())?.name);
}

function find(routes: Routable[], method: string, url: string, headers: Record<string, string> = {}) {
  const match = emptyMatch();
  const found = new RouteTable(routes).find(request(method, url, headers), match);
  return { name: found?.name ?? null, params: match.params, allow: match.allow };
}

describe('a path', () => {
  it('matches itself and nothing else when it is exact', () => {
    expect(namesFor(['/a/b'], ['/a/b', '/a/b/', '/a', '/a/bc', '/a/b/c', '/A/b'])).toEqual([
      '/a/b',
      ...Array(5).fill(undefined),
    ]);
  });

  it('matches one segment that is not empty with a parameter', () => {
    expect(namesFor(['/a/:id'], ['/a/1', '/a/', '/a', '/a/1/', '/a/1/2'])).toEqual([
      '/a/:id',
      ...Array(4).fill(undefined),
    ]);
    expect(namesFor(['/a/:id/b'], ['/a/1/b', '/a//b', '/a/1/c'])).toEqual(['/a/:id/b', undefined, undefined]);
  });

  it('matches all below a slash with a wildcard, and what stands before the slash not', () => {
    expect(namesFor(['/a/*'], ['/a/', '/a/x', '/a/x/y/', '/a', '/ab'])).toEqual([
      '/a/*',
      '/a/*',
      '/a/*',
      undefined,
      undefined,
    ]);
  });

  it('matches everything with a wildcard at the root', () => {
    expect(namesFor(['/*'], ['/', '/a', '/a/b/'])).toEqual(['/*', '/*', '/*']);
  });

  it('is taken by the route with a literal before the one with a parameter before the one with a wildcard', () => {
    const paths = ['/*', '/:x', '/a', '/a/*', '/a/:id', '/a/b', '/a/:id/c', '/a/b/*'];
    const urls = ['/', '/z', '/a', '/a/', '/a/b', '/a/z', '/a/z/c', '/a/b/c', '/a/z/d', '/z/z'];
    expect(namesFor(paths, urls)).toEqual([
      '/*',
      '/:x',
      '/a',
      '/a/*',
      '/a/b',
      '/a/:id',
      '/a/:id/c',
      '/a/b/*',
      '/a/*',
      '/*',
    ]);
  });

  it('is compared segment by segment from the left', () => {
    expect(namesFor(['/:x/b', '/a/:y'], ['/a/b', '/z/b', '/a/z'])).toEqual(['/a/:y', '/:x/b', '/a/:y']);
    expect(namesFor(['/a/*', '/:x/b/c'], ['/a/b/c', '/z/b/c'])).toEqual(['/a/*', '/:x/b/c']);
  });

  it('falls back to a less exact route when the more exact one does not fit to its end', () => {
    expect(namesFor(['/a/b/c', '/:x/b/d', '/a/*'], ['/a/b/d', '/a/b/c', '/z/b/d'])).toEqual([
      '/a/*',
      '/a/b/c',
      '/:x/b/d',
    ]);
    expect(namesFor(['/:a/:b/x', '/:a/y/:c'], ['/1/y/x', '/1/2/x'])).toEqual(['/:a/y/:c', '/:a/:b/x']);
  });

  it('tells routes apart that begin with the same letters', () => {
    const paths = [
      '/user/:id',
      '/users/:id',
      '/use/:id',
      '/us*'.replace('*', 'e/x/:y'),
      '/u/:a/v',
      '/users/me/:z',
    ];
    expect(
      namesFor(paths, ['/user/1', '/users/1', '/use/1', '/use/x/1', '/u/1/v', '/users/me/1', '/users/me']),
    ).toEqual(['/user/:id', '/users/:id', '/use/:id', '/use/x/:y', '/u/:a/v', '/users/me/:z', '/users/:id']);
  });

  it('matches a route written with other escapes of the same characters', () => {
    expect(find([route('r', { path: '/%7euser/caf%c3%a9' })], 'GET', '/~user/caf%C3%A9').name).toBe('r');
    expect(find([route('r', { path: '/%3Aid/%2A' })], 'GET', '/:id/*').name).toBe('r');
    expect(find([route('r', { path: '/%3Aid' })], 'GET', '/x').name).toBe(null);
  });
});

describe('parameters', () => {
  it('are the slices of the path in order, the rest last', () => {
    const routes = [route('r', { path: '/a/:one/b/:two/*' })];
    expect(find(routes, 'GET', '/a/1/b/2/3/4/').params).toEqual(['1', '2', '3/4/']);
    expect(find(routes, 'GET', '/a/1/b/2/').params).toEqual(['1', '2', '']);
    expect(find([route('r', { path: '/*' })], 'GET', '/x/y').params).toEqual(['x/y']);
    expect(find([route('r', { path: '/:a/:b' })], 'GET', '/x/y').params).toEqual(['x', 'y']);
  });

  it('stay percent-encoded as they are in the canonical path', () => {
    expect(find([route('r', { path: '/:a/*' })], 'GET', '/%3A%2F/%40%C3%A9').params).toEqual([
      '%3A%2F',
      '%40%C3%A9',
    ]);
  });

  it('are empty for a route without any, and for none', () => {
    const table = new RouteTable([route('r', { path: '/a' })]);
    const match = emptyMatch();
    table.find(request('GET', '/a'), match);
    expect(match.params).toEqual([]);
    match.params = ['left over'];
    table.find(request('GET', '/b'), match);
    expect(match.params).toEqual([]);
  });
});

describe('a host', () => {
  const routes = [
    route('exact', { host: ['api.a.com'], path: '/*' }),
    route('wide', { host: ['*.a.com'], path: '/*' }),
    route('wider', { host: ['*.com'], path: '/*' }),
    route('narrow', { host: ['*.x.a.com', 'b.com'], path: '/*' }),
    route('any', { path: '/*' }),
  ];

  it.each([
    ['api.a.com', 'exact'],
    ['www.a.com', 'wide'],
    ['y.x.a.com', 'narrow'],
    ['z.y.x.a.com', 'narrow'],
    ['x.a.com', 'wide'],
    ['a.com', 'wider'],
    ['b.com', 'narrow'],
    ['com', 'any'],
    ['', 'any'],
    ['a.org', 'any'],
    ['[::1]', 'any'],
    ['api.a.com.evil.org', 'any'],
  ])('%s is taken by the most exact route: %s', (host, name) => {
    expect(find(routes, 'GET', `${host}/p`).name).toBe(name);
  });

  it('is compared before the path', () => {
    const two = [route('host', { host: ['a.com'], path: '/*' }), route('path', { path: '/x' })];
    expect(find(two, 'GET', 'a.com/x').name).toBe('host');
    expect(find(two, 'GET', 'b.com/x').name).toBe('path');
  });

  it('with routes of its own still reaches the routes of wildcards and of any host', () => {
    const three = [
      route('a', { host: ['x.a.com'], path: '/a' }),
      route('b', { host: ['*.a.com'], path: '/b' }),
      route('c', { path: '/c' }),
    ];
    expect(['/a', '/b', '/c', '/d'].map((path) => find(three, 'GET', `x.a.com${path}`).name)).toEqual([
      'a',
      'b',
      'c',
      null,
    ]);
  });

  it('may be written in any case and with the dot of an absolute name', () => {
    expect(find([route('r', { host: ['API.A.com.'], path: '/' })], 'GET', 'api.a.com/').name).toBe('r');
    expect(find([route('r', { host: ['*.A.com'], path: '/' })], 'GET', 'x.a.com/').name).toBe('r');
  });
});

describe('a method', () => {
  const routes = [
    route('read', { path: '/a', methods: ['GET'] }),
    route('write', { path: '/a', methods: ['PUT', 'PATCH'] }),
    route('b', { path: '/b' }),
    route('id', { path: '/:id', methods: ['DELETE'] }),
  ];

  it('is taken by the route that lists it', () => {
    expect(find(routes, 'GET', '/a').name).toBe('read');
    expect(find(routes, 'PATCH', '/a').name).toBe('write');
    expect(find(routes, 'ANY-THING', '/b').name).toBe('b');
  });

  it('HEAD is taken where GET is, OPTIONS and lower case are not', () => {
    expect(find(routes, 'HEAD', '/a').name).toBe('read');
    expect(find(routes, 'OPTIONS', '/a').name).toBe(null);
    expect(find(routes, 'get', '/a').name).toBe(null);
  });

  it('HEAD goes to the route that names it rather than to one that implies it', () => {
    const two = [
      route('get', { path: '/', methods: ['GET'] }),
      route('head', { path: '/', methods: ['HEAD'] }),
    ];
    for (const order of [two, two.toReversed()]) {
      expect(find(order, 'HEAD', '/').name).toBe('head');
      expect(find(order, 'GET', '/').name).toBe('get');
    }
  });

  it('that no route takes is answered with the methods of all routes that fit otherwise', () => {
    expect(find(routes, 'POST', '/a').allow).toEqual(['DELETE', 'GET', 'HEAD', 'PATCH', 'PUT']);
    expect(find(routes, 'POST', '/x').allow).toEqual(['DELETE']);
    expect(find(routes, 'POST', '/x/y').allow).toEqual([]);
    expect(find(routes, 'GET', '/a').allow).toEqual([]);
  });

  it('is not the reason when another condition fails as well', () => {
    const one = [route('r', { path: '/', methods: ['GET'], headers: { 'x-a': { present: true } } })];
    expect(find(one, 'POST', '/').allow).toEqual([]);
    expect(find(one, 'POST', '/', { 'x-a': '' }).allow).toEqual(['GET', 'HEAD']);
  });

  it('falls back to a less exact path', () => {
    const two = [route('api', { path: '/a', methods: ['GET'] }), route('all', { path: '/*' })];
    expect(find(two, 'POST', '/a')).toMatchObject({ name: 'all', allow: [] });
  });
});

describe('conditions', () => {
  const beta = { 'x-beta': { exact: '1' } };

  it('on headers and query make a route preferred to one with fewer', () => {
    const routes = [
      route('plain', { path: '/a' }),
      route('beta', { path: '/a', headers: beta }),
      route('both', { path: '/a', headers: beta, query: { v: { pattern: '^2' } } }),
    ];
    for (const order of [routes, routes.toReversed()]) {
      expect(find(order, 'GET', '/a').name).toBe('plain');
      expect(find(order, 'GET', '/a', { 'x-beta': '1' }).name).toBe('beta');
      expect(find(order, 'GET', '/a?v=2.1', { 'x-beta': '1' }).name).toBe('both');
      expect(find(order, 'GET', '/a?v=1.2', { 'x-beta': '1' }).name).toBe('beta');
      expect(find(order, 'GET', '/a?v=2.1').name).toBe('plain');
    }
  });

  it('weigh less than the path', () => {
    const routes = [
      route('path', { path: '/a/:id' }),
      route('more', { path: '/a/*', methods: ['GET'], headers: beta }),
    ];
    expect(find(routes, 'GET', '/a/1', { 'x-beta': '1' }).name).toBe('path');
  });

  it('that fail leave the request to a less exact path', () => {
    const routes = [route('beta', { path: '/a', headers: beta }), route('rest', { path: '/*' })];
    expect(find(routes, 'GET', '/a').name).toBe('rest');
  });
});

describe('a tie', () => {
  type Match = Partial<RouteMatchConfig>;
  const conflict = (a: Match, b: Match) => {
    const routes = [route('first', { path: '/a', ...a }), route('second', { path: '/a', ...b })];
    return routeConflicts(routes).length;
  };

  it('names both routes and where they stand', () => {
    const routes = [
      route('zero', { path: '/0' }),
      route('one', { path: '/a/:x', host: ['a.com', 'b.com'] }),
      route('two', { path: '/a/:y', host: ['b.com'] }),
    ];
    try {
      new RouteTable(routes);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(RouteConflict);
      expect(error).toMatchObject({ first: { name: 'one', index: 1 }, second: { name: 'two', index: 2 } });
      expect((error as Error).message).toBe(
        'routes "one" and "two" tie: both take /a/:x on host b.com with equally many conditions, which one request can meet together',
      );
    }
  });

  it('is reported for every pair, once, in the order of the configuration', () => {
    const routes = ['a', 'b', 'c'].map((name) => route(name, { path: '/x', host: ['a.com', 'b.com'] }));
    expect(routeConflicts(routes).map(({ first, second }) => first.name + second.name)).toEqual([
      'ab',
      'ac',
      'bc',
    ]);
  });

  it.each<[string, Match, Match]>([
    ['nothing but the path', {}, {}],
    ['the same method', { methods: ['GET'] }, { methods: ['GET', 'POST'] }],
    ['the same predicates', { headers: { a: { exact: '1' } } }, { headers: { a: { exact: '1' } } }],
    ['header names in another case', { headers: { A: { exact: '1' } } }, { headers: { a: { exact: '1' } } }],
    ['predicates on different names', { headers: { a: { exact: '1' } } }, { headers: { b: { exact: '1' } } }],
    ['a method here, a header there', { methods: ['GET'] }, { headers: { a: { present: true } } }],
    [
      'a pattern and a value that fits it',
      { query: { v: { pattern: '^2' } } },
      { query: { v: { exact: '21' } } },
    ],
    ['two patterns', { query: { v: { pattern: '^1' } } }, { query: { v: { pattern: '^2' } } }],
    ['presence and a value', { headers: { a: { present: true } } }, { headers: { a: { exact: '' } } }],
    ['absence twice', { headers: { a: { present: false } } }, { headers: { a: { present: false } } }],
    [
      'a header and a parameter of one name',
      { headers: { a: { exact: '1' } } },
      { query: { a: { exact: '2' } } },
    ],
    ['escapes of the same character', { path: '/a%3Ab' }, { path: '/a:b' }],
    ['hosts in another case', { host: ['A.com'] }, { host: ['a.com.'] }],
  ])('is found for %s', (_, a, b) => {
    expect(conflict(a, b)).toBe(1);
    expect(conflict(b, a)).toBe(1);
  });

  it.each<[string, Match, Match]>([
    ['different methods', { methods: ['GET'] }, { methods: ['POST'] }],
    ['different values of a header', { headers: { a: { exact: '1' } } }, { headers: { a: { exact: '2' } } }],
    ['presence and absence', { query: { a: { present: true } } }, { query: { a: { present: false } } }],
    ['a value and absence', { query: { a: { exact: '' } } }, { query: { a: { present: false } } }],
    ['a pattern and absence', { query: { a: { pattern: '' } } }, { query: { a: { present: false } } }],
    [
      'a pattern and a value that does not fit it',
      { headers: { a: { pattern: '^2' } } },
      { headers: { a: { exact: '12' } } },
    ],
    ['more conditions', { methods: ['GET'] }, {}],
    ['different hosts', { host: ['a.com'] }, { host: ['*.a.com'] }],
    ['different paths', { path: '/:x/b' }, { path: '/a/:x' }],
  ])('is none with %s', (_, a, b) => {
    expect(conflict(a, b)).toBe(0);
  });
});

it('finds nothing in a table without routes', () => {
  expect(find([], 'GET', 'a.com/x')).toEqual({ name: null, params: [], allow: [] });
});
