/**
 * Fields injected through what a token says (CWE-113, CWE-93): users often choose their own names, and a name with a line break
 * would end the field and begin another one, such as a role. Ours: what no field can hold is percent-encoded, and a comma in
 * a member of a list is not its end. The issuer is honest here; the user is not.
 */
import { describe, expect, it } from 'vitest';
import { get } from '../../harness/raw-client.ts';
import { bearer, route, told, useScene } from './scene.ts';
import { claimsOf, hs, providers } from './tokens/forge.ts';

const scene = useScene(({ issuer }) => ({
  auth: {
    providers: {
      internal: { ...providers(issuer).internal, claims: { consumer: 'client', roles: 'roles' } },
    },
  },
  routes: [
    route('/internal', {
      anyOf: ['internal'],
      claims: { 'X-Name': 'name', 'X-Groups': 'groups', 'X-Deep': 'deep', 'X-Numbers': 'numbers' },
    }),
    route('/chief', { anyOf: ['internal'], roles: ['chief'] }),
  ],
}));

const OURS = [
  'x-user-id',
  'x-user-roles',
  'x-consumer-id',
  'x-auth-method',
  'x-name',
  'x-groups',
  'x-deep',
  'x-numbers',
];

/** Names of the fields that the service saw, without those of every request. */
async function fieldsFor(claims: Record<string, unknown>) {
  const seen = await scene.passes(get('/internal', bearer(hs(claimsOf(scene, claims)))));
  const names = seen.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
  expect(
    names.filter((name) => names.indexOf(name) !== names.lastIndexOf(name)),
    'names twice',
  ).toEqual([]);
  const known = ['host', 'connection', 'x-request-id', 'forwarded', 'via', 'authorization', ...OURS];
  expect(names.filter((name) => !known.includes(name) && !name.startsWith('x-forwarded-'))).toEqual([]);
  for (let i = 1; i < seen.rawHeaders.length; i += 2)
    expect(seen.rawHeaders[i]).not.toMatch(/[\x00-\x1f\x7f]/);
  return Object.fromEntries(OURS.map((name) => [name, told(seen, name)[0]]));
}

const POISON = [
  'alice\r\nX-User-Roles: chief',
  'alice\nX-User-Roles: chief',
  'alice\rX-User-Roles: chief',
  '\r\n\r\nGET /chief HTTP/1.1\r\nHost: a\r\n\r\n',
  'alice\u0000chief',
  'alice\u000b\u000c\u001b[2J',
  'alice\u007f',
  'alice\u0085X-User-Roles: chief',
  'alice\u2028X-User-Roles: chief\u2029',
  // In Latin-1 their low bytes would be CR and LF (CVE-2016-5325).
  'alice\u010d\u010aX-User-Roles:\u0120chief',
  '\u560d\u560aX-User-Roles: chief',
  'alice\t',
  '\talice',
  '%0d%0aX-User-Roles: chief',
  '=?utf-8?q?alice?=',
  '\ud800',
  'a'.repeat(300),
];

describe('a claim', () => {
  it.each(POISON)('%j makes one field, of one line', async (value) => {
    const fields = await fieldsFor({
      sub: value,
      client: value,
      name: value,
      roles: [value],
      groups: [value, value],
      deep: { [value]: value },
    });
    expect(fields['x-user-roles'] ?? '').not.toBe('chief');
    expect(fields['x-user-id']).toBeDefined();
    await scene.refuses(
      get('/chief', bearer(hs(claimsOf(scene, { sub: value, roles: [value] })))),
      '403 INSUFFICIENT_SCOPE',
    );
  });

  it('with a comma does not become two members', async () => {
    const fields = await fieldsFor({
      roles: ['viewer,chief', ',chief', 'chief,'],
      groups: ['a,b', ['c', 'd']],
    });
    expect(fields['x-user-roles'].split(',')).not.toContain('chief');
    expect(fields['x-groups'].split(',')).toHaveLength(2);
    const token = hs(
      claimsOf(scene, { roles: ['viewer,chief', 'chief ', ' chief', 'Chief', 'chief\u0000', '*'] }),
    );
    await scene.refuses(get('/chief', bearer(token)), '403 INSUFFICIENT_SCOPE', 'role');
  });

  it('of another type than text names nobody, and makes no mess', async () => {
    for (const value of [null, true, 1.5, [], {}, [[]], [{}], { toString: 'x' }, 1e21, -0]) {
      const fields = await fieldsFor({
        client: value,
        name: value,
        roles: value,
        groups: value,
        numbers: value,
      });
      expect(fields['x-user-id']).toBe('alice');
      expect(fields['x-user-roles']).toBeUndefined();
      expect(JSON.stringify(fields)).not.toContain('object Object');
    }
  });

  it('is of two users never the same field', async () => {
    const pairs = [
      ['bob\n', 'bob%0A'],
      ['bob ', 'bob%20'],
      [' bob', '%20bob'],
      ['bob\u0000', 'bob%00'],
      ['bob\ud800', 'bob\udfff'],
      ['bob\ud800', 'bob\ufffd'],
      ['bob\ud800', 'bob%uD800'],
    ];
    for (const [one, other] of pairs) {
      const [first, second] = [await fieldsFor({ sub: one }), await fieldsFor({ sub: other })];
      expect(first['x-user-id'], JSON.stringify([one, other])).not.toBe(second['x-user-id']);
    }
  });

  it('is of two lists never the same field', async () => {
    const [one, other] = [await fieldsFor({ roles: ['a,b'] }), await fieldsFor({ roles: ['a%2Cb'] })];
    expect(one['x-user-roles']).not.toBe(other['x-user-roles']);
  });
});

describe('a claim mapped to a field that frames the message or belongs to the connection', () => {
  it.each([
    'Content-Length',
    'Transfer-Encoding',
    'Host',
    'Connection',
    'Upgrade',
    'Expect',
    'TE',
    'X-Forwarded-For',
    'Forwarded',
    'Via',
    'X-Request-Id',
  ])('%s: the configuration is refused', async (name) => {
    const routes = [route('/internal', { anyOf: ['internal'], claims: { [name]: 'name' } })];
    scene.gateway.write({
      services: { service: { endpoints: [scene.service.url] } },
      auth: { providers: providers(scene.issuer) },
      routes,
    });
    expect((await scene.gateway.reload()).status).not.toBe(200);
  });
});
