/** Tokens for the contenders that check them, and those that must be refused. */
import {
  createHmac,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign as signWithKey,
} from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GATEWAY_CORE, LOAD_CORE, launchNode } from '../proc.ts';

export const ISSUER = 'bench';
export const AUDIENCE = 'bench';
/** How many callers there are, and so how many distinct live tokens when each has one. */
export const USERS = 1000;
const LIFETIME_SECONDS = 3600;
/** Far beyond the 30 s that clocks may differ. */
const EXPIRED_SECONDS = -600;

export type Algorithm = 'HS256' | 'RS256';

export interface SigningKey {
  readonly algorithm: Algorithm;
  /** The secret, or the file of the public key. */
  readonly verifyWith: string;
  readonly sign: (input: string) => Buffer;
}

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

export function secretKey(): SigningKey {
  const secret = randomBytes(32).toString('hex');
  return {
    algorithm: 'HS256',
    verifyWith: secret,
    sign: (input) => createHmac('sha256', secret).update(input).digest(),
  };
}

const rsaSigner = (key: KeyObject) => (input: string) => signWithKey('RSA-SHA256', Buffer.from(input), key);

/** A new key; `dir` gets `public.pem` and, for those who sign in other processes, `private.pem`. */
export function rsaKey(dir: string): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const verifyWith = join(dir, 'public.pem');
  writeFileSync(verifyWith, publicKey.export({ type: 'spki', format: 'pem' }));
  writeFileSync(join(dir, 'private.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), {
    mode: 0o600,
  });
  return { algorithm: 'RS256', verifyWith, sign: rsaSigner(privateKey) };
}

/** Signs as `rsaKey(dir)` does. */
export function rsaKeyOf(dir: string): SigningKey {
  const privateKey = createPrivateKey(readFileSync(join(dir, 'private.pem')));
  return { algorithm: 'RS256', verifyWith: join(dir, 'public.pem'), sign: rsaSigner(privateKey) };
}

/** The n-th token of a key: the callers take turns, and no two tokens are the same. */
export function mint(key: SigningKey, n: number, lifetimeSeconds = LIFETIME_SECONDS): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: `user-${n % USERS}`,
    roles: ['trader'],
    jti: `t${n}`,
    iat: Math.min(now, now + lifetimeSeconds - 1),
    exp: now + lifetimeSeconds,
  };
  const input = `${encode({ alg: key.algorithm, typ: 'JWT' })}.${encode(claims)}`;
  return `${input}.${key.sign(input).toString('base64url')}`;
}

/** What must not get through, by what is wrong with it. */
export function badTokens(key: SigningKey): ReadonlyMap<string, string> {
  const [header, claims, signature] = mint(key, 0).split('.') as [string, string, string];
  const [, otherClaims] = mint(key, 1).split('.') as [string, string, string];
  const flipped = signature.startsWith('A') ? 'B' : 'A';
  return new Map([
    ['bad signature', `${header}.${claims}.${flipped}${signature.slice(1)}`],
    ['signature of another token', `${header}.${otherClaims}.${signature}`],
    ['expired', mint(key, 0, EXPIRED_SECONDS)],
    ['algorithm none', `${encode({ alg: 'none', typ: 'JWT' })}.${claims}.`],
    ['signed with another secret', mint({ ...secretKey(), algorithm: key.algorithm }, 0)],
  ]);
}

/** Writes one token a line and returns the file. */
export function writeTokens(dir: string, key: SigningKey, count: number): string {
  const file = join(dir, `${key.algorithm}-${count}.txt`);
  writeFileSync(file, Array.from({ length: count }, (_, n) => mint(key, n)).join('\n'));
  return file;
}

/**
 * The same for the key in `dir`, signed by a process on each core: an RSA signature takes 0.3 to 1 ms. None of the tokens
 * is one that `writeTokens` makes.
 */
export async function writeManyTokens(dir: string, count: number): Promise<string> {
  const script = new URL('./sign.ts', import.meta.url);
  const half = Math.ceil(count / 2);
  const parts = await Promise.all(
    [GATEWAY_CORE, LOAD_CORE].map(async (core, i) => {
      const file = join(dir, `part-${i}.txt`);
      const args = [dir, String(USERS + i * half), String(half), file];
      await launchNode('signing', script, args, core).finished();
      return readFileSync(file, 'latin1');
    }),
  );
  const file = join(dir, `RS256-new-${count}.txt`);
  writeFileSync(file, parts.join('\n'));
  return file;
}
