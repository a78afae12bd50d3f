import { afterAll, describe, expect, it } from 'vitest';
import type { Identity } from '../../../src/services/identity.ts';
import { createKey } from '../../harness/issuer-keys.ts';
import {
  bearer,
  CLAIMS,
  EDDSA,
  ES256,
  hs,
  hsConfig,
  hsRaw,
  ISSUER,
  jwtConfig,
  NOW,
  NOW_S,
  pem,
  pemConfig,
  pool,
  provider,
  RS256,
  request,
  said,
  signed,
  tell,
} from './forge.ts';

const threads = pool();
afterAll(() => threads.close());
const env = { pool: () => threads };

describe('a shared secret', () => {
  it('is answered at once, without a promise', () => {
    const outcome = provider(hsConfig()).authenticate(bearer(hs())) as Identity;
    expect(outcome).toMatchObject({ method: 'jwt', provider: 'players', user: 'alice', keyId: '' });
    expect(outcome.claims).toEqual(CLAIMS);
    expect(outcome.expiresAt).toBe((NOW_S + 300) * 1000 + 30_000);
    expect(Object.isFrozen(outcome)).toBe(true);
  });

  it('may be one of several while one is replaced', () => {
    const jwt = provider(
      hsConfig({ secret: ['another secret, at least as long as it must be', hsSecret()] }),
    );
    expect(said(jwt.authenticate(bearer(hs())) as Identity)).toBe('user alice');
  });

  it('counts what it has decided', () => {
    const jwt = provider(hsConfig());
    const token = hs();
    for (let i = 0; i < 3; i++) jwt.authenticate(bearer(token));
    jwt.authenticate(bearer('nonsense'));
    jwt.authenticate(request([]));
    expect(jwt.flush()).toEqual({ accepted: 3, refused: { malformed: 1 }, cacheHits: 2, cacheMisses: 2 });
    expect(jwt.flush()).toEqual({ accepted: 0, refused: {}, cacheHits: 0, cacheMisses: 0 });
  });

  it('says nothing when there is no token', () => {
    const jwt = provider(hsConfig());
    expect(jwt.authenticate(request([]))).toBe(null);
    expect(jwt.authenticate(request(['authorization', 'Basic YTpi']))).toBe(null);
    expect(jwt.authenticate(request(['authorization', 'Bearer']))).toBe(null);
  });
});

describe('public keys', () => {
  it.each(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])(
    'of %s are verified in threads',
    async (alg) => {
      const key = createKey(alg);
      const jwt = provider(
        jwtConfig({ algorithms: [alg], publicKey: pem(key), issuer: ISSUER, audience: 'any' }),
        env,
      );
      expect(jwt.authenticate(bearer(signed(key)))).toBeInstanceOf(Promise);
      expect(await tell(jwt, signed(key))).toBe('user alice');
      expect(await tell(jwt, signed(createKey(alg)))).toBe('401 signature');
    },
  );

  it('of several kinds work together, whatever kid says', async () => {
    const jwt = provider(pemConfig(), env);
    for (const key of [RS256, ES256, EDDSA]) {
      expect(await tell(jwt, signed(key))).toBe('user alice');
      expect(await tell(jwt, signed(key, CLAIMS, { kid: 'whatever' }))).toBe('user alice');
      expect(await tell(jwt, signed(key, CLAIMS, { kid: undefined }))).toBe('user alice');
    }
  });

  it('are answered at once the second time', async () => {
    const jwt = provider(pemConfig(), env);
    const token = signed(RS256);
    const first = await jwt.authenticate(bearer(token));
    expect(jwt.authenticate(bearer(token))).toBe(first);
  });

  it('verify the same token once for all who bring it at a time', async () => {
    const jwt = provider(pemConfig(), env);
    const token = signed(ES256);
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => jwt.authenticate(bearer(token))));
    expect(new Set(outcomes).size).toBe(1);
    expect(jwt.flush()).toMatchObject({ accepted: 20, cacheMisses: 1 });
  });

  it('give each of many different tokens at a time its own answer', async () => {
    const jwt = provider(pemConfig(), env);
    const stranger = createKey('ES256');
    const said = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        tell(jwt, signed(i % 3 ? ES256 : stranger, { ...CLAIMS, sub: `user-${i}` })),
      ),
    );
    expect(said).toEqual(Array.from({ length: 200 }, (_, i) => (i % 3 ? `user user-${i}` : '401 signature')));
  });

  it('are busy when more tokens wait than may', async () => {
    const small = pool({ maxQueue: 10 });
    const jwt = provider(pemConfig(), { pool: () => small });
    const said = await Promise.all(
      Array.from({ length: 30 }, (_, i) => tell(jwt, signed(ES256, { ...CLAIMS, sub: `user-${i}` }))),
    );
    expect(said.filter((one) => one === '503 busy')).toHaveLength(20);
    expect(await tell(jwt, signed(ES256, { ...CLAIMS, sub: 'user-29' }))).toBe('user user-29');
  });
});

describe('memory', () => {
  it('ends with the token, skew included', () => {
    let now = NOW;
    const jwt = provider(hsConfig({ skew: '10s' }), { now: () => now });
    const token = hs({ ...CLAIMS, exp: NOW_S + 60 });
    const at = (ms: number) => {
      now = NOW + ms;
      return said(jwt.authenticate(bearer(token)) as Identity);
    };
    expect([at(0), at(69_999), at(70_000)]).toEqual(['user alice', 'user alice', '401 expired']);
  });

  it('ends after its ttl: the token is verified anew', () => {
    let now = NOW;
    const jwt = provider(hsConfig({ cache: { ttl: '60s' } }), { now: () => now });
    const token = hs();
    for (const ms of [0, 59_999, 60_000, 60_001]) {
      now = NOW + ms;
      jwt.authenticate(bearer(token));
    }
    expect(jwt.flush()).toMatchObject({ accepted: 4, cacheHits: 2, cacheMisses: 2 });
  });

  it('holds what was refused for five seconds', () => {
    let now = NOW;
    const jwt = provider(hsConfig(), { now: () => now });
    const token = `${hs().slice(0, -4)}AAAA`;
    for (const ms of [0, 4999, 5000]) {
      now = NOW + ms;
      expect(said(jwt.authenticate(bearer(token)) as Identity)).toBe('401 signature');
    }
    expect(jwt.flush()).toMatchObject({ cacheHits: 1, cacheMisses: 2 });
  });

  it('does not hold what is not valid yet', () => {
    let now = NOW;
    const jwt = provider(hsConfig({ skew: '1s' }), { now: () => now });
    const token = hs({ ...CLAIMS, nbf: NOW_S + 3 });
    expect(said(jwt.authenticate(bearer(token)) as Identity)).toBe('401 not-yet');
    now += 2000;
    expect(said(jwt.authenticate(bearer(token)) as Identity)).toBe('user alice');
  });

  it('of good tokens survives a flood of bad ones', () => {
    const jwt = provider(hsConfig({ cache: { entries: 10 } }));
    const good = hs();
    const identity = jwt.authenticate(bearer(good));
    for (let i = 0; i < 5000; i++) jwt.authenticate(bearer(hsRaw(`{"exp":"${i}"}`)));
    expect(jwt.authenticate(bearer(good))).toBe(identity);
    expect(jwt.flush()).toMatchObject({ accepted: 2, cacheHits: 1 });
  });

  it('can be switched off', () => {
    const jwt = provider(hsConfig({ cache: { entries: 0 } }));
    const token = hs();
    for (let i = 0; i < 3; i++) jwt.authenticate(bearer(token));
    expect(jwt.flush()).toMatchObject({ accepted: 3, cacheHits: 0, cacheMisses: 3 });
  });
});

function hsSecret(): string {
  return 'a secret of forty-eight bytes, enough for HS384!';
}
