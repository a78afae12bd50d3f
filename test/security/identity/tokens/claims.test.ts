/**
 * Well signed tokens that are not for us, not for now, or whose times are no times (RFC 7519 §4.1, RFC 8725 §3.8 to §3.10): a number
 * that JavaScript rounds or overflows, a text that it would compare as a number, a name that only begins like ours.
 */
import { describe, expect, it } from 'vitest';
import { get } from '../../../harness/raw-client.ts';
import { AUDIENCE, bearer, route, useScene } from '../scene.ts';
import { claimsOf, hs, nowS, providers, SECRET, signed } from './forge.ts';

const scene = useScene(({ issuer }) => {
  const both = providers(issuer);
  return {
    auth: {
      providers: {
        ...both,
        strict: { ...both.internal, skew: 0 },
        wide: { ...both.internal, skew: '60s' },
        access: { ...both.players, typ: 'at+jwt' },
        free: { type: 'jwt', algorithms: ['HS256'], secret: SECRET },
      },
    },
    routes: ['players', 'internal', 'strict', 'wide', 'access', 'free'].map((name) =>
      route(`/${name}`, name),
    ),
  };
});

/** Attacks with both kinds of keys. */
function withClaims(claims: Record<string, unknown>): string[] {
  const all = claimsOf(scene, claims);
  return [get('/internal', bearer(hs(all))), get('/players', bearer(signed(scene.issuer.key('ES256'), all)))];
}

/** With one member letter by letter, as JSON.stringify would not write it. */
function withRaw(name: string, value: string): string[] {
  const text = `${JSON.stringify(claimsOf(scene, { [name]: undefined })).slice(0, -1)},"${name}":${value}}`;
  return [
    get('/internal', bearer(hs(text))),
    get('/players', bearer(signed(scene.issuer.key('ES256'), text))),
  ];
}

describe('exp', () => {
  it('beyond the skew by a second is refused, and says so', async () => {
    for (const bytes of withClaims({ iat: nowS() - 600, exp: nowS() - 31 })) {
      const answer = await scene.refuses(bytes, '401 INVALID_TOKEN', 'expired');
      expect(answer.header('www-authenticate')).toContain('error="invalid_token"');
      expect(answer.header('www-authenticate')).toContain('expired');
    }
    const wide = hs(claimsOf(scene, { iat: nowS() - 600, exp: nowS() - 61 }));
    await scene.refuses(get('/wide', bearer(wide)), '401 INVALID_TOKEN', 'expired');
    const strict = hs(claimsOf(scene, { iat: nowS() - 600, exp: nowS() - 1 }));
    await scene.refuses(get('/strict', bearer(strict)), '401 INVALID_TOKEN', 'expired');
  });

  it('within the skew still passes', async () => {
    for (const bytes of withClaims({ iat: nowS() - 600, exp: nowS() - 15 })) await scene.passes(bytes);
    await scene.passes(get('/wide', bearer(hs(claimsOf(scene, { iat: nowS() - 600, exp: nowS() - 45 })))));
  });

  it('ends a token that is remembered', async () => {
    const exp = nowS() + 1;
    const token = hs(claimsOf(scene, { exp }));
    await scene.passes(get('/strict', bearer(token)));
    await expect.poll(() => Date.now() >= exp * 1000, { timeout: 3000 }).toBe(true);
    await scene.refuses(get('/strict', bearer(token)), '401 INVALID_TOKEN', 'expired');
  });

  it.each([
    ['a text', '"9999999999"'],
    ['an empty text', '""'],
    ['a date', '"2099-01-01T00:00:00Z"'],
    ['true', 'true'],
    ['null', 'null'],
    ['a list', '[9999999999]'],
    ['a mapping', '{"valueOf":9999999999}'],
    ['beyond what a number holds', '1e400'],
    ['beyond what a date holds', '1e300'],
    ['milliseconds beyond what a date holds', '8640000000001'],
    ['300 digits', '9'.repeat(300)],
    ['400 digits', '9'.repeat(400)],
    ['negative', '-1'],
    ['negative and huge', '-1e400'],
  ])('that is %s is refused', async (_what, value) => {
    await scene.refusesAll(withRaw('exp', value), '401 INVALID_TOKEN', 'claims');
  });

  it.each([
    ['hexadecimal', '0xffffffff'],
    ['octal', '0777777777777'],
    ['with a plus', '+9999999999'],
    ['Infinity', 'Infinity'],
    ['with underscores', '9_999_999_999'],
  ])('%s is no JSON, and refused', async (_what, value) => {
    await scene.refusesAll(withRaw('exp', value), '401 INVALID_TOKEN', /malformed|signature/);
  });

  it.each(['0', '0.5', '-0', '1e-300'])('%s is long ago, and refused', async (value) => {
    await scene.refusesAll(withRaw('exp', value), '401 INVALID_TOKEN', 'expired');
  });

  it('that is missing, or under another name, is refused', async () => {
    await scene.refusesAll(
      [{}, { Exp: nowS() + 300 }, { EXP: nowS() + 300 }, { 'exp ': nowS() + 300 }].flatMap((more) =>
        withClaims({ exp: undefined, ...more }),
      ),
      '401 INVALID_TOKEN',
      'claims',
    );
    await scene.refuses(get('/free', bearer(hs({ sub: 'alice' }))), '401 INVALID_TOKEN', 'claims');
  });
});

describe('nbf and iat', () => {
  it.each(['nbf', 'iat'])('%s further ahead than the skew is refused', async (name) => {
    await scene.refusesAll(
      withClaims({ [name]: nowS() + 40, exp: nowS() + 600 }),
      '401 INVALID_TOKEN',
      'not-yet',
    );
  });

  it.each(['nbf', 'iat'])('%s that is no number is refused', async (name) => {
    const forged = ['"0"', 'null', '[]', '{}', 'false', '-1', '1e400'].flatMap((value) =>
      withRaw(name, value),
    );
    await scene.refusesAll(forged, '401 INVALID_TOKEN', 'claims');
  });
});

describe('iss', () => {
  it('that is another, or only looks like ours, is refused', async () => {
    const { url } = scene.issuer;
    const others = [
      undefined,
      '',
      'https://evil.example',
      `${url}/`,
      `${url}.evil.example`,
      `${url}@evil.example`,
      ` ${url}`,
      `${url}\u0000`,
      `${url}/..`,
      url.toUpperCase(),
      url.replace('http', 'https'),
      url.slice(0, -1),
    ];
    await scene.refusesAll(
      others.flatMap((iss) => withClaims({ iss })),
      '401 INVALID_TOKEN',
      'issuer',
    );
  });

  it('that is no text is refused', async () => {
    const lists = [[scene.issuer.url], { url: scene.issuer.url }, 1, null, true];
    await scene.refusesAll(
      lists.flatMap((iss) => withClaims({ iss })),
      '401 INVALID_TOKEN',
      'claims',
    );
  });
});

describe('aud', () => {
  it('that is for others, or only looks like ours, is refused', async () => {
    const others = [
      undefined,
      '',
      'https://other.example.com',
      `${AUDIENCE}/`,
      AUDIENCE.toUpperCase(),
      `${AUDIENCE},https://other.example.com`,
      `${AUDIENCE} https://other.example.com`,
      AUDIENCE.slice(0, -1),
      [],
      [AUDIENCE.slice(1)],
      ['a', 'b'],
      '*',
    ];
    await scene.refusesAll(
      others.flatMap((aud) => withClaims({ aud })),
      '401 INVALID_TOKEN',
      'audience',
    );
  });

  it('that holds what is no text is refused', async () => {
    const others = [null, 1, true, { [AUDIENCE]: 1 }, [AUDIENCE, 1], [[AUDIENCE]], [null, AUDIENCE]];
    await scene.refusesAll(
      others.flatMap((aud) => withClaims({ aud })),
      '401 INVALID_TOKEN',
      'claims',
    );
  });

  it('that lists us among others passes', async () => {
    for (const bytes of withClaims({ aud: ['https://other.example.com', AUDIENCE] }))
      await scene.passes(bytes);
  });
});

describe('sub', () => {
  it('that is no text is refused: nobody is called [object Object]', async () => {
    await scene.refusesAll(
      [null, 1, true, [], ['alice'], {}].flatMap((sub) => withClaims({ sub })),
      '401 INVALID_TOKEN',
      'claims',
    );
  });
});

describe('typ', () => {
  it('of another kind of token is refused where one is demanded (RFC 8725 §3.11)', async () => {
    const key = scene.issuer.key('ES256');
    const others = [
      {},
      { typ: undefined },
      { typ: 'id+jwt' },
      { typ: 'at+jwt ' },
      { typ: 'at+jwtx' },
      { typ: 'x/at+jwt' },
      { typ: '' },
    ];
    const forged = others.map((header) => get('/access', bearer(signed(key, claimsOf(scene), header))));
    await scene.refusesAll(forged, '401 INVALID_TOKEN', 'type');
    await scene.refuses(
      get('/access', bearer(signed(key, claimsOf(scene), { typ: ['at+jwt'] }))),
      '401 INVALID_TOKEN',
      'header',
    );
    for (const typ of ['at+jwt', 'AT+JWT', 'application/at+jwt']) {
      await scene.passes(get('/access', bearer(signed(key, claimsOf(scene), { typ }))));
    }
  });
});
