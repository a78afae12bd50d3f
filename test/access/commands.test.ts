/** What `sluice check` says of mistakes in `auth`, with line and column, and `sluice authz test` of a table of cases. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SECRET, sluice } from './premises.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-access-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** `line:col` of the first place where `part` stands. */
function placeIn(text: string, part: string): string {
  const before = text.slice(0, text.indexOf(part)).split('\n');
  return `${before.length}:${before[before.length - 1].length + 1}`;
}

const OURS = `{ type: jwt, algorithms: [HS256], secret: "${SECRET}" }`;

describe('sluice check', () => {
  it('is content with a configuration that uses all of it', async () => {
    const file = write(
      'good.yaml',
      `auth:
  providers:
    ours: ${OURS}
    players: { type: jwt, algorithms: [RS256], issuer: https://id.example.com, audience: api }
    partners: { type: apiKey }
    tokens: { type: introspection, url: https://id.example.com/introspect, clientId: sluice, clientSecret: x }
    web: { type: session, login: { issuer: https://id.example.com, clientId: sluice } }
  roles: { trader: ['orders:*', '!orders:delete'] }
  decisions: { policy: { url: http://127.0.0.1:8181/v1/data/allow } }
services: { orders: { endpoints: ["http://127.0.0.1:1"] } }
defaults: { auth: [ours, players] }
routes:
  - { name: callback, match: { path: /auth/callback }, builtin: callback, auth: off }
  - name: orders
    match: { path: /orders/:id }
    service: orders
    auth: { anyOf: [web, tokens], permissions: ['orders:read'], when: param.id == claim.sub, decision: policy, methods: { DELETE: { roles: [trader] } } }
`,
    );
    const { code, err } = await sluice('check', '-c', file);
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  /** The place is where the third text begins. */
  it.each<[string, string, string, string]>([
    [
      'a provider that is not there',
      `auth: { providers: { ours: ${OURS} } }\nroutes:\n  - { name: a, match: { path: /a }, respond: {}, auth: oars }\n`,
      'oars',
      'did you mean',
    ],
    [
      'a secret that is too short',
      'auth:\n  providers:\n    ours: { type: jwt, algorithms: [HS256], secret: short }\n',
      'short }',
      '5 bytes',
    ],
    [
      'no audience',
      'auth:\n  providers:\n    p: { type: jwt, algorithms: [RS256], issuer: https://id.example.com }\n',
      '{ type',
      'audience is missing',
    ],
    ['none', 'auth:\n  providers:\n    p: { type: jwt, algorithms: [none] }\n', 'none]', 'HS256'],
    [
      'secrets beside public keys',
      `auth:\n  providers:\n    p: { type: jwt, algorithms: [HS256, RS256], secret: "${SECRET}" }\n`,
      '[HS256, RS256]',
      'algorithm confusion',
    ],
    [
      'an option with a typo',
      'auth:\n  providers:\n    p: { type: apiKey, heder: x-key }\n',
      'heder',
      'header',
    ],
    [
      'a condition',
      `auth: { providers: { ours: ${OURS} } }\nroutes:\n  - name: a\n    match: { path: /a/:id }\n    respond: {}\n    auth: { anyOf: [ours], when: 'param.id == clam.sub' }\n`,
      "'param.id",
      'clam',
    ],
    [
      'a parameter that the path does not have',
      `auth: { providers: { ours: ${OURS} } }\nroutes:\n  - name: a\n    match: { path: /a/:id }\n    respond: {}\n    auth: { anyOf: [ours], when: 'param.user == claim.sub' }\n`,
      "'param.user",
      'user',
    ],
    ['a permission', "auth:\n  roles:\n    trader: ['orders::read']\n", "'orders::read", 'orders::read'],
    [
      'a login without a way back',
      'auth:\n  providers:\n    web: { type: session, login: { issuer: https://id.example.com, clientId: x } }\n',
      '{ issuer',
      'no route takes browsers back',
    ],
    [
      'a decision point that is not there',
      `auth: { providers: { ours: ${OURS} } }\nroutes:\n  - { name: a, match: { path: /a }, respond: {}, auth: { anyOf: [ours], decision: policy } }\n`,
      'policy',
      'no decision point',
    ],
    [
      'both anyOf and allOf',
      `auth: { providers: { ours: ${OURS} } }\nroutes:\n  - { name: a, match: { path: /a }, respond: {}, auth: { anyOf: [ours], allOf: [ours] } }\n`,
      '[ours] } }',
      'exclude each other',
    ],
    [
      'a builtin without a provider',
      'routes:\n  - { name: a, match: { path: /a }, builtin: logout }\n',
      'logout',
      'session provider',
    ],
    ['a redis that is none', 'redis: http://localhost\n', 'http', 'redis://'],
  ])('names the place of %s', async (name, text, at, words) => {
    const file = write(`${name.replaceAll(' ', '-')}.yaml`, text);
    const { code, err, out } = await sluice('check', '-c', file);
    expect(code).toBe(1);
    expect(err + out).toContain(`${file}:${placeIn(text, at)}`);
    expect(err + out).toContain(words);
    expect(err + out).not.toContain(SECRET);
  });
});

describe('sluice authz test', () => {
  const CONFIG = `auth:
  providers:
    ours: ${OURS}
    partners: { type: apiKey }
  roles: { trader: ['orders:*', '!orders:delete'], viewer: ['orders:read'] }
services: { orders: { endpoints: ["http://127.0.0.1:1"] } }
routes:
  - name: orders
    match: { path: /orders/:owner }
    service: orders
    auth: { anyOf: [ours], when: param.owner == user, methods: { DELETE: { permissions: ['orders:delete'] } } }
`;

  it('says of each case whether it ends as expected', async () => {
    const config = write('authz.yaml', CONFIG);
    const table = write(
      'cases.yaml',
      `- { as: { user: alice }, method: GET, path: /orders/alice, expect: allow }
- { as: { user: alice }, method: GET, path: /orders/bob, expect: deny, reason: condition }
- { as: { user: alice, roles: [trader] }, method: DELETE, path: /orders/alice, expect: deny, reason: permission }
- { as: anonymous, method: GET, path: /orders/alice, expect: deny, reason: missing }
- { as: anonymous, method: GET, path: /nowhere, expect: deny, reason: route }
- { as: anonymous, method: GET, path: "/orders/..%2falice", expect: deny, reason: path }
`,
    );
    const { code, out } = await sluice('authz', 'test', table, '-c', config);
    expect(out.split('\n').filter((line) => line.startsWith('ok'))).toHaveLength(6);
    expect({ code, summary: out.trim().split('\n').at(-1) }).toEqual({
      code: 0,
      summary: '6 cases, all as expected',
    });
  });

  it('fails with the place of a case that ends otherwise', async () => {
    const config = write('authz.yaml', CONFIG);
    const table = write(
      'failing.yaml',
      '- { as: { user: alice }, method: GET, path: /orders/alice, expect: allow }\n- { as: { user: eve }, method: GET, path: /orders/alice, expect: allow }\n',
    );
    const { code, out } = await sluice('authz', 'test', table, '-c', config);
    expect(code).toBe(1);
    expect(out).toContain(`FAIL  ${table}:2:3`);
    const asJson = await sluice('authz', 'test', table, '-c', config, '--json');
    expect(asJson.code).toBe(1);
    const { ok, cases } = JSON.parse(asJson.out);
    expect(ok).toBe(false);
    expect(cases.map((one: { ok: boolean }) => one.ok)).toEqual([true, false]);
  });

  it('names the place of a mistake in the table', async () => {
    const config = write('authz.yaml', CONFIG);
    const table = write(
      'mistaken.yaml',
      '- { as: { user: alice }, methd: GET, path: /orders/alice, expect: allow }\n',
    );
    const { code, err } = await sluice('authz', 'test', table, '-c', config);
    expect(code).toBe(1);
    expect(err).toContain(`${table}:1:`);
    expect(err).toContain('method');
  });
});
