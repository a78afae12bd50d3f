import { createPublicKey, type JsonWebKey as NodeKey } from 'node:crypto';
import type { Algorithm } from '../../config/schema/auth.js';
import type { JsonWebKey } from '../../services/primary-answers.js';
import { fits, isWeak } from '../../services/tokens/verifying-key.js';

/** Symmetric keys (`oct`) are not among them: what is published is no secret. */
const CURVES: Readonly<Record<string, readonly string[] | null>> = {
  RSA: null,
  EC: ['P-256', 'P-384', 'P-521'],
  OKP: ['Ed25519', 'Ed448'],
};
const TEXTS = ['kid', 'alg', 'use', 'crv', 'n', 'e', 'x', 'y'] as const;

/**
 * The keys of a JWK Set (RFC 7517 §5) that can verify a signature by one of `algorithms`, reduced to their public
 * members. Throws an Error for people when it is no JWK Set or holds no such key.
 */
export function usableKeys(document: unknown, algorithms: readonly string[]): JsonWebKey[] {
  const listed = (document as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(listed)) throw new Error('the answer is not a JWK Set');
  const usable = listed.flatMap((member) => usableKey(member, algorithms) ?? []);
  if (usable.length === 0) throw new Error('the JWK Set holds no key that can be used');
  return usable;
}

function usableKey(member: unknown, algorithms: readonly string[]): JsonWebKey | null {
  const key = publicMembers(member);
  if (key === null) return null;
  const { kty, alg, use, key_ops, crv } = key;
  if (use !== undefined && use !== 'sig') return null;
  if (key_ops !== undefined && !key_ops.includes('verify')) return null;
  if (alg !== undefined && !algorithms.includes(alg)) return null;
  if (!Object.hasOwn(CURVES, kty)) return null;
  const curves = CURVES[kty];
  if (curves !== null && !curves.includes(crv ?? '')) return null;
  return isSound(key, algorithms) ? key : null;
}

/** A copy of what we know; null when a member has the wrong type. */
function publicMembers(member: unknown): JsonWebKey | null {
  if (typeof member !== 'object' || member === null) return null;
  const given = member as Record<string, unknown>;
  if (typeof given.kty !== 'string') return null;
  const key: Record<string, unknown> = { kty: given.kty };
  for (const name of TEXTS) {
    if (given[name] === undefined) continue;
    if (typeof given[name] !== 'string') return null;
    key[name] = given[name];
  }
  if (given.key_ops !== undefined) {
    if (!Array.isArray(given.key_ops)) return null;
    key.key_ops = given.key_ops.filter((operation) => typeof operation === 'string');
  }
  return key as unknown as JsonWebKey;
}

/** Points off the curve, numbers that are none, RSA keys that are too short or protect nothing, an `alg` of another type. */
function isSound(key: JsonWebKey, algorithms: readonly string[]): boolean {
  try {
    const publicKey = createPublicKey({ key: key as NodeKey, format: 'jwk' });
    if (isWeak(publicKey)) return false;
    return algorithms.some(
      (one) => (key.alg === undefined || key.alg === one) && fits(publicKey, one as Algorithm),
    );
  } catch {
    return false;
  }
}
