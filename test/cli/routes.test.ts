import { describe, expect, it } from 'vitest';
import { configFile, sluice } from './sluice.ts';

const file = configFile(
  'routes.yaml',
  `services:
  users: { endpoints: ["http://127.0.0.1:1"] }
routes:
  - { name: rest, match: { path: /* }, redirect: / }
  - { name: user, match: { path: "/users/:id", methods: [GET] }, service: users }
  - { name: beta, match: { path: "/users/:id", methods: [GET], headers: { x-beta: "1" } }, service: users }
  - { name: me, match: { path: /users/me }, respond: { status: 404 } }
  - { name: api, match: { path: /*, host: api.example.com }, service: users }
`,
);

describe('sluice routes', () => {
  it('shows the routes in the order in which they are tried', () => {
    const { code, out, err } = sluice('routes', '-c', file);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const names = out
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(/\s+/).at(-1));
    expect(names).toEqual(['api', 'me', 'beta', 'user', 'rest']);
    expect(out).toContain('header x-beta = "1"');
  });

  it('lists mistakes on standard error and exits with 1', () => {
    const wrong = configFile('wrong-routes.yaml', 'routes: 5\n');
    expect(sluice('routes', '-c', wrong)).toEqual({
      code: 1,
      out: '',
      err: `${wrong}:1:9  routes  5 is not allowed here; expected a list\n`,
    });
  });
});

describe('sluice explain', () => {
  it('names the route that takes a request, its conditions and its parameters', () => {
    const { code, out, err } = sluice('explain', '-c', file, 'GET', '/users/7?full=1', '-H', 'X-Beta: 1');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('GET /users/7 on localhost: route "beta"');
    expect(out).toContain('id = 7');
  });

  it('takes the host from the URL, or from a header', () => {
    expect(sluice('explain', '-c', file, 'GET', 'https://API.example.com:8443/x').out).toContain(
      'route "api"',
    );
    expect(sluice('explain', '-c', file, 'GET', '/x', '-H', 'host: api.example.com').out).toContain(
      'route "api"',
    );
  });

  it('says which conditions of the near misses fail, and exits with 1 when no route fits', () => {
    const strict = configFile(
      'strict.yaml',
      'routes: [{ name: a, match: { path: /a, methods: [GET], query: { q: true } }, respond: {} }]\n',
    );
    const { code, out } = sluice('explain', '-c', strict, 'GET', '/a');
    expect(code).toBe(1);
    expect(out).toContain('404');
    expect(out).toMatch(/fails {2}query q is present/);
    expect(sluice('explain', '-c', strict, 'POST', '/a?q').out).toContain('405');
  });

  it.each([
    ['GET', '/a/%2e%2e/b', '400, '],
    ['GET', '/a\\b', '400, '],
    ['GET', '/users/a%2Fb', ': 400, route "user" fits but does not accept encoded slashes'],
    ['TRACE', '/', '405, '],
    ['CONNECT', '/', '405, '],
    ['G T', '/', '400, "G T" is not a method'],
    ['GET', 'http://a@b/', '400, "a@b" is not a host'],
    ['GET', '/?a b', '400, The query'],
  ])('refuses what the gateway refuses: %s %s', (method, url, outcome) => {
    const { code, out } = sluice('explain', '-c', file, method, url);
    expect(code).toBe(1);
    expect(out).toContain(outcome);
  });
});
