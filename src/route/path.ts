/**
 * The one canonical path. Matching, limits, the cache and the upstream all read what `canonicalPath` returns,
 * so that no spelling of a path can be seen as one resource by the gateway and as another by the service
 * behind it.
 *
 * Canonical means (RFC 3986 §6.2.2, and stricter where servers are known to disagree):
 * - escapes of unreserved characters are decoded, all others kept in upper case: `/%7euser/%c3%a9` is
 *   `/~user/%C3%A9`;
 * - repeated slashes are one slash. Most servers merge them, so `//admin` would otherwise reach `/admin` past
 *   its route; and a target that starts with `//` reads as a host name to anything that resolves it as a
 *   reference;
 * - what has no safe reading is refused: see `pathFault`.
 */

const SLASH = 0x2f;
const DOT = 0x2e;
const PERCENT = 0x25;
const BACKSLASH = 0x5c;
const DELETE = 0x7f;

const UNRESERVED = tableOf('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~');
/** RFC 3986 pchar and the slash, without the percent sign that introduces an escape. */
const PLAIN = tableOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/");

/** `%25` before two hexadecimal digits: whoever decodes twice sees another path than whoever decodes once. */
const DOUBLE_ENCODING = /%25[0-9A-Fa-f]{2}/;
/**
 * A whole segment of one or two dots. An encoded slash bounds a segment too, because the service may decode
 * it; so does a semicolon, because servers that strip path parameters turn `/..;x/` into `/../`.
 */
const DOT_SEGMENT = /(?:\/|%2F)\.\.?(?:\/|%2F|;|%3B|$)/;

/** A path, or why there is none; the other one is the empty string. */
interface Outcome {
  readonly path: string;
  readonly fault: string;
}

/**
 * The canonical form of a request target's path (without the query), or the empty string when the path must
 * be refused. A path that is canonical already comes back as the same string, after one scan.
 */
export function canonicalPath(raw: string): string {
  if (raw.charCodeAt(0) !== SLASH) return '';
  let previous = 0;
  for (let i = 0; i < raw.length; i++) {
    const c = raw.charCodeAt(i);
    if (c >= DELETE || PLAIN[c] === 0 || (previous === SLASH && (c === SLASH || c === DOT)))
      return rewrite(raw).path;
    previous = c;
  }
  return raw;
}

/**
 * Why `canonicalPath` refuses this path, as a sentence for the client; empty when it does not. Not for the
 * hot path.
 */
export function pathFault(raw: string): string {
  return rewrite(raw).fault;
}

/**
 * Whether a canonical path holds an encoded slash, which only a route with `encodedSlashes: true` accepts.
 */
export function hasEncodedSlash(canonical: string): boolean {
  return canonical.includes('%2F');
}

/**
 * Whether a query (without the question mark) holds only what a request line may carry: visible ASCII without
 * `#`. Laxer than RFC 3986 §3.4, because browsers send `|`, `^`, `{` and the like as they are.
 */
export function validQuery(raw: string): boolean {
  for (let i = 0; i < raw.length; i++) {
    const c = raw.charCodeAt(i);
    if (c <= 0x20 || c >= DELETE || c === 0x23) return false;
  }
  return true;
}

function rewrite(raw: string): Outcome {
  if (raw.charCodeAt(0) !== SLASH) return refused('The path does not start with a slash.');
  let path = '';
  let previous = 0;
  for (let i = 0; i < raw.length; ) {
    const c = raw.charCodeAt(i);
    if (c === PERCENT) {
      const byte = escapedByte(raw, i);
      if (byte < 0) return refused('The path holds a percent sign without two hexadecimal digits.');
      if (byte < 0x20 || byte === DELETE) return refused('The path holds an encoded control character.');
      if (byte === BACKSLASH) return refused('The path holds an encoded backslash.');
      const length = byte < 0x80 ? 1 : utf8Length(raw, i);
      if (length === 0) return refused('The path holds escapes that are not valid UTF-8.');
      const sequence = raw.slice(i, i + 3 * length);
      path += byte < 0x80 && UNRESERVED[byte] === 1 ? String.fromCharCode(byte) : sequence.toUpperCase();
      i += sequence.length;
    } else {
      if (c === BACKSLASH) return refused('The path holds a backslash.');
      if (c >= DELETE || PLAIN[c] === 0)
        return refused('The path holds a character that must be percent-encoded.');
      if (c !== SLASH || previous !== SLASH) path += raw[i];
      i++;
    }
    previous = c;
  }
  // On the result, not on the raw text: `%25%34%31` becomes `%2541` only by decoding.
  if (DOUBLE_ENCODING.test(path)) return refused('The path is percent-encoded twice.');
  if (DOT_SEGMENT.test(path)) return refused('The path holds a dot segment.');
  return { path, fault: '' };
}

function refused(fault: string): Outcome {
  return { path: '', fault };
}

/** The byte of the escape at `at`, or -1 when there is no complete escape. */
function escapedByte(text: string, at: number): number {
  if (text.charCodeAt(at) !== PERCENT) return -1;
  const high = hexDigit(text.charCodeAt(at + 1));
  const low = hexDigit(text.charCodeAt(at + 2));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/** Value of a hexadecimal digit, or -1; also -1 for the NaN that `charCodeAt` gives past the end. */
export function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/**
 * How many escapes from `at` make one well-formed UTF-8 sequence (RFC 3629 §4: no overlong forms, no
 * surrogates, nothing above U+10FFFF), or 0. Only called for a first byte of 0x80 and above.
 */
function utf8Length(text: string, at: number): number {
  const lead = escapedByte(text, at);
  const length =
    lead >= 0xc2 && lead <= 0xdf
      ? 2
      : lead >= 0xe0 && lead <= 0xef
        ? 3
        : lead >= 0xf0 && lead <= 0xf4
          ? 4
          : 0;
  for (let n = 1; n < length; n++) {
    const byte = escapedByte(text, at + 3 * n);
    const low = n > 1 ? 0x80 : lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = n > 1 ? 0xbf : lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (byte < low || byte > high) return 0;
  }
  return length;
}

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(128);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  return table;
}
