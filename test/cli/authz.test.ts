import { afterEach, describe, expect, it, vi } from 'vitest';
import { runCommandLine } from '../../src/cli/run.ts';
import { configFile } from './sluice.ts';

const SECRET = 'a-secret-of-at-least-32-characters!';

const config = configFile(
  'authz.yaml',
  `auth:
  providers:
    players: { type: jwt, algorithms: [HS256], secret: "${SECRET}" }
    partners: { type: apiKey }
  roles: { trader: ['orders:*'], viewer: ['orders:read'] }
  decisions: { policy: { url: "http://127.0.0.1:1/" } }
services:
  api: { endpoints: ["http://127.0.0.1:1"] }
defaults:
  auth: { anyOf: [players] }
routes:
  - name: orders
    match: { path: "/orders/:owner" }
    service: api
    auth:
      anyOf: [players, partners]
      permissions: ['orders:read']
      when: param.owner == claim.sub || auth.method == 'apiKey'
      methods: { POST: { permissions: ['orders:write'] }, DELETE: { roles: [admin], scopes: [danger] } }
  - { name: policy, match: { path: /policy }, service: api, auth: { anyOf: [players], decision: policy } }
  - { name: both, match: { path: /both }, service: api, auth: { allOf: [partners, players], when: "user == 'alice' && consumer == 'acme'" } }
  - { name: open, match: { path: /open/*, methods: [GET] }, service: api, auth: off }
  - { name: guests, match: { path: /guests }, service: api, auth: { anyOf: [players, anonymous], when: "auth.method == 'anonymous' || header.x-desk == claim.desk" } }
  - { name: net, match: { path: /net, host: in.example.com }, service: api, auth: { anyOf: [anonymous], when: "inNetwork(client.ip, '10.0.0.0/8') && query.a == 'b c'" } }
  - { name: plain, match: { path: /plain }, service: api }
`,
);

afterEach(() => vi.restoreAllMocks());

/** As the command line does it. */
async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const streams = { out: '', err: '' };
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    streams.out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    streams.err += String(text);
    return true;
  });
  const code = await runCommandLine(['authz', ...args]);
  vi.restoreAllMocks();
  return { code, ...streams };
}

let count = 0;

async function table(text: string, ...more: string[]): Promise<{ code: number; out: string; err: string }> {
  return await run('test', configFile(`cases-${count++}.yaml`, text), '-c', config, ...more);
}

describe('a case', () => {
  it.each([
    ['as: { user: alice, roles: [viewer] }, method: GET, path: /orders/alice, expect: allow'],
    ['as: { claims: { sub: alice }, roles: viewer }, method: GET, path: /orders/alice, expect: allow'],
    ['as: { user: alice, roles: [viewer] }, method: GET, path: /orders/bob, expect: deny, reason: condition'],
    ['as: { user: alice }, method: GET, path: /orders/alice, expect: deny, reason: permission'],
    [
      'as: { user: alice, roles: [viewer] }, method: POST, path: /orders/alice, expect: deny, reason: permission',
    ],
    ['as: { user: alice, roles: [trader] }, method: POST, path: /orders/alice, expect: allow'],
    ['as: { user: alice, roles: [trader] }, method: DELETE, path: /orders/alice, expect: deny, reason: role'],
    [
      'as: { user: alice, roles: [trader, admin] }, method: DELETE, path: /orders/alice, expect: deny, reason: scope',
    ],
    [
      'as: { user: alice, roles: [trader, admin], scopes: [danger] }, method: DELETE, path: /orders/alice, expect: allow',
    ],
    [
      'as: { consumer: acme, roles: [viewer], provider: partners }, method: GET, path: /orders/bob, expect: allow',
    ],
    [
      'as: { consumer: acme, roles: [viewer], method: apiKey }, method: GET, path: /orders/bob, expect: allow',
    ],
    ['as: anonymous, method: GET, path: /orders/alice, expect: deny, reason: missing'],
    ['as: { user: alice, method: session }, method: GET, path: /orders/alice, expect: deny, reason: missing'],
    ['as: { user: alice }, method: GET, path: /policy, expect: allow'],
    ['as: { user: alice }, method: GET, path: /policy, decision: deny, expect: deny, reason: decision'],
    ['as: { user: alice, consumer: acme }, method: GET, path: /both, expect: allow'],
    ['as: { user: alice }, method: GET, path: /both, expect: deny, reason: condition'],
    ['as: anonymous, method: GET, path: /both, expect: deny, reason: missing'],
    ['as: anonymous, method: GET, path: /open/x, expect: allow'],
    ['as: anonymous, method: POST, path: /open/x, expect: deny, reason: method'],
    ['as: anonymous, method: TRACE, path: /open/x, expect: deny, reason: method'],
    ['as: { user: alice }, method: get, path: /policy, expect: deny, reason: method'],
    ['as: anonymous, method: GET, path: /guests, expect: allow'],
    [
      'as: { user: a, claims: { desk: fx } }, method: GET, path: /guests, headers: { X-Desk: fx }, expect: allow',
    ],
    [
      'as: { user: a, claims: { desk: fx } }, method: GET, path: /guests, headers: { X-Desk: [fx, fx] }, expect: deny',
    ],
    ['as: { user: a, provider: partners }, method: GET, path: /guests, expect: allow'],
    [
      "as: anonymous, method: GET, path: /net, host: 'IN.example.com:80', client: 10.1.1.1, query: { a: b c }, expect: allow",
    ],
    ["as: anonymous, method: GET, path: '/net?a=b+c', host: in.example.com, client: 10.1.1.1, expect: allow"],
    [
      "as: anonymous, method: GET, path: /net, query: 'a=b%20c', host: in.example.com, expect: deny, reason: condition",
    ],
    ['as: anonymous, method: GET, path: /net, expect: deny, reason: route'],
    ['as: anonymous, method: GET, path: /plain, expect: deny, reason: missing'],
    ['as: { user: a }, method: HEAD, path: /plain, expect: allow'],
    ['as: anonymous, method: GET, path: /nowhere, expect: deny, reason: route'],
    ["as: anonymous, method: GET, path: '/open/%2e%2e/plain', expect: deny, reason: path"],
    ["as: anonymous, method: GET, path: '/open/a%2Fb', expect: deny, reason: path"],
    ["as: { user: a }, method: GET, path: '//plain', expect: allow"],
  ])('{ %s }', async (text) => {
    const { code, out, err } = await table(`- { ${text} }\n`);
    expect({ code, err, out }).toEqual({
      code: 0,
      err: '',
      out: expect.stringMatching(/^ok {4}[\s\S]*1 case, all as expected\n$/),
    });
  });

  it('takes the path parameter as claim.sub names it', async () => {
    const { code } = await table(
      "- { as: { user: 'Jürgen', roles: [viewer] }, method: GET, path: /orders/J%C3%BCrgen, expect: allow }\n",
    );
    expect(code).toBe(0);
  });
});

describe('the table', () => {
  const cases = `
- name: alice reads
  as: { user: alice, roles: [viewer] }
  method: GET
  path: /orders/alice
  expect: allow
- name: bob may not
  as: { user: bob, roles: [viewer] }
  method: GET
  path: /orders/bob
  expect: deny
- { as: { user: eve }, method: GET, path: /orders/eve, expect: deny, reason: role }
`;

  it('is shown case by case, with the place of those that fail', async () => {
    const { code, out } = await table(cases);
    expect(code).toBe(1);
    const lines = out.split('\n');
    expect(lines[0]).toBe('ok    alice reads: allow by route "orders"');
    expect(lines[1]).toMatch(/^FAIL {2}.*\.yaml:7:3 {2}bob may not: allow by route "orders", expected deny$/);
    expect(lines[2]).toMatch(
      /:12:3 {2}GET \/orders\/eve as eve: deny \(permission\) by route "orders", expected deny \(role\): Missing permission: orders:read\.$/,
    );
    expect(lines[3]).toBe('3 cases, 2 not as expected');
  });

  it('is shown to programs as JSON', async () => {
    const { code, out } = await table(cases, '--json');
    expect(code).toBe(1);
    const result = JSON.parse(out);
    expect(result).toMatchObject({ ok: false, mistakes: [] });
    expect(result.cases.map(({ ok }: { ok: boolean }) => ok)).toEqual([true, false, false]);
    expect(result.cases[2]).toEqual({
      name: 'GET /orders/eve as eve',
      where: expect.stringMatching(/\.yaml:12:3$/),
      method: 'GET',
      path: '/orders/eve',
      expect: 'deny',
      outcome: 'deny',
      reason: 'permission',
      route: 'orders',
      detail: 'Missing permission: orders:read.',
      ok: false,
    });
  });
});

describe('a mistake in the table', () => {
  it.each([
    [
      '- { method: GET, path: /a, expect: allow }',
      '1:3  [0]  as is missing; expected anonymous, or a mapping',
    ],
    [
      '- { as: bob, method: GET, path: /a, expect: allow }',
      '1:9  [0].as  is neither a mapping nor anonymous; expected anonymous, or a mapping',
    ],
    ['- { as: anonymous, path: /a, expect: allow }', '1:3  [0]  method is missing; expected a text'],
    [
      '- { as: anonymous, method: GET, path: a, expect: allow }',
      '1:39  [0].path  is no path; expected a path that begins with /',
    ],
    [
      '- { as: anonymous, method: GET, path: /a, expect: alow }',
      '1:51  [0].expect  "alow" is not allowed here; expected one of allow, deny; did you mean allow?',
    ],
    ['- { as: anonymous, method: GET, path: /a, expect: deny, reason: roles }', '; did you mean role?'],
    [
      '- { as: anonymous, method: GET, path: /a, expect: allow, reason: role }',
      '[0].reason  says why, and the case is to be allowed; expected expect: deny',
    ],
    [
      '- { as: anonymous, method: GET, path: /a, expect: deny, hots: a }',
      '1:57  [0].hots  unknown member "hots"; expected one of name, as,',
    ],
    [
      '- { as: { usr: a }, method: GET, path: /a, expect: deny }',
      '1:11  [0].as.usr  unknown member "usr"; expected one of user, roles,',
    ],
    [
      '- { as: { provider: player }, method: GET, path: /a, expect: deny }',
      'expected one of players, partners; did you mean players?',
    ],
    [
      '- { as: { roles: [a, 5] }, method: GET, path: /a, expect: deny }',
      '[0].as.roles[1]  is not allowed here; expected a text',
    ],
    [
      '- { as: anonymous, method: GET, path: /a, client: home, expect: deny }',
      '[0].client  is no address; expected an IPv4 or IPv6 address',
    ],
    [
      "- { as: anonymous, method: GET, path: '/a?b', query: c, expect: deny }",
      '[0].query  stands behind the path already; expected one query',
    ],
    [
      '- { as: anonymous, method: GET, path: /a, headers: { "a b": c }, expect: deny }',
      '[0].headers  has "a b", which is no name of a header',
    ],
    ['- 5', '1:3  [0]  is no mapping; expected a mapping with name, as,'],
    ['[]', 'the table is empty; expected a list of cases'],
    ['', 'the table is empty; expected a list of cases'],
    ['cases: []', 'the file holds no list; expected a list of cases'],
    ['- [', 'not valid YAML'],
  ])('%s', async (text, mistake) => {
    const { code, out, err } = await table(text);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(mistake);
  });

  it('does not hide the others', async () => {
    const { err } = await table(
      '- { as: bob, method: GET, path: /a }\n- { as: anonymous, method: G T, path: /a, expect: deny }\n',
    );
    expect(err.trim().split('\n')).toHaveLength(3);
  });

  it('is in the JSON, too', async () => {
    const { code, out } = await table('- 5\n', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ ok: false, cases: [], mistakes: [{ line: 1, col: 3 }] });
  });

  it('may be that there is no such file', async () => {
    const { code, err } = await run('test', '/no/such/file', '-c', config);
    expect({ code, err }).toEqual({ code: 1, err: '/no/such/file  the file cannot be read: ENOENT\n' });
  });
});

it('is asked for with the word test', async () => {
  expect(await run('tset', 'x', '-c', config)).toEqual({
    code: 2,
    out: '',
    err: 'sluice authz: unknown command "tset"\nDid you mean "sluice authz test"?\n',
  });
  expect((await run('test', '-c', config)).err).toContain('sluice authz test: FILE is missing');
  expect((await run('test', '--help')).out).toMatch(/^usage: sluice authz test FILE -c CONFIG/);
});

it('says what is wrong with the configuration first', async () => {
  const wrong = configFile('authz-wrong.yaml', 'routes: 5\n');
  const { code, err } = await run('test', 'x', '-c', wrong);
  expect(code).toBe(1);
  expect(err).toContain('authz-wrong.yaml:1:9  routes');
});
