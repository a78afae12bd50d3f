import { describe, expect, it } from 'vitest';
import { describeTable, formatTable } from '../../../src/route/inspect/describe.ts';
import { explain, formatExplanation } from '../../../src/route/inspect/explain.ts';
import { request, route } from '../requests.ts';

const ROUTES = [
  { ...route('all', { path: '/*' }), redirect: { to: '/docs', status: 302 } },
  { ...route('user', { path: '/users/:id', methods: ['GET'] }), service: 'users' },
  {
    ...route('beta', {
      path: '/users/:id',
      methods: ['GET'],
      headers: { 'X-Beta': { exact: '1' } },
      query: { v: { present: true } },
    }),
    service: 'users-beta',
  },
  { ...route('api', { host: ['*.a.com', 'a.com'], path: '/users/*' }), respond: { status: 200 } },
];

const lines = (method: string, url: string, headers: Record<string, string> = {}) =>
  formatExplanation(explain(ROUTES, request(method, url, headers)));

describe('an explanation', () => {
  it('names the route, what made it fit, and what the others lack', () => {
    expect(lines('HEAD', 'b.org/users/7?v=2', { 'x-beta': '0' })).toEqual([
      'HEAD /users/7 on b.org: route "user"',
      '  ok     any host   (b.org)',
      '  ok     path /users/:id   (/users/7)',
      '  ok     methods GET, HEAD   (HEAD)',
      '  param  id = 7',
      '',
      'Fits too, but is not taken:',
      '  route "all": path /* is less exact than /users/:id',
      '',
      'Near misses:',
      '  route "beta"',
      '    fails  header x-beta = "1"   (it is "0")',
      '  route "api"',
      '    fails  host *.a.com or a.com   (b.org)',
    ]);
  });

  it('says why a route that fits too is not taken', () => {
    const { alternatives } = explain(ROUTES, request('GET', 'x.a.com/users/7?v', { 'x-beta': '1' }));
    expect(alternatives.map(({ name, loses }) => [name, loses])).toEqual([
      ['beta', 'any host is less exact than host *.a.com'],
      ['user', 'any host is less exact than host *.a.com'],
      ['all', 'any host is less exact than host *.a.com'],
    ]);
    const beta = explain(ROUTES, request('GET', 'b.org/users/7?v', { 'x-beta': '1' }));
    expect(beta.alternatives[0]).toMatchObject({
      name: 'user',
      loses: 'it has fewer conditions (1 instead of 3)',
    });
  });

  it('says that HEAD goes to the route that names it', () => {
    const routes = [
      route('get', { path: '/', methods: ['GET'] }),
      route('head', { path: '/', methods: ['HEAD'] }),
    ];
    expect(explain(routes, request('HEAD', '/')).alternatives[0].loses).toBe(
      'it takes HEAD only because it takes GET',
    );
  });

  it('tells 404, 405 and a refused encoded slash apart', () => {
    const routes = [route('user', { path: '/users/:id', methods: ['GET'] })];
    const outcome = (method: string, url: string) => explain(routes, request(method, url)).outcome;
    expect(outcome('GET', '/')).toBe('GET / on no host: 404, no route fits');
    expect(outcome('PUT', 'a/users/1')).toBe('PUT /users/1 on a: 405, the path allows GET, HEAD');
    expect(outcome('GET', 'a/users/%2F')).toBe(
      'GET /users/%2F on a: 400, route "user" fits but does not accept encoded slashes',
    );
  });

  it('takes no route when the one that fits refuses the encoded slash, and says so', () => {
    const routes = [
      route('user', { path: '/users/:id' }),
      route('rest', { path: '/*', encodedSlashes: true }),
    ];
    const { route: taken, params, nearMisses } = explain(routes, request('GET', '/users/a%2Fb'));
    expect([taken, params]).toEqual([null, {}]);
    expect(nearMisses.map(({ name, checks }) => [name, checks.at(-1)?.wants])).toEqual([
      ['user', 'encodedSlashes false'],
    ]);
  });

  it('sees the slash that is missing or too much', () => {
    const routes = [route('below', { path: '/a/*' }), route('exact', { path: '/b/c' })];
    const got = (url: string) => explain(routes, request('GET', url)).nearMisses[0].checks[1].got;
    expect(got('/a')).toBe('/a, would fit with a slash at the end');
    expect(got('/b/c/')).toBe('/b/c/, would fit without the slash at the end');
  });

  it('keeps to the ten closest misses', () => {
    const routes = Array.from({ length: 50 }, (_, i) =>
      route(`r${i}`, { path: `/a/${i}`, methods: ['PUT'] }),
    );
    const { nearMisses } = explain(routes, request('PUT', '/a/x'));
    expect(nearMisses.length).toBe(10);
  });

  it('names the parameters of the route', () => {
    const routes = [route('r', { path: '/:a/x/*' })];
    expect(explain(routes, request('GET', '/1/x/y%20/z')).params).toEqual({ a: '1', '*': 'y%20/z' });
  });
});

describe('the table of routes', () => {
  it('stands in match order with a row for each host', () => {
    expect(formatTable(describeTable(ROUTES))).toEqual([
      'order  host     path        methods    predicates                               target              name',
      '1      a.com    /users/*    *                                                   respond 200         api',
      '2      *.a.com  /users/*    *                                                   respond 200         api',
      '3      *        /users/:id  GET, HEAD  header x-beta = "1", query v is present  service users-beta  beta',
      '4      *        /users/:id  GET, HEAD                                           service users       user',
      '5      *        /*          *                                                   redirect 302 /docs  all',
    ]);
  });

  it('says which channels a route has', () => {
    const feed = {
      ...route('feed', { path: '/feed' }),
      channels: { allow: [{ match: 'a.*' }, { match: 'b' }] },
    };
    expect(describeTable([feed])[0].target).toBe('channels a.*, b');
  });

  it('leaves out a column without content', () => {
    expect(formatTable(describeTable([route('r', { path: '/' })]))).toEqual([
      'order  host  path  methods  name',
      '1      *     /     *        r',
    ]);
  });
});
