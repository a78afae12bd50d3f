/**
 * Tokens without a signature (CVE-2015-2951, CVE-2018-1000531, CVE-2020-28042): `alg: none` of RFC 7518 §3.6 in spellings that
 * a comparison misses, signatures that are empty or zero (CVE-2022-21449), and headers whose `alg` is no text. Ours: `none` is no
 * algorithm that could be configured, and names are compared as they are.
 */
import { describe, expect, it } from 'vitest';
import { encode, signature } from '../../../harness/issuer-keys.ts';
import { get } from '../../../harness/raw-client.ts';
import { AUDIENCE, bearer, route, useScene } from '../scene.ts';
import { claimsOf, hmac, hs, providers, signed } from './forge.ts';

const scene = useScene(({ issuer }) => ({
  auth: { providers: providers(issuer) },
  routes: [
    route('/players', 'players'),
    route('/internal', 'internal'),
    route('/either', ['internal', 'players']),
    route('/either/optional', ['players', 'anonymous']),
  ],
}));

const NONE = [
  'none',
  'None',
  'NONE',
  'nOnE',
  'noNe',
  ' none',
  'none ',
  'none\t',
  'n\u0000one',
  'none,RS256',
  '"none"',
];
const ALIKE = [
  '',
  'null',
  'false',
  'undefined',
  'ｎone',
  'nοne',
  'HS0',
  'RS0',
  'HS1',
  'plain',
  '__proto__',
  'constructor',
];

describe('alg', () => {
  it.each([...NONE, ...ALIKE])(
    '%j is refused, whatever stands in the place of the signature',
    async (alg) => {
      const { kid } = scene.issuer.key('RS256');
      const forged = [{ alg }, { alg, typ: 'JWT' }, { alg, kid }].flatMap((header) => {
        const input = `${encode(header)}.${encode(claimsOf(scene))}`;
        const real = signature(input, scene.issuer.key('RS256'));
        return ['', 'AAAA', encode('none'), hmac(input, ''), hmac(input), real].flatMap((end) =>
          ['/players', '/internal', '/either'].map((path) => get(path, bearer(`${input}.${end}`))),
        );
      });
      await scene.refusesAll(forged, '401 INVALID_TOKEN', 'algorithm');
    },
  );

  it.each([[null], [0], [true], [['RS256']], [{ alg: 'RS256' }], [undefined]])(
    'that is %j is refused, even with the right signature',
    async (alg) => {
      const { kid } = scene.issuer.key('RS256');
      const input = `${encode({ alg, kid })}.${encode(claimsOf(scene))}`;
      const ends = ['', 'AAAA', signature(input, scene.issuer.key('RS256'))];
      const forged = ends.map((end) => get('/players', bearer(`${input}.${end}`)));
      await scene.refusesAll(
        [...forged, get('/internal', bearer(`${input}.${hmac(input)}`))],
        '401 INVALID_TOKEN',
        'header',
      );
    },
  );
});

describe('a signature', () => {
  it.each(['RS256', 'ES256', 'EdDSA'])('of %s that is empty or cut to nothing is refused', async (alg) => {
    const [header, payload] = signed(scene.issuer.key(alg), claimsOf(scene)).split('.');
    const forged = ['.', '.AA', '.AAAA', `.${'A'.repeat(86)}`, `.${'A'.repeat(342)}`, ''].map((end) =>
      get('/players', bearer(`${header}.${payload}${end}`)),
    );
    await scene.refusesAll(forged, '401 INVALID_TOKEN', /signature|malformed/);
  });

  it('by a shared secret that is empty or cut off is refused', async () => {
    const [header, payload, mac] = hs(claimsOf(scene)).split('.');
    const ends = ['', '.', '.AA', `.${mac.slice(0, 4)}`, `.${mac.slice(0, -3)}`, `.${'A'.repeat(43)}`];
    const forged = ends.map((end) => get('/internal', bearer(`${header}.${payload}${end}`)));
    await scene.refusesAll(forged, '401 INVALID_TOKEN', /signature|malformed/);
  });

  it('of ECDSA whose numbers are zero, or as large as they get, is refused', async () => {
    const { kid } = scene.issuer.key('ES256');
    const input = `${encode({ alg: 'ES256', kid })}.${encode(claimsOf(scene))}`;
    const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
    const numbers = [
      Buffer.alloc(64),
      Buffer.alloc(64, 0xff),
      Buffer.concat([order, order]),
      Buffer.concat([Buffer.alloc(31), Buffer.from([1]), Buffer.alloc(32)]),
      Buffer.from('3006020100020100', 'hex'),
      Buffer.from('3006020101020101', 'hex'),
    ];
    const forged = numbers.map((bytes) => get('/players', bearer(`${input}.${bytes.toString('base64url')}`)));
    await scene.refusesAll(forged, '401 INVALID_TOKEN', 'signature');
  });

  it('of ECDSA in DER instead of two numbers is refused', async () => {
    const { sign } = await import('node:crypto');
    const { kid, privateKey } = scene.issuer.key('ES256');
    const input = `${encode({ alg: 'ES256', kid })}.${encode(claimsOf(scene))}`;
    const der = sign('sha256', Buffer.from(input), privateKey).toString('base64url');
    await scene.refuses(get('/players', bearer(`${input}.${der}`)), '401 INVALID_TOKEN', 'signature');
  });
});

describe('where a token is optional', () => {
  it('one without a signature makes nobody of its bearer, not the one it names', async () => {
    const input = `${encode({ alg: 'none' })}.${encode(claimsOf(scene))}`;
    const seen = await scene.passes(get('/either/optional', bearer(`${input}.`)));
    expect(seen.headers['x-user-id']).toBeUndefined();
    expect(seen.headers['x-auth-method']).toBe('anonymous');
    const good = await scene.passes(get('/either/optional', bearer(scene.issuer.mint({ aud: AUDIENCE }))));
    expect(good.headers['x-user-id']).toBe('alice');
  });
});
