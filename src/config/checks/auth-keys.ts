import { createPrivateKey, createSecretKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  fits,
  isExponentWeak,
  isShort,
  LEAST_RSA_BITS,
  readPublicKey,
} from '../../services/tokens/verifying-key.js';
import type { Path } from '../mistakes.js';
import type { Algorithm, AuthConfig, JwtConfig, Material } from '../schema/auth.js';
import type { Report } from './report.js';

/** Whether it takes a secret, not a pair of keys. */
export function isHmac(algorithm: Algorithm): boolean {
  return algorithm.startsWith('HS');
}

/** The keys of a provider that the configuration itself holds: readable, strong, and of use for one of its algorithms. */
export function checkKeys(config: JwtConfig, path: Path, folder: string, report: Report): void {
  for (const [index, material] of (config.secret ?? []).entries()) {
    checkSecret(
      material,
      config.algorithms,
      report.written([...path, 'secret', index], [...path, 'secret']),
      folder,
      report,
    );
  }
  for (const [index, material] of (config.publicKey ?? []).entries()) {
    checkPublicKey(
      material,
      config.algorithms,
      report.written([...path, 'publicKey', index], [...path, 'publicKey']),
      folder,
      report,
    );
  }
}

/** The key that the gateway signs with. */
export function checkSigningKey({ context }: AuthConfig, folder: string, report: Report): void {
  if (context.jwt === undefined) return;
  const { algorithm, key } = context.jwt;
  const path = ['auth', 'context', 'jwt', 'key'];
  if (algorithm === 'HS256') {
    checkSecret(key, ['HS256'], path, folder, report);
    return;
  }
  const pem = read(key, path, folder, report);
  if (pem === null) return;
  try {
    const { asymmetricKeyDetails } = createPrivateKey(pem);
    if (asymmetricKeyDetails?.namedCurve === 'prime256v1') return;
  } catch {
    // It is no private key at all: the same message.
  }
  report.mistake({
    path,
    message: 'this is not a private key for ES256',
    expected: 'an EC key on P-256, PEM',
  });
}

function checkSecret(
  material: Material,
  algorithms: readonly Algorithm[],
  path: Path,
  folder: string,
  report: Report,
): void {
  const text = read(material, path, folder, report);
  if (text === null) return;
  if (text.includes('-----BEGIN ')) {
    report.mistake({
      path,
      message: 'this is a key in PEM, which others may know: no secret',
      expected: 'random text',
    });
    return;
  }
  // RFC 7518 §3.2: at least as long as the hash.
  const needed = Math.max(...algorithms.map((algorithm) => Number(algorithm.slice(2)) / 8));
  const bytes = text === '' ? 0 : (createSecretKey(Buffer.from(text)).symmetricKeySize ?? 0);
  if (bytes >= needed) return;
  report.mistake({
    path,
    message: `the secret has ${bytes} bytes`,
    expected: `at least ${needed} for ${algorithms.join(', ')} (RFC 7518 §3.2), such as the output of "openssl rand -base64 48"`,
  });
}

function checkPublicKey(
  material: Material,
  algorithms: readonly Algorithm[],
  path: Path,
  folder: string,
  report: Report,
): void {
  const pem = read(material, path, folder, report);
  if (pem === null) return;
  const key = readPublicKey(pem);
  if (key === null) {
    report.mistake({
      path,
      message: 'this is no public key',
      expected: 'a public key or a certificate, PEM',
    });
    return;
  }
  const { modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (isShort(key)) {
    report.mistake({
      path,
      message: `the RSA key has ${modulusLength} bits`,
      expected: `at least ${LEAST_RSA_BITS}`,
    });
  } else if (isExponentWeak(key)) {
    report.mistake({
      path,
      message: `the exponent ${publicExponent} of the RSA key protects nothing`,
      expected: 'such as 65537',
    });
  } else if (!algorithms.some((algorithm) => fits(key, algorithm))) {
    report.mistake({
      path,
      message: `the key (${key.asymmetricKeyType}) fits none of ${algorithms.join(', ')}`,
      expected: 'a key for one of the algorithms',
    });
  }
}

function read(material: Material, path: Path, folder: string, report: Report): string | null {
  if ('text' in material) return material.text;
  const file = resolve(folder, material.file);
  try {
    return readFileSync(file, 'utf8').trimEnd();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    report.mistake({ path, message: `${file} ${why}` });
    return null;
  }
}
