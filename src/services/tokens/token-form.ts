/** The outside of a token: three segments, and a header that asks for nothing we do not do (RFC 7515, RFC 8725 §3). */
import { BoundedMap } from '../bounded-map.js';
import type { Refusal } from '../identity.js';
import { HEADER, MALFORMED, TYPE } from './refusals.js';
import { decodeObject } from './strict-json.js';

export const LONGEST_TOKEN = 8192;

/** What a header says. Frozen: many tokens share one. */
export interface TokenHeader {
  readonly algorithm: string;
  /** null: it names no key. */
  readonly kid: string | null;
}

/**
 * Keys that come with the token prove nothing; unknown extensions cannot be obeyed; and what changes how the payload is
 * read (`b64`, `zip`, `enc`) makes it another kind of token.
 */
const REFUSED = ['crit', 'jwk', 'jku', 'x5u', 'x5c', 'b64', 'zip', 'enc'];
/** Names of keys beside `kid`, by which we cannot find one. */
const THUMBPRINTS = ['x5t', 'x5t#S256'];

const REMEMBERED = 1000;
/** Issuers write short ones; long ones come from others, and are not worth their room. */
const LONGEST_REMEMBERED = 512;

/** Where the segments begin; null when there are not three. */
export function segmentsOf(token: string): { payloadAt: number; signatureAt: number } | null {
  const payloadAt = token.indexOf('.') + 1;
  const signatureAt = payloadAt === 0 ? 0 : token.indexOf('.', payloadAt) + 1;
  if (signatureAt === 0 || token.includes('.', signatureAt)) return null;
  return { payloadAt, signatureAt };
}

/** Reads headers, each but once: an issuer writes the same one on all tokens of a key. */
export class TokenHeaders {
  readonly #typ: string | null;
  readonly #known = new BoundedMap<string, TokenHeader>(REMEMBERED);

  /** `typ`: what it must be; null: anything. */
  constructor(typ: string | null) {
    this.#typ = typ === null ? null : mediaType(typ);
  }

  read(segment: string): TokenHeader | Refusal {
    const known = this.#known.get(segment);
    if (known !== undefined) return known;
    const header = this.#parse(segment);
    if ('algorithm' in header && segment.length <= LONGEST_REMEMBERED) {
      // A copy: the segment is a part of the token, and would keep all of it in memory.
      this.#known.set(Buffer.from(segment, 'latin1').toString('latin1'), header);
    }
    return header;
  }

  #parse(segment: string): TokenHeader | Refusal {
    const header = decodeObject(segment);
    if (header === null) return MALFORMED;
    const { alg, kid = null, typ } = header;
    if (typeof alg !== 'string' || (kid !== null && typeof kid !== 'string')) return HEADER;
    if (Object.hasOwn(header, 'kid') && kid === null) return HEADER;
    if (REFUSED.some((name) => Object.hasOwn(header, name))) return HEADER;
    if (kid === null && THUMBPRINTS.some((name) => Object.hasOwn(header, name))) return HEADER;
    if (typ !== undefined && typeof typ !== 'string') return HEADER;
    if (this.#typ !== null && (typ === undefined || mediaType(typ) !== this.#typ)) return TYPE;
    return Object.freeze({ algorithm: alg, kid });
  }
}

/** RFC 7515 §4.1.9: case does not matter, and `application/` may be left out. */
function mediaType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '');
}
