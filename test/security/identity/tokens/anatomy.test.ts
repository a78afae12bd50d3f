/**
 * Tokens that two readers would read in two ways: cut off, prolonged, padded, in other alphabets, with bits that decode to
 * nothing, with members that occur twice, deeper or longer than a reader bears (RFC 7515 §2, RFC 7519 §4, RFC 8725 §2.4, §3.11).
 * What is remembered of a token goes by its exact text, so a second spelling of a good one is a new token.
 */
import { describe, expect, it } from 'vitest';
import { encode, signature } from '../../../harness/issuer-keys.ts';
import { get } from '../../../harness/raw-client.ts';
import { AUDIENCE, bearer, route, useScene } from '../scene.ts';
import { claimsOf, hmac, hs, providers, segment, signed } from './forge.ts';

const scene = useScene(({ issuer }) => ({
  auth: { providers: providers(issuer) },
  routes: [route('/players', 'players'), route('/internal', 'internal')],
}));

const KINDS = [
  ['a shared secret', '/internal', () => hs(claimsOf(scene))],
  ['RS256', '/players', () => scene.issuer.mint({ aud: AUDIENCE })],
  ['ES256', '/players', () => scene.issuer.mint({ aud: AUDIENCE }, { alg: 'ES256' })],
  ['EdDSA', '/players', () => scene.issuer.mint({ aud: AUDIENCE }, { alg: 'EdDSA' })],
] as const;

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

describe.each(KINDS)('a token by %s', (_what, path, mint) => {
  const refused = (tokens: string[], reason: string | RegExp = /malformed|signature/) =>
    scene.refusesAll(
      tokens.map((token) => get(path, bearer(token))),
      '401 INVALID_TOKEN',
      reason,
    );

  it('that is cut off is refused, wherever, also when the whole one is remembered', async () => {
    const token = mint();
    await scene.passes(get(path, bearer(token)));
    const every = Array.from({ length: 60 }, (_, i) => Math.max(1, Math.floor((token.length * i) / 60)));
    const lengths = new Set([...every, ...[1, 2, 3, 4, 5, 8].map((less) => token.length - less)]);
    await refused([...lengths].map((length) => token.slice(0, length)));
    await refused([...lengths].map((length) => token.slice(token.length - length)));
  });

  it('that goes on is refused, also when the shorter one is remembered', async () => {
    const token = mint();
    await scene.passes(get(path, bearer(token)));
    const more = [
      'A',
      'AA',
      'AAA',
      'AAAA',
      '.',
      '..',
      '.AAAA',
      `.${token}`,
      '-',
      '_',
      '%20',
      '\u00c3\u00a9A',
      ';',
      '"',
      '\tA',
      ' A',
      ', A',
    ];
    await refused(more.map((end) => token + end));
    await refused(
      ['A', 'AAAA', '.', 'e30.', `${encode({ alg: 'none' })}.`, '"', '%20', 'Bearer '].map(
        (start) => start + token,
      ),
    );
  });

  it('with padding, in any segment, is refused', async () => {
    const parts = mint().split('.');
    const padded = parts.flatMap((part, i) =>
      ['=', '==', '%3D', '.='].map((end) => parts.with(i, part + end).join('.')),
    );
    await refused([
      ...padded,
      parts.map((part) => part.padEnd(Math.ceil(part.length / 4) * 4 + 4, '=')).join('.'),
    ]);
  });

  it('with bits at the end of a segment that decode to nothing is refused', async () => {
    // `AQ` and `AR` are the same byte: such a token has another text and the same meaning.
    const tokens: string[] = [];
    for (let tries = 0; tokens.length < 9 && tries < 200; tries++) {
      const parts = mintWith(path, { pad: 'x'.repeat(tries % 3), tries }).split('.');
      parts.forEach((part, i) => {
        if (part.length % 4 === 0) return;
        const last = BASE64URL.indexOf(part.at(-1) as string);
        const twin = part.slice(0, -1) + BASE64URL[last + 1];
        expect(Buffer.from(twin, 'base64url')).toEqual(Buffer.from(part, 'base64url'));
        tokens.push(parts.with(i, twin).join('.'));
      });
    }
    expect(tokens.length).toBeGreaterThan(5);
    await refused(tokens);
  });

  it('in the alphabet of plain base64, or with white space inside, is refused', async () => {
    const [header, payload, mac] = mintWith(path, { text: '???>>>~~~\u00ff\u00fe' }).split('.');
    const plain = (text: string) => text.replaceAll('-', '+').replaceAll('_', '/');
    const twins = [
      [header, plain(payload), mac],
      [header, payload, plain(mac)],
    ].filter((parts) => parts.join('.') !== [header, payload, mac].join('.'));
    const spaced = [
      `${header} .${payload}.${mac}`,
      `${header}. ${payload}.${mac}`,
      `${header}.${payload.slice(0, 8)} ${payload.slice(8)}.${mac}`,
      `${header}.${payload}.${mac.slice(0, 8)}\t${mac.slice(8)}`,
      `${header}.${payload}.${mac.slice(0, 8)}\u00c2\u00a0${mac.slice(8)}`,
    ];
    await refused([...twins.map((parts) => parts.join('.')), ...spaced]);
  });

  it('with the signature, header or payload of another good one is refused', async () => {
    const [header, payload, mac] = mint().split('.');
    const other = mintWith(path, { sub: 'bob', role: 'admin' }).split('.');
    await refused(
      [
        [header, other[1], mac].join('.'),
        [header, payload, other[2]].join('.'),
        [header, payload, mac.split('').reverse().join('')].join('.'),
        [payload, header, mac].join('.'),
        [header, header, mac].join('.'),
      ],
      /malformed|signature|header/,
    );
  });

  it('with one letter changed is refused, in whichever segment', async () => {
    const token = mint();
    const places = Array.from({ length: 50 }, (_, i) => Math.floor((token.length * i) / 50));
    const changed = places
      .filter((at) => token[at] !== '.')
      .map(
        (at) =>
          token.slice(0, at) + BASE64URL[(BASE64URL.indexOf(token[at]) + 32) % 64] + token.slice(at + 1),
      );
    // A header that reads otherwise is refused for what it then says.
    await refused(changed, /malformed|signature|header|algorithm|unknown-key/);
  });
});

function mintWith(path: string, claims: Record<string, unknown>): string {
  return path === '/internal' ? hs(claimsOf(scene, claims)) : scene.issuer.mint({ aud: AUDIENCE, ...claims });
}

/** Both with a good signature: only what they say is wrong. */
function bothSigned(payload: string): string[] {
  return [
    get('/internal', bearer(hs(payload))),
    get('/players', bearer(signed(scene.issuer.key('RS256'), payload))),
  ];
}

/** The members that a good token has, as the beginning of an object. */
function beginning(): string {
  return JSON.stringify(claimsOf(scene)).slice(0, -1);
}

describe('a well signed payload', () => {
  it.each([
    ['a member twice', () => `${beginning()},"sub":"admin"}`],
    ['a member twice, the good one last', () => `{"sub":"admin",${beginning().slice(1)}}`],
    ['a member twice, once escaped', () => `${beginning()},"s\\u0075b":"admin"}`],
    ['exp twice', () => `${beginning()},"exp":9999999999}`],
    ['a member twice further in', () => `${beginning()},"a":{"b":1,"b":2}}`],
    ['a member twice in a list', () => `${beginning()},"a":[{"b":1,"b":2}]}`],
    ['__proto__ twice', () => `${beginning()},"__proto__":{"a":1},"__proto__":{"b":1}}`],
    ['a list', () => `[${beginning()}}]`],
    ['a text', () => '"alice"'],
    ['null', () => 'null'],
    ['a number', () => '1'],
    ['nothing', () => ' '],
    ['half of an object', () => beginning()],
    ['two objects', () => `${beginning()}}{}`],
    ['a comment', () => `${beginning()}/* */}`],
    ['a trailing comma', () => `${beginning()},}`],
    ['single quotes', () => `${beginning()},'a':1}`],
    ['NaN', () => `${beginning()},"a":NaN}`],
    ['a byte order mark', () => `\ufeff${beginning()}}`],
    ['a line break in a text', () => `${beginning()},"a":"\n"}`],
    ['17 levels', () => `${beginning()},"a":${'['.repeat(16)}${']'.repeat(16)}}`],
    ['2,000 levels', () => `${beginning()},"a":${'['.repeat(2000)}${']'.repeat(2000)}}`],
    ['4,000 brackets that are never closed', () => `${beginning()},"a":${'['.repeat(4000)}`],
    ['700 mappings', () => `${beginning()},"a":${'{"a":'.repeat(700)}1${'}'.repeat(700)}}`],
  ])('that is or holds %s is refused', async (_what, payload) => {
    // A thread cannot tell what it cannot read from what is not signed.
    await scene.refusesAll(bothSigned(payload()), '401 INVALID_TOKEN', /malformed|signature/);
  });

  it('that is not UTF-8 is refused', async () => {
    const bytes = Buffer.concat([
      Buffer.from(`${beginning()},"a":"`),
      Buffer.from([0xc0, 0xaf, 0xff]),
      Buffer.from('"}'),
    ]);
    const input = `${encode({ alg: 'HS256' })}.${segment(bytes)}`;
    await scene.refuses(
      get('/internal', bearer(`${input}.${hmac(input)}`)),
      '401 INVALID_TOKEN',
      'malformed',
    );
    const key = scene.issuer.key('RS256');
    const other = `${encode({ alg: 'RS256', kid: key.kid })}.${segment(bytes)}`;
    await scene.refuses(
      get('/players', bearer(`${other}.${signature(other, key)}`)),
      '401 INVALID_TOKEN',
      'malformed',
    );
  });

  it('in 16 levels passes: the bound is where it is said to be', async () => {
    const payload = `${beginning()},"a":${'['.repeat(15)}${']'.repeat(15)}}`;
    for (const bytes of bothSigned(payload)) await scene.passes(bytes);
  });

  it('cannot reach what all objects inherit', async () => {
    const payload = `${beginning()},"__proto__":{"roles":["admin"],"polluted":1},"constructor":{"prototype":{"polluted":1}}}`;
    for (const bytes of bothSigned(payload)) {
      const seen = await scene.passes(bytes);
      expect(seen.headers['x-user-roles']).toBeUndefined();
    }
    const clean = await scene.passes(get('/internal', bearer(hs(claimsOf(scene)))));
    expect(
      Object.keys(clean.headers)
        .filter((name) => name.startsWith('x-user'))
        .sort(),
    ).toEqual(['x-user-id']);
  });
});

describe('a token of', () => {
  const sized = (length: number) => {
    // Three characters hold two and a quarter bytes: the rest is tried.
    for (let pad = Math.floor((length - 400) * 0.75); ; pad++) {
      const token = hs(claimsOf(scene, { pad: 'x'.repeat(pad) }));
      if (token.length >= length) return token;
    }
  };

  it('9 KiB is refused though its signature is good', async () => {
    const token = sized(9 * 1024);
    const answer = await scene.refuses(get('/internal', bearer(token)), '401 INVALID_TOKEN', 'too-large');
    expect(answer.body.toString()).not.toContain('xxx');
    const big = scene.issuer.mint({ aud: AUDIENCE, pad: 'x'.repeat(7000) });
    expect(big.length).toBeGreaterThan(9 * 1024);
    await scene.refuses(get('/players', bearer(big)), '401 INVALID_TOKEN', 'too-large');
  });

  it('8 KiB and a little is refused, one just below passes', async () => {
    await scene.refuses(get('/internal', bearer(sized(8193))), '401 INVALID_TOKEN', 'too-large');
    const fits = sized(8180);
    expect(fits.length).toBeLessThanOrEqual(8192);
    await scene.passes(get('/internal', bearer(fits)));
  });

  it('more than the head may have is refused by the listener', async () => {
    const before = scene.seen.length;
    const answer = await scene.ask(get('/internal', bearer('x'.repeat(80_000))));
    expect(answer.status).toBe(431);
    expect(scene.seen).toHaveLength(before);
  });
});
