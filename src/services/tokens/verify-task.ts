/**
 * What a thread does with a batch of tokens. Piscina loads this file by itself, built or not, so what it imports of the
 * project is found by its own extension.
 */
import { constants, createPublicKey, verify } from 'node:crypto';
import { createVerifier } from 'fast-jwt';

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const { decodeObject, isCanonical } = (await import(
  new URL(`./strict-json${extension}`, import.meta.url).href
)) as typeof import('./strict-json.js');

/** Tokens and the keys they may be signed with. */
export interface Batch {
  /** Each member: keys to try, as `verifyingKeyText` writes them. */
  readonly keys: readonly (readonly string[])[];
  readonly tokens: readonly string[];
  /** For each token, the index of its keys. */
  readonly uses: readonly number[];
}

/** v: signed with one of its keys and well formed. m: malformed. s: signed otherwise. */
export type Verdict = 'v' | 'm' | 's';

type Check = (token: string, signatureAt: number) => boolean;

const MOST_CHECKS = 1000;
const checks = new Map<string, Check>();
const NEVER: Check = () => false;

/** A verdict for each token, as one text: the least to send back. */
export function verifyBatch({ keys, tokens, uses }: Batch): string {
  let verdicts = '';
  for (let i = 0; i < tokens.length; i++) verdicts += judge(tokens[i], keys[uses[i]]);
  return verdicts;
}

/** The header has been judged before. */
function judge(token: string, keys: readonly string[]): Verdict {
  const payloadAt = token.indexOf('.') + 1;
  const signatureAt = token.lastIndexOf('.') + 1;
  if (!isCanonical(token.slice(signatureAt))) return 'm';
  if (!isCanonical(token.slice(payloadAt, signatureAt - 1))) return 'm';
  if (!keys.some((key) => checkFor(key)(token, signatureAt))) return 's';
  return decodeObject(token.slice(payloadAt, signatureAt - 1)) === null ? 'm' : 'v';
}

function checkFor(key: string): Check {
  let check = checks.get(key);
  if (check === undefined) {
    // Keys change seldom: this many come from nowhere but a long life.
    if (checks.size === MOST_CHECKS) checks.clear();
    check = createCheck(key) ?? NEVER;
    checks.set(key, check);
  }
  return check;
}

/** null: the key cannot be used; the other tokens of the batch do not suffer for it. */
function createCheck(key: string): Check | null {
  try {
    return checkBy(key);
  } catch {
    return null;
  }
}

/** Throws when the key cannot be used. The check does not: the other tokens of the batch would suffer for it. */
function checkBy(key: string): Check {
  const space = key.indexOf(' ');
  const algorithm = key.slice(0, space);
  const pem = key.slice(space + 1);
  const publicKey = createPublicKey(pem);
  // fast-jwt does not take keys that are for PSS alone (RFC 4055 §1.2).
  if (publicKey.asymmetricKeyType === 'rsa-pss') {
    const options = {
      key: publicKey,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    };
    const hash = `sha${algorithm.slice(2)}`;
    return function checkPss(token, signatureAt) {
      const signed = Buffer.from(token.slice(0, signatureAt - 1), 'latin1');
      try {
        return verify(hash, signed, options, Buffer.from(token.slice(signatureAt), 'base64url'));
      } catch {
        return false;
      }
    };
  }
  const verifier = createVerifier({
    key: pem,
    algorithms: [algorithm as 'RS256'],
    cache: false,
    ignoreExpiration: true,
    ignoreNotBefore: true,
  });
  return function check(token) {
    try {
      verifier(token);
      return true;
    } catch {
      return false;
    }
  };
}
