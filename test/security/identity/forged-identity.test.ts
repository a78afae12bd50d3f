/**
 * Who the caller is, said by the caller (CWE-290; CVE-2024-10977 and the `X-Forwarded-User` of many): services believe `X-User-Id` and
 * the like because only the gateway sets them. So what clients send under these names is dropped on every route, in any
 * case, with underscores (CGI, WSGI and PHP cannot tell them from hyphens), twice, or named by `Connection`, which would remove
 * the gateway's own (CVE-2022-31813).
 */
import { describe, expect, it } from 'vitest';
import { get, head } from '../../harness/raw-client.ts';
import { AUDIENCE, bearer, route, told, useScene } from './scene.ts';
import { claimsOf, hs, providers, SECRET } from './tokens/forge.ts';

const FORGED = 'X-User-Id X-User-Roles X-Consumer-Id X-Auth-Method X-User-Email X-Tenant'.split(' ');
const LISTEN = { host: '127.0.0.1', port: 0 };
let key = '';

const scene = useScene(
  ({ issuer }) => ({
    listen: { ...LISTEN, underscoreHeaders: 'allow' },
    auth: { providers: { ...providers(issuer), partners: { type: 'apiKey' } } },
    routes: [
      route('/open', 'off'),
      { name: 'plain', match: { path: '/plain/*' }, service: 'service' },
      route('/players', { anyOf: ['players'], claims: { 'X-User-Email': 'email', 'x-tenant': 'org.id' } }),
      route('/internal', 'internal'),
      route('/optional', ['players', 'anonymous']),
      route('/nobody', 'anonymous'),
      route('/partners', 'partners'),
    ],
  }),
  {
    prepare: async () => {
      const headers = { 'content-type': 'application/json' };
      const made = await scene.gateway.ask('/keys', { method: 'POST', headers, body: '{"consumer":"acme"}' });
      key = made.body.key;
    },
  },
);

/** Spellings of a name that some service takes for it. */
function spellings(name: string): string[] {
  const under = name.replaceAll('-', '_');
  return [
    name,
    name.toLowerCase(),
    name.toUpperCase(),
    [...name].map((c, i) => (i % 2 === 0 ? c.toLowerCase() : c.toUpperCase())).join(''),
    under,
    under.toLowerCase(),
    under.toUpperCase(),
    name.replace('-', '_'),
    name.replace(/-(?=[^-]*$)/, '_'),
  ];
}

const hyphened = (name: string) => !name.includes('_');
const fieldsOf = (names: readonly string[], value: string) => names.map((name) => `${name}: ${value}`);
const ALL = FORGED.flatMap(spellings);
const OPEN = ['/open', '/plain/x', '/optional', '/nobody'];
const good = () => scene.issuer.mint({ aud: AUDIENCE });

/** Every name, and what the service was told under it. */
function saidOf(seen: Parameters<typeof told>[0]): Record<string, string[]> {
  return Object.fromEntries(FORGED.map((name) => [name, told(seen, name.toLowerCase())]));
}

const NOTHING = Object.fromEntries(FORGED.map((name) => [name, []]));
const ANONYMOUS = { ...NOTHING, 'X-Auth-Method': ['anonymous'] };
const ALICE = { ...NOTHING, 'X-User-Id': ['alice'], 'X-Auth-Method': ['jwt'] };

describe.each(['allow', 'drop', 'reject'])('underscoreHeaders: %s', (underscoreHeaders) => {
  // Fields with underscores are refused as such under `reject`, whatever they are called.
  const names = underscoreHeaders === 'reject' ? ALL.filter(hyphened) : ALL;

  it('takes over', () => scene.reconfigure({ listen: { ...LISTEN, underscoreHeaders } }));

  it.each(OPEN)('nobody is anybody on %s, in any spelling', async (path) => {
    const expected = path === '/optional' || path === '/nobody' ? ANONYMOUS : NOTHING;
    for (const name of names)
      expect(saidOf(await scene.passes(get(path, `${name}: admin`))), name).toEqual(expected);
    for (const some of [names.slice(0, 40), names.slice(-40)]) {
      expect(saidOf(await scene.passes(get(path, ...fieldsOf(some, 'admin'))))).toEqual(expected);
    }
  });

  it('with a token the caller is who the token says, and nothing that it does not say', async () => {
    for (const name of names) {
      const seen = await scene.passes(get('/players', `${name}: admin`, bearer(good()), `${name}: root`));
      expect(saidOf(seen), name).toEqual(ALICE);
    }
    const token = hs(claimsOf(scene, { roles: ['viewer'] }));
    const seen = await scene.passes(
      get('/internal', ...fieldsOf(names.slice(0, 40), 'admin'), bearer(token)),
    );
    expect(saidOf(seen)).toEqual({ ...ALICE, 'X-User-Roles': ['viewer'] });
  });

  it('with an API key there is a consumer and no user', async () => {
    for (const name of names) {
      const seen = await scene.passes(get('/partners', `X-Api-Key: ${key}`, `${name}: admin`));
      expect(saidOf(seen), name).toEqual({
        ...NOTHING,
        'X-Consumer-Id': ['acme'],
        'X-Auth-Method': ['apiKey'],
      });
    }
  });

  it('Connection takes away nothing that the gateway says', async () => {
    const lists = [
      'X-User-Id',
      'x-user-id, x-auth-method, x-user-roles',
      'close, X-User-Id',
      'x-user-id,keep-alive',
      'X_User_Id',
    ];
    for (const list of lists) {
      const seen = await scene.passes(
        get('/players', `Connection: ${list}`, 'X-User-Id: admin', bearer(good())),
      );
      expect(saidOf(seen), list).toEqual(ALICE);
    }
    await scene.refuses(
      get('/players', 'Connection: authorization', bearer(good())),
      '401 UNAUTHENTICATED',
      'missing',
    );
  });
});

describe('underscoreHeaders: reject', () => {
  it.each(ALL.filter((name) => !hyphened(name)))('%s is refused on every route', async (name) => {
    await scene.refusesAll(
      ['/open', '/plain/x', '/players'].map((path) => get(path, `${name}: admin`, bearer(good()))),
      '400 BAD_HEADER',
    );
  });
});

describe('a name that is none', () => {
  it.each([
    'X-User-Id ',
    'X-User-Id\t',
    ' X-User-Id',
    'X-User\u00adId',
    'X-User-Id\u0000',
    'X-User-Id\x0b',
    '\x0bX-User-Id',
    'X-User Id',
  ])('%j is refused', async (name) => {
    const before = scene.seen.length;
    const answer = await scene.ask(get('/open', `${name}: admin`));
    expect(answer.status).toBe(400);
    expect(scene.seen).toHaveLength(before);
  });

  it('a folded line, and one behind a bare CR or LF, is refused', async () => {
    for (const field of [
      'X-A: 1\r\n X-User-Id: admin',
      'X-A: 1\nX-User-Id: admin',
      'X-A: 1\r\n\tX-User-Id: admin',
    ]) {
      const answer = await scene.ask(get('/open', field));
      expect(answer.status).toBe(400);
    }
    expect(scene.seen).toEqual([]);
  });
});

describe('the end of a chunked body', () => {
  it('brings no fields (RFC 9110 §6.5.1)', async () => {
    for (const path of ['/open', '/players']) {
      const body = '1\r\na\r\n0\r\nX-User-Id: admin\r\nX-User-Roles: admin\r\n\r\n';
      const fields = ['Transfer-Encoding: chunked', 'Trailer: X-User-Id', bearer(good())];
      const answer = await scene.ask(head('POST', path, ...fields) + body);
      if (answer.status !== 200) continue;
      expect(JSON.stringify(scene.seen.at(-1)?.rawHeaders)).not.toContain('admin');
    }
  });
});

describe('with a token of the gateway in the place of headers', () => {
  it('neither it nor the plain headers can be forged, on any route', async () => {
    const context = { jwt: { algorithm: 'HS256', key: SECRET, header: 'X-Who-Is-It' } };
    const auth = { providers: providers(scene.issuer), context };
    const routes = [route('/open', 'off'), route('/internal', 'internal')];
    await scene.reconfigure({ listen: { ...LISTEN, underscoreHeaders: 'allow' }, auth, routes });
    const forged = hs({ sub: 'admin', aud: 'service', iss: 'sluice' });
    const names = [...ALL, ...spellings('X-Who-Is-It')].filter((name) => !/email|tenant/i.test(name));
    for (const name of names) {
      const open = await scene.passes(get('/open', `${name}: ${forged}`));
      expect(JSON.stringify(open.rawHeaders), name).not.toContain(forged);
      const seen = await scene.passes(get('/internal', `${name}: ${forged}`, bearer(hs(claimsOf(scene)))));
      const said = told(seen, 'x-who-is-it');
      expect(said, name).toHaveLength(1);
      expect(JSON.parse(Buffer.from(said[0].split('.')[1], 'base64url').toString()).sub).toBe('alice');
      expect(told(seen, 'x-user-id')).toEqual([]);
    }
  });
});
