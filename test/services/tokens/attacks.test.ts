/** Tokens made to deceive (RFC 8725 §2). None is accepted, and each is refused for what is wrong with it. */
import { sign } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import { createKey, encode, signature } from '../../harness/issuer-keys.ts';
import {
  CLAIMS,
  EDDSA,
  ES256,
  hmac,
  hs,
  hsConfig,
  hsRaw,
  NOW_S,
  pem,
  pemConfig,
  pool,
  provider,
  RS256,
  SECRET,
  segment,
  signed,
  tell,
} from './forge.ts';

const threads = pool();
afterAll(() => threads.close());
const withSecret = provider(hsConfig());
const withKeys = provider(pemConfig(), { pool: () => threads });

const parts = (token: string) => token.split('.') as [string, string, string];

describe('the algorithm', () => {
  it.each([pem(RS256), pem(RS256).trim(), pem(RS256).replace(/\n/g, '')])(
    'is not HMAC with the public key as the secret',
    async (secret) => {
      for (const hash of ['256', '384', '512']) {
        const input = `${encode({ alg: `HS${hash}` })}.${encode(CLAIMS)}`;
        const token = `${input}.${hmac(input, secret, `sha${hash}`)}`;
        expect(await tell(withKeys, token)).toBe('401 algorithm');
      }
    },
  );

  it('is not HMAC with a public key where both kinds are allowed', async () => {
    const jwt = provider(pemConfig({ algorithms: ['HS256', 'RS256', 'ES256', 'EdDSA'] }), {
      pool: () => threads,
    });
    const input = `${encode({ alg: 'HS256' })}.${encode(CLAIMS)}`;
    expect(await tell(jwt, `${input}.${hmac(input, pem(RS256))}`)).toBe('401 algorithm');
    expect(await tell(jwt, signed(RS256))).toBe('user alice');
  });

  it.each(['none', 'None', 'NONE', 'nOnE', ' none', 'none ', '', 'n\u0000one', 'hs256', 'HS256 ', 'HS1'])(
    'is not %j',
    async (alg) => {
      const input = `${encode({ alg })}.${encode(CLAIMS)}`;
      for (const token of [`${input}.`, `${input}.AAAA`, `${input}.${hmac(input)}`]) {
        expect(await tell(withSecret, token)).toBe('401 algorithm');
        expect(await tell(withKeys, token)).toBe('401 algorithm');
      }
    },
  );

  it('is one, and a text', async () => {
    for (const alg of [undefined, null, 0, ['HS256'], { alg: 'HS256' }]) {
      expect(await tell(withSecret, hs(CLAIMS, { alg }))).toBe('401 header');
    }
  });

  it('is the one of the key, not another that the same key could do', async () => {
    const jwt = provider(pemConfig({ algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'] }), {
      pool: () => threads,
    });
    expect(await tell(jwt, signed({ ...RS256, alg: 'PS256' }))).toBe('401 algorithm');
    expect(await tell(jwt, signed({ ...RS256, alg: 'RS512' }))).toBe('401 algorithm');
    const longer = provider(hsConfig({ algorithms: ['HS256', 'HS384'] }));
    const input = `${encode({ alg: 'HS384' })}.${encode(CLAIMS)}`;
    expect(await tell(longer, `${input}.${hmac(input, SECRET, 'sha384')}`)).toBe('401 algorithm');
  });

  it('in the header is what the signature is checked with', async () => {
    const input = `${encode({ alg: 'RS256' })}.${encode(CLAIMS)}`;
    const pss = signature(input, { ...RS256, alg: 'PS256' });
    const other = sign('sha512', Buffer.from(input), RS256.privateKey).toString('base64url');
    expect(await tell(withKeys, `${input}.${pss}`)).toBe('401 signature');
    expect(await tell(withKeys, `${input}.${other}`)).toBe('401 signature');
    expect(await tell(withKeys, `${input}.${signature(input, ES256)}`)).toBe('401 signature');
    expect(await tell(withKeys, `${input}.${hmac(input, pem(RS256))}`)).toBe('401 signature');
  });
});

describe.each([
  ['a shared secret', withSecret, hs(), hs({ ...CLAIMS, sub: 'bob' })],
  ['an RSA key', withKeys, signed(RS256), signed(RS256, { ...CLAIMS, sub: 'bob' })],
  ['an EC key', withKeys, signed(ES256), signed(ES256, { ...CLAIMS, sub: 'bob' })],
  ['an Ed25519 key', withKeys, signed(EDDSA), signed(EDDSA, { ...CLAIMS, sub: 'bob' })],
] as const)('a token for %s', (_, jwt, token, other) => {
  const [header, payload, mac] = parts(token);

  it('is accepted as it is', async () => {
    expect(await tell(jwt, token)).toBe('user alice');
  });

  it('is not cut off anywhere', async () => {
    const lengths = Array.from({ length: 40 }, (_, i) => Math.floor((token.length * i) / 40));
    for (const length of [...lengths, token.length - 1, token.length - 2, token.length - 4]) {
      const outcome = await tell(jwt, token.slice(0, length));
      if (length > 0) expect(outcome).toMatch(/^401 (malformed|signature)$/);
      else expect(outcome).toBe(null);
    }
  });

  it.each(['A', 'AAAA', '=', '==', '.', '.x', ' x', '\u00e9', ', Bearer x', '\u0000'])(
    'is not followed by %j',
    async (more) => {
      expect(await tell(jwt, `${token}${more}`)).toMatch(/^401 (malformed|signature)$/);
    },
  );

  it('has no padding, and only letters of base64url', async () => {
    const bad = [
      `${header}=.${payload}.${mac}`,
      `${header}.${payload}=.${mac}`,
      `${header}.${payload}.${mac}==`,
      `${header}.${payload}.${mac.slice(0, -1)}+`,
      `${header}.${payload}.${mac.slice(0, -1)}/`,
      `${header}.${payload.slice(0, 8)} ${payload.slice(8)}.${mac}`,
      `${header}.${payload.slice(0, 8)}%41${payload.slice(8)}.${mac}`,
      ` ${header}.${payload}.${mac.slice(0, 4)}\t${mac.slice(4)}`,
    ];
    for (const one of bad) expect(await tell(jwt, one)).toBe('401 malformed');
  });

  it('is not written in another way: bits that mean nothing are zero', async () => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    let written = 0;
    for (const [index, part] of [header, payload, mac].entries()) {
      if (part.length % 4 === 0) continue;
      for (const letter of letters) {
        const twin = part.slice(0, -1) + letter;
        if (twin === part || !Buffer.from(twin, 'base64url').equals(Buffer.from(part, 'base64url'))) continue;
        written++;
        const segments = [header, payload, mac];
        segments[index] = twin;
        expect(await tell(jwt, segments.join('.'))).toBe('401 malformed');
      }
    }
    expect(written).toBeGreaterThan(0);
  });

  it('has the signature of no other token', async () => {
    const [, otherPayload, otherMac] = parts(other);
    expect(await tell(jwt, `${header}.${payload}.${otherMac}`)).toBe('401 signature');
    expect(await tell(jwt, `${header}.${otherPayload}.${mac}`)).toBe('401 signature');
    const forged = segment(JSON.stringify({ ...CLAIMS, roles: ['admin'] }));
    expect(await tell(jwt, `${header}.${forged}.${mac}`)).toBe('401 signature');
    expect(await tell(jwt, `${header}.${payload}.${'A'.repeat(mac.length)}`)).toBe('401 signature');
  });

  it('has a signature', async () => {
    expect(await tell(jwt, `${header}.${payload}.`)).toBe('401 malformed');
    expect(await tell(jwt, `${header}.${payload}`)).toBe('401 malformed');
    expect(await tell(jwt, `${header}..${mac}`)).toBe('401 malformed');
    expect(await tell(jwt, `.${payload}.${mac}`)).toBe('401 malformed');
    expect(await tell(jwt, '..')).toBe('401 malformed');
  });
});

describe('signatures', () => {
  it('of ECDSA are not zero, and not DER', async () => {
    const [header, payload] = parts(signed(ES256));
    const input = `${header}.${payload}`;
    const der = sign('sha256', Buffer.from(input), ES256.privateKey).toString('base64url');
    expect(await tell(withKeys, `${input}.${Buffer.alloc(64).toString('base64url')}`)).toBe('401 signature');
    expect(await tell(withKeys, `${input}.${der}`)).toBe('401 signature');
  });

  it('are from a key of ours', async () => {
    for (const alg of ['RS256', 'ES256', 'EdDSA']) {
      expect(await tell(withKeys, signed(createKey(alg)))).toBe('401 signature');
    }
    const input = `${encode({ alg: 'HS256' })}.${encode(CLAIMS)}`;
    expect(await tell(withSecret, `${input}.${hmac(input, '')}`)).toBe('401 signature');
    expect(await tell(withSecret, `${input}.${hmac(input, `${SECRET} `)}`)).toBe('401 signature');
  });
});

describe('the header', () => {
  const header = { alg: 'HS256' };

  it.each([
    { crit: ['exp'] },
    { crit: ['b64'], b64: true },
    { crit: [] },
    { crit: null },
    { crit: ['x'], x: 1 },
    { jwk: { kty: 'oct', k: 'AAAA' } },
    { jku: 'https://evil.example/keys' },
    { x5u: 'https://evil.example/cert' },
    { x5c: ['AAAA'] },
    { x5t: 'AAAA' },
    { 'x5t#S256': 'AAAA' },
    { b64: false },
    { zip: 'DEF' },
    { enc: 'A128GCM' },
    { kid: 7 },
    { kid: null },
    { kid: ['a'] },
    { typ: 1 },
  ])('does not ask for %j', async (more) => {
    expect(await tell(withSecret, hs(CLAIMS, { ...header, ...more }))).toBe('401 header');
  });

  it('may name a certificate beside the key, as some issuers do', async () => {
    expect(await tell(withSecret, hs(CLAIMS, { ...header, kid: 'a', x5t: 'AAAA' }))).toBe('user alice');
  });

  it.each([
    '[]',
    '"HS256"',
    'null',
    '{',
    '{"alg":"HS256"}x',
    '{"alg":"none","alg":"HS256"}',
    '\ufeff{"alg":"HS256"}',
  ])('is one JSON object: %s is not', async (text) => {
    expect(await tell(withSecret, hsRaw(JSON.stringify(CLAIMS), text))).toBe('401 malformed');
  });

  it('names the type that is demanded', async () => {
    const jwt = provider(hsConfig({ typ: 'at+jwt' }));
    for (const typ of ['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/At+Jwt']) {
      expect(await tell(jwt, hs(CLAIMS, { ...header, typ }))).toBe('user alice');
    }
    for (const typ of ['JWT', undefined, '', 'at+jwt ', 'text/at+jwt', 'application/application/at+jwt']) {
      expect(await tell(jwt, hs(CLAIMS, { ...header, typ }))).toBe('401 type');
    }
  });
});

describe('the payload', () => {
  const claims = JSON.stringify(CLAIMS).slice(1, -1);

  it.each([
    `{${claims},"sub":"admin"}`,
    `{"sub":"admin",${claims}}`,
    `{${claims},"s\\u0075b":"admin"}`,
    `{${claims},"a":{"b":1,"b":2}}`,
    `{${claims},"a":[[{"b":{},"b":{}}]]}`,
    `{${claims},"__proto__":1,"__proto__":2}`,
    `{${claims},"":1,"":2}`,
  ])('has no name twice: %s', async (text) => {
    expect(await tell(withSecret, hsRaw(text))).toBe('401 malformed');
  });

  it('may have colons, quotes and brackets in its texts, and equal names in different places', async () => {
    const text = `{${claims},"a":":::{[\\"\\\\","b":{"a":1,"b":["]","a"]},"c":"\\\\\\""}`;
    expect(await tell(withSecret, hsRaw(text))).toBe('user alice');
  });

  it('gives nobody another prototype', async () => {
    const outcome = await tell(provider(hsConfig()), hsRaw(`{"iss":"x","__proto__":{"exp":${NOW_S + 9}}}`));
    expect(outcome).toBe('401 claims');
  });

  it.each([
    '[]',
    '""',
    'null',
    '1',
    '{',
    '{}x',
    `{${claims},}`,
    `\ufeff{${claims}}`,
    `{${claims},'a':1}`,
    `{${claims}`,
  ])('is one JSON object: %s is not', async (text) => {
    expect(await tell(withSecret, hsRaw(text))).toBe('401 malformed');
  });

  it('is UTF-8', async () => {
    const bytes = Buffer.from(`{${claims},"name":"\u00e9"}`, 'latin1');
    expect(await tell(withSecret, hsRaw(bytes))).toBe('401 malformed');
    expect(await tell(withSecret, hsRaw(`{${claims},"name":"\u00e9"}`))).toBe('user alice');
  });

  it('goes sixteen levels deep and no deeper', async () => {
    const nested = (levels: number) => `{${claims},"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    expect(await tell(withSecret, hsRaw(nested(16)))).toBe('user alice');
    expect(await tell(withSecret, hsRaw(nested(17)))).toBe('401 malformed');
    expect(await tell(withSecret, hsRaw(`{"a":${'['.repeat(5000)}`))).toBe('401 malformed');
    expect(await tell(withSecret, hsRaw(`{"a":${'{"a":'.repeat(900)}1${'}'.repeat(901)}`))).toBe(
      '401 malformed',
    );
  });

  it('is checked in threads as strictly as here', async () => {
    const forge = (text: string | Buffer) => {
      const input = `${encode({ alg: 'ES256' })}.${segment(text)}`;
      return `${input}.${signature(input, ES256)}`;
    };
    expect(await tell(withKeys, forge(`{${claims}}`))).toBe('user alice');
    for (const text of [
      `{${claims},"sub":"admin"}`,
      '[]',
      '{',
      `{"a":${'['.repeat(2000)}`,
      Buffer.from(`{${claims},"name":"\u00e9"}`, 'latin1'),
      `\ufeff{${claims}}`,
    ]) {
      expect(await tell(withKeys, forge(text))).toMatch(/^401 (malformed|signature)$/);
    }
  });
});

describe('the size', () => {
  it('is 8 KiB at most', async () => {
    const padded = (length: number) => hs({ ...CLAIMS, pad: 'x'.repeat(length) });
    let length = 5000;
    while (padded(length + 1).length <= 8192) length++;
    expect(await tell(withSecret, padded(length))).toBe('user alice');
    expect(await tell(withSecret, padded(length + 3))).toBe('401 too-large');
    expect(await tell(withSecret, 'x'.repeat(9 * 1024))).toBe('401 too-large');
    expect(await tell(withKeys, 'x'.repeat(9 * 1024))).toBe('401 too-large');
  });
});
