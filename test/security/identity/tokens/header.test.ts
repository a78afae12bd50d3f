/**
 * Tokens that bring their own key, or lead to one (RFC 8725 §3.10; CVE-2018-0114 for `jwk`, the `jku` and `x5u` of many): the key in
 * the header proves only that its bearer has a key. And names of keys that somebody puts into a path, a query or a shell:
 * `kid` (RFC 7515 §4.1.4) is compared with names we know, and goes nowhere. Extensions that must be understood (`crit`) are refused.
 */
import { describe, expect, it } from 'vitest';
import { createKey, encode, signature } from '../../../harness/issuer-keys.ts';
import { get } from '../../../harness/raw-client.ts';
import { startService } from '../../../harness/service.ts';
import { AUDIENCE, bearer, route, useScene } from '../scene.ts';
import { claimsOf, hmac, hs, providers, signed } from './forge.ts';

const scene = useScene(({ issuer }) => ({
  auth: { providers: providers(issuer) },
  routes: [route('/players', 'players'), route('/internal', 'internal')],
}));

/** Keys of nobody we know. */
const THEIRS = createKey('RS256');
const THEIR_JWK = { ...THEIRS.publicKey.export({ format: 'jwk' }), kid: 'theirs', alg: 'RS256', use: 'sig' };

describe('a key in the header', () => {
  it('is refused, by whomever the token is signed', async () => {
    const ours = scene.issuer.key('RS256');
    const certificate = 'MIIBszCCARygAwIBAgIBATANBgkqhkiG9w0BAQsFADASMRAwDgYDVQQDDAdldmlsLmlvMB4';
    const headers = [
      { jwk: THEIR_JWK },
      { jwk: THEIR_JWK, kid: 'theirs' },
      { jwk: { kty: 'oct', k: 'c2VjcmV0' } },
      { jwk: null },
      { x5c: [certificate] },
      { x5c: [] },
      { 'x5t#S256': 'abc', jwk: THEIR_JWK },
    ];
    const forged = headers.flatMap((header) => [
      signed({ ...THEIRS, kid: ours.kid }, claimsOf(scene), header),
      signed(ours, claimsOf(scene), header),
    ]);
    await scene.refusesAll(
      forged.map((token) => get('/players', bearer(token))),
      '401 INVALID_TOKEN',
      'header',
    );
  });

  it('is refused for a shared secret, too', async () => {
    const secret = 'attacker';
    const header = { alg: 'HS256', jwk: { kty: 'oct', k: Buffer.from(secret).toString('base64url') } };
    const input = `${encode(header)}.${encode(claimsOf(scene))}`;
    await scene.refuses(
      get('/internal', bearer(`${input}.${hmac(input, secret)}`)),
      '401 INVALID_TOKEN',
      'header',
    );
    await scene.refuses(get('/internal', bearer(`${input}.${hmac(input)}`)), '401 INVALID_TOKEN', 'header');
  });
});

describe('an address in the header', () => {
  it.each(['jku', 'x5u'])('%s is refused, and nobody goes there', async (name) => {
    const lair = await startService((_request, response) =>
      response.end(JSON.stringify({ keys: [THEIR_JWK] })),
    );
    const { url } = scene.issuer;
    const port = new URL(url).host;
    const places = [
      `${lair.url}/jwks`,
      `http://${port}@${new URL(lair.url).host}/jwks`,
      `${scene.issuer.jwksUrl}?next=${lair.url}`,
      scene.issuer.jwksUrl,
      'file:///etc/passwd',
      'data:application/json,{}',
      '',
      null,
    ];
    const forged = places.flatMap((place) => [
      signed({ ...THEIRS, kid: 'theirs' }, claimsOf(scene), { [name]: place }),
      signed(scene.issuer.key('RS256'), claimsOf(scene), { [name]: place }),
    ]);
    const fetches = scene.issuer.hitsOf('/jwks');
    await scene.refusesAll(
      forged.map((token) => get('/players', bearer(token))),
      '401 INVALID_TOKEN',
      'header',
    );
    expect(lair.connectionCount).toBe(0);
    expect(scene.issuer.hitsOf('/jwks')).toBe(fetches);
  });
});

describe('an extension', () => {
  it.each([
    ['that nobody knows', { crit: ['exp'], exp: 1 }],
    ['that is unknown', { crit: ['http://example.com/UNDEFINED'], 'http://example.com/UNDEFINED': true }],
    ['of a detached payload', { crit: ['b64'], b64: false }],
    ['of a detached payload, not critical', { b64: false }],
    ['that is none', { crit: [] }],
    ['as a text', { crit: 'exp' }],
    ['as null', { crit: null }],
    ['that compresses', { zip: 'DEF' }],
    ['that encrypts', { enc: 'A256GCM', alg: 'dir' }],
  ])('%s is refused', async (_what, header) => {
    const rs = signed(scene.issuer.key('RS256'), claimsOf(scene), header);
    const mac = hs(claimsOf(scene), { alg: 'HS256', ...header });
    await scene.refusesAll(
      [get('/players', bearer(rs)), get('/internal', bearer(mac))],
      '401 INVALID_TOKEN',
      'header',
    );
  });

  it('that is written twice, or in two ways, is refused', async () => {
    const { kid, ...key } = scene.issuer.key('RS256');
    const texts = [
      `{"alg":"none","alg":"RS256","kid":"${kid}"}`,
      `{"alg":"RS256","kid":"${kid}","alg":"none"}`,
      `{"alg":"RS256","kid":"${kid}","kid":"other"}`,
      `{"alg":"RS256","kid":"${kid}","\\u0061lg":"none"}`,
      `{"alg":"RS256","kid":"${kid}"}{"alg":"none"}`,
      `["RS256"]`,
      `"RS256"`,
      ` `,
    ];
    const forged = texts.map((text) => {
      const input = `${Buffer.from(text).toString('base64url')}.${encode(claimsOf(scene))}`;
      return get('/players', bearer(`${input}.${signature(input, { ...key, kid })}`));
    });
    await scene.refusesAll(forged, '401 INVALID_TOKEN', 'malformed');
  });
});

describe('kid', () => {
  const INJECTIONS = [
    '../../../../../../dev/null',
    '/dev/null',
    'file:///dev/null',
    '..\\..\\windows\\win.ini',
    '../../etc/passwd\u0000.pem',
    '%2e%2e%2f%2e%2e%2fdev%2fnull',
    "x' UNION SELECT 'attacker'--",
    '" OR "1"="1',
    '; sleep 5 #',
    '| cat /etc/passwd',
    '$(id)',
    '`id`',
    '${jndi:ldap://127.0.0.1:1/a}',
    '{{7*7}}',
    'http://127.0.0.1:1/jwks.json',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '0',
    '-1',
    '*',
    '',
    ' ',
    '\r\nX-User-Id: admin',
    'k'.repeat(4000),
    '\u0000',
    '\ud83d\ude00'.repeat(100),
  ];

  it('that is a path, a query, a command or merely long is a name that nobody knows', async () => {
    const fetches = scene.issuer.hitsOf('/jwks');
    const forged = INJECTIONS.flatMap((kid) => [
      signed({ ...scene.issuer.key('RS256'), kid }, claimsOf(scene)),
      signed({ ...THEIRS, kid }, claimsOf(scene)),
    ]);
    await scene.refusesAll(
      forged.map((token) => get('/players', bearer(token))),
      '401 INVALID_TOKEN',
      'unknown-key',
    );
    // The empty secret is what `/dev/null` holds.
    const macs = INJECTIONS.flatMap((kid) =>
      ['', 'attacker', '\n'].map((secret) => {
        const input = `${encode({ alg: 'HS256', kid })}.${encode(claimsOf(scene))}`;
        return get('/internal', bearer(`${input}.${hmac(input, secret)}`));
      }),
    );
    await scene.refusesAll(macs, '401 INVALID_TOKEN', 'signature');
    expect(scene.issuer.hitsOf('/jwks') - fetches).toBeLessThanOrEqual(1);
    expect(scene.gateway.garbage).toEqual([]);
  });

  it.each([[null], [0], [true], [[]], [['a']], [{}], [{ toString: 'a' }]])(
    'that is %j is refused',
    async (kid) => {
      const token = signed(scene.issuer.key('RS256'), claimsOf(scene), { kid });
      await scene.refuses(get('/players', bearer(token)), '401 INVALID_TOKEN', 'header');
    },
  );

  it('of one key on a token by another is refused', async () => {
    const [rs, es, ed] = ['RS256', 'ES256', 'EdDSA'].map((alg) => scene.issuer.key(alg));
    const tokens = [
      signed({ ...rs, kid: es.kid }, claimsOf(scene)),
      signed({ ...es, kid: ed.kid }, claimsOf(scene)),
      signed({ ...ed, kid: rs.kid }, claimsOf(scene)),
    ];
    await scene.refusesAll(
      tokens.map((token) => get('/players', bearer(token))),
      '401 INVALID_TOKEN',
      'algorithm',
    );
  });

  it('that is right passes', async () => {
    await scene.passes(get('/players', bearer(scene.issuer.mint({ aud: AUDIENCE }))));
    await scene.passes(get('/players', bearer(scene.issuer.mint({ aud: AUDIENCE }, { kid: null }))));
  });
});
