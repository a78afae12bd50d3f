/** Keys that tokens are checked with, each bound to one algorithm (RFC 8725 §3.1). */
import {
  type AsymmetricKeyDetails,
  createHmac,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  type JsonWebKey as NodeKey,
  timingSafeEqual,
  X509Certificate,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Algorithm, JwtConfig, Material } from '../../config/schema/auth.js';
import type { JsonWebKey } from '../primary-answers.js';

export interface VerifyingKey {
  readonly algorithm: Algorithm;
  /** null: it has no name. */
  readonly kid: string | null;
  /** For HMAC; it never leaves the worker's own thread. */
  readonly secret: KeyObject | null;
  /** Algorithm, space and PEM: what threads know a public key by. Empty for HMAC. */
  readonly text: string;
}

/** RFC 7518 §3.3. */
export const LEAST_RSA_BITS = 2048;

const CURVES: Readonly<Record<string, string>> = {
  ES256: 'prime256v1',
  ES384: 'secp384r1',
  ES512: 'secp521r1',
};

/** Keys of the configuration. Throws an Error that names the option, and never the key. */
export function configuredKeys(provider: string, config: JwtConfig): VerifyingKey[] {
  const option = (name: string, index: number) => `auth.providers.${provider}.${name}[${index}]`;
  return [
    ...(config.secret ?? []).map((material, index) =>
      secretKey(textOf(material), config.algorithms, option('secret', index)),
    ),
    ...(config.publicKey ?? []).map((material, index) =>
      publicKey(textOf(material), config.algorithms, option('publicKey', index)),
    ),
  ];
}

/** A key that an issuer has published; null when it is of no use here. */
export function publishedKey(jwk: JsonWebKey, algorithms: readonly Algorithm[]): VerifyingKey | null {
  const { kty, use, key_ops, alg, kid = null } = jwk;
  if (kty !== 'RSA' && kty !== 'EC' && kty !== 'OKP') return null;
  if (use !== undefined && use !== 'sig') return null;
  if (key_ops !== undefined && !key_ops.includes('verify')) return null;
  try {
    const key = createPublicKey({ key: jwk as NodeKey, format: 'jwk' });
    if (isWeak(key)) return null;
    const algorithm = algorithms.find((one) => (alg === undefined || one === alg) && fits(key, one));
    return algorithm === undefined ? null : { algorithm, kid, secret: null, text: textFor(algorithm, key) };
  } catch {
    return null;
  }
}

/**
 * Whether the third segment of a token is the HMAC of the first two. By `node:crypto`, not fast-jwt: 2.8 us instead of
 * 5.8 (measured), because header and payload are read by us in any case.
 */
export function isSignedBy({ algorithm, secret }: VerifyingKey, token: string, signatureAt: number): boolean {
  const wanted = createHmac(`sha${algorithm.slice(2)}`, secret as KeyObject)
    .update(token.slice(0, signatureAt - 1), 'latin1')
    .digest();
  const given = Buffer.from(token.slice(signatureAt), 'base64url');
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/** Throws when the file has vanished. */
export function textOf(material: Material): string {
  return 'text' in material ? material.text : readFileSync(material.file, 'utf8').trimEnd();
}

function secretKey(text: string, algorithms: readonly Algorithm[], option: string): VerifyingKey {
  // The classic of algorithm confusion: what everybody may know as the secret.
  if (text.includes('-----BEGIN ')) throw new Error(`${option}: this is a PEM, not a secret`);
  const bytes = Buffer.from(text);
  const hmac = algorithms.filter((algorithm) => algorithm.startsWith('HS'));
  const algorithm = hmac.find((one) => bytes.length >= Number(one.slice(2)) / 8);
  if (algorithm === undefined) {
    if (hmac.length === 0) throw new Error(`${option}: none of the algorithms takes a secret`);
    throw new Error(`${option}: the secret has ${bytes.length} bytes, fewer than the hash`);
  }
  return { algorithm, kid: null, secret: createSecretKey(bytes), text: '' };
}

function publicKey(pem: string, algorithms: readonly Algorithm[], option: string): VerifyingKey {
  const key = readPublicKey(pem);
  if (key === null) throw new Error(`${option}: this is no public key or certificate in PEM`);
  if (isWeak(key))
    throw new Error(
      `${option}: the RSA key has fewer than ${LEAST_RSA_BITS} bits, or an exponent that protects nothing`,
    );
  const algorithm = algorithms.find((one) => fits(key, one));
  if (algorithm === undefined) throw new Error(`${option}: the key fits none of ${algorithms.join(', ')}`);
  return { algorithm, kid: null, secret: null, text: textFor(algorithm, key) };
}

/** null: it is none. */
export function readPublicKey(pem: string): KeyObject | null {
  // Node would take the public half; but a private key has no business here.
  if (pem.includes('PRIVATE KEY')) return null;
  try {
    return pem.includes('BEGIN CERTIFICATE') ? new X509Certificate(pem).publicKey : createPublicKey(pem);
  } catch {
    return null;
  }
}

/** RSA keys that can be factored, or whose exponent protects nothing. */
export function isWeak(key: KeyObject): boolean {
  return isShort(key) || isExponentWeak(key);
}

export function isShort({ asymmetricKeyDetails }: KeyObject): boolean {
  const { modulusLength } = asymmetricKeyDetails ?? {};
  return modulusLength !== undefined && modulusLength < LEAST_RSA_BITS;
}

/** With 1 a "signature" is the padded hash itself, which anybody can write, and an even one has no inverse. */
export function isExponentWeak({ asymmetricKeyDetails }: KeyObject): boolean {
  const { publicExponent } = asymmetricKeyDetails ?? {};
  return publicExponent !== undefined && (publicExponent < 3n || publicExponent % 2n === 0n);
}

/** Whether keys of this type are for this algorithm. */
export function fits({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject, algorithm: Algorithm): boolean {
  switch (asymmetricKeyType) {
    case 'rsa':
      return algorithm.startsWith('RS') || algorithm.startsWith('PS');
    case 'rsa-pss':
      return algorithm.startsWith('PS') && allowsHash(asymmetricKeyDetails, Number(algorithm.slice(2)));
    case 'ec':
      return asymmetricKeyDetails?.namedCurve === CURVES[algorithm];
    case 'ed25519':
    case 'ed448':
      return algorithm === 'EdDSA';
    default:
      return false;
  }
}

/** A key for PSS may name the one hash it is for, and the least salt (RFC 4055 §3.1). That of tokens is as long as the hash (RFC 7518 §3.5). */
function allowsHash(details: AsymmetricKeyDetails | undefined, bits: number): boolean {
  const { hashAlgorithm, mgf1HashAlgorithm, saltLength = 0 } = details ?? {};
  const fitting = [undefined, `sha${bits}`];
  return fitting.includes(hashAlgorithm) && fitting.includes(mgf1HashAlgorithm) && saltLength <= bits / 8;
}

function textFor(algorithm: Algorithm, key: KeyObject): string {
  return `${algorithm} ${key.export({ type: 'spki', format: 'pem' })}`;
}
