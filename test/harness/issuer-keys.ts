/** Keys of an issuer and what is signed with them, by RFC 7515. Nothing here checks anything: tests forge with it. */
import { constants, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export interface IssuerKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const PAIRS: Readonly<Record<string, () => { privateKey: KeyObject; publicKey: KeyObject }>> = {
  RS: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ES512: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};

/** A new key for a JWS algorithm, which no issuer has to know. */
export function createKey(alg: string): IssuerKey {
  const create = PAIRS[alg] ?? PAIRS[alg.slice(0, 2)];
  return { kid: randomBytes(8).toString('base64url'), alg, ...create() };
}

/** The third segment of a token over `signed`, its first two. */
export function signature(signed: string, { alg, privateKey }: IssuerKey): string {
  const hash = alg === 'EdDSA' ? null : `sha${alg.slice(2)}`;
  const pss = alg.startsWith('PS')
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : {};
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' as const, ...pss };
  return sign(hash, Buffer.from(signed), key).toString('base64url');
}

/** A segment of a token. */
export function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
