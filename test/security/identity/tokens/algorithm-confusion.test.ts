/**
 * Algorithm confusion (CVE-2015-9235, CVE-2016-10555; RFC 8725 §2.1). A library that lets the header of a token choose takes
 * the public key, which everybody knows, for a shared secret: whoever signs by HMAC with its text is let in. Ours: a key
 * is bound to one algorithm when it is loaded, and secrets and public keys never share a provider.
 */
import { sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { launchGateway } from '../../../harness/gateway.ts';
import { createKey, encode, signature } from '../../../harness/issuer-keys.ts';
import { get } from '../../../harness/raw-client.ts';
import { AUDIENCE, bearer, route, useScene } from '../scene.ts';
import { claimsOf, hmac, hs, providers, SECRET, signed } from './forge.ts';

const scene = useScene(({ issuer }) => ({
  auth: { providers: providers(issuer) },
  routes: [
    route('/players', 'players'),
    route('/internal', 'internal'),
    route('/either', ['internal', 'players']),
    route('/other-way-round', ['players', 'internal']),
  ],
}));

const EVERYWHERE = ['/players', '/either', '/other-way-round'];

/** All texts in which an attacker finds the public key. */
function spellings(alg: string): (string | Buffer)[] {
  const { publicKey, kid } = scene.issuer.key(alg);
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const jwk = publicKey.export({ format: 'jwk' });
  const members = [jwk.n, jwk.x, jwk.y].filter((value) => value !== undefined);
  return [
    pem,
    pem.trimEnd(),
    pem.replaceAll('\n', '\r\n'),
    pem.replaceAll('\n', ''),
    pem.replaceAll('\n', '\\n'),
    pem.replace(/-----[^-]+-----|\s/g, ''),
    publicKey.export({ type: 'spki', format: 'der' }),
    JSON.stringify(jwk),
    JSON.stringify({ ...jwk, kid, alg, use: 'sig' }),
    JSON.stringify(Object.fromEntries(Object.entries(jwk).sort())),
    ...members,
    ...members.map((value) => Buffer.from(value, 'base64url')),
    ...(alg === 'RS256' ? [publicKey.export({ type: 'pkcs1', format: 'pem' }).toString()] : []),
    kid,
    '',
  ];
}

describe('HMAC with the public key as the secret', () => {
  it.each(['RS256', 'ES256', 'EdDSA'])('is refused in every spelling of the %s key', async (alg) => {
    const { kid } = scene.issuer.key(alg);
    const forged = spellings(alg).flatMap((secret) =>
      ['256', '384', '512'].map((hash) => {
        const input = `${encode({ alg: `HS${hash}`, kid, typ: 'JWT' })}.${encode(claimsOf(scene))}`;
        return get('/players', bearer(`${input}.${hmac(input, secret, `sha${hash}`)}`));
      }),
    );
    await scene.refusesAll(forged, '401 INVALID_TOKEN', 'algorithm');
  });

  it.each(['/either', '/other-way-round'])(
    'is refused where a provider with a secret stands beside it: %s',
    async (path) => {
      const { kid } = scene.issuer.key('RS256');
      const input = `${encode({ alg: 'HS256', kid })}.${encode(claimsOf(scene))}`;
      const forged = spellings('RS256').map((secret) => get(path, bearer(`${input}.${hmac(input, secret)}`)));
      await scene.refusesAll(forged, '401 INVALID_TOKEN', /signature|algorithm/);
    },
  );

  it('is refused under the name of the public algorithm', async () => {
    const { kid } = scene.issuer.key('RS256');
    const input = `${encode({ alg: 'RS256', kid })}.${encode(claimsOf(scene))}`;
    const forged = spellings('RS256').map((secret) =>
      get('/players', bearer(`${input}.${hmac(input, secret)}`)),
    );
    await scene.refusesAll(forged, '401 INVALID_TOKEN', 'signature');
  });
});

describe('another algorithm than the one that the key is bound to', () => {
  it.each(['RS384', 'RS512', 'PS256', 'PS384', 'PS512'])('%s by the key of RS256 is refused', async (alg) => {
    const key = { ...scene.issuer.key('RS256'), alg };
    const token = signed(key, claimsOf(scene));
    await scene.refuses(get('/players', bearer(token)), '401 INVALID_TOKEN', 'algorithm');
  });

  it.each([
    'rs256',
    'Rs256',
    'RS256 ',
    'RS-256',
    'ES256K',
    'ES384',
    'EdDSA',
    'Ed25519',
    'A256GCM',
    'dir',
    'RSA-OAEP',
  ])('%j by the key of RS256 is refused', async (alg) => {
    const token = signed(scene.issuer.key('RS256'), claimsOf(scene), { alg });
    await scene.refuses(get('/players', bearer(token)), '401 INVALID_TOKEN', 'algorithm');
  });

  it('is refused, too, when the header is right and the signature of the other kind', async () => {
    const { kid, privateKey } = scene.issuer.key('RS256');
    const input = `${encode({ alg: 'RS256', kid })}.${encode(claimsOf(scene))}`;
    const ends = [
      signature(input, { ...scene.issuer.key('RS256'), alg: 'PS256' }),
      sign('sha512', Buffer.from(input), privateKey).toString('base64url'),
      sign('sha1', Buffer.from(input), privateKey).toString('base64url'),
      signature(input, scene.issuer.key('ES256')),
      signature(input, scene.issuer.key('EdDSA')),
    ];
    const forged = ends.map((end) => get('/players', bearer(`${input}.${end}`)));
    await scene.refusesAll(forged, '401 INVALID_TOKEN', 'signature');
  });

  it('is refused for HMAC: only the hash of the secret counts', async () => {
    for (const alg of ['HS384', 'HS512', 'hs256']) {
      const input = `${encode({ alg })}.${encode(claimsOf(scene))}`;
      const token = `${input}.${hmac(input, SECRET, alg === 'HS512' ? 'sha512' : 'sha384')}`;
      await scene.refuses(get('/internal', bearer(token)), '401 INVALID_TOKEN', 'algorithm');
    }
    const input = `${encode({ alg: 'HS256' })}.${encode(claimsOf(scene))}`;
    const token = `${input}.${hmac(input, SECRET, 'sha512')}`;
    await scene.refuses(get('/internal', bearer(token)), '401 INVALID_TOKEN', 'signature');
  });

  it('and a key of the right kind that nobody has published is refused', async () => {
    for (const alg of ['RS256', 'ES256', 'EdDSA']) {
      const theirs = createKey(alg);
      const asOurs = { ...theirs, kid: scene.issuer.key(alg).kid };
      await scene.refuses(
        get('/players', bearer(signed(asOurs, claimsOf(scene)))),
        '401 INVALID_TOKEN',
        'signature',
      );
    }
  });
});

describe('a configuration that would invite it', () => {
  it.each([
    [
      'secrets beside public keys',
      { algorithms: ['RS256', 'HS256'], secret: SECRET, issuer: 'any', audience: 'any' },
    ],
    ['a public key as the secret', { algorithms: ['HS256'], secret: pemOf() }],
    ['a secret shorter than the hash', { algorithms: ['HS512'], secret: SECRET }],
    ['none among the algorithms', { algorithms: ['none'], secret: SECRET }],
  ])('%s: does not start, and shows no secret', async (_what, provider) => {
    const gateway = launchGateway({
      auth: { providers: { players: { type: 'jwt', ...provider } } },
      routes: [{ name: 'a', match: { path: '/a' }, respond: {}, auth: 'players' }],
    });
    expect(await gateway.exited).not.toBe(0);
    const said = gateway.stderr + JSON.stringify(gateway.log) + gateway.garbage.join('');
    expect(said).not.toContain(SECRET);
    expect(said).not.toContain(pemOf().slice(40, 80));
  });
});

describe('what is meant', () => {
  it('passes: each of the published keys, and the secret', async () => {
    for (const alg of ['RS256', 'ES256', 'EdDSA']) {
      const token = scene.issuer.mint({ aud: AUDIENCE }, { alg });
      for (const path of EVERYWHERE)
        expect((await scene.passes(get(path, bearer(token)))).headers['x-user-id']).toBe('alice');
    }
    for (const path of ['/internal', '/either', '/other-way-round'])
      await scene.passes(get(path, bearer(hs(claimsOf(scene)))));
    await scene.refuses(get('/players'), '401 UNAUTHENTICATED', 'missing');
  });
});

let pem = '';
function pemOf(): string {
  pem ||= createKey('RS256').publicKey.export({ type: 'spki', format: 'pem' }).toString();
  return pem;
}
