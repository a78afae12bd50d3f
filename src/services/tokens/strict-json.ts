/**
 * Base64url and JSON as tokens write them, and in no other way: what two parsers could read differently is refused.
 * Imports nothing from the project: it also runs in threads.
 */
import { isUtf8 } from 'node:buffer';

const DEEPEST = 16;
const ALPHABET = /^[A-Za-z0-9_-]+$/;
/** Last characters whose unused low bits are zero (RFC 4648 §3.5), when two or three characters remain. */
const LAST_OF_TWO = 'AQgw';
const LAST_OF_THREE = 'AEIMQUYcgkosw048';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_MAPPING = 0x7b;
const CLOSE_MAPPING = 0x7d;

/** Unpadded base64url (RFC 7515 §2), not empty, that encoding its bytes again would give. */
export function isCanonical(segment: string): boolean {
  if (!ALPHABET.test(segment)) return false;
  switch (segment.length % 4) {
    case 0:
      return true;
    case 2:
      return LAST_OF_TWO.includes(segment[segment.length - 1]);
    case 3:
      return LAST_OF_THREE.includes(segment[segment.length - 1]);
    default:
      return false;
  }
}

/** The JSON object in a segment; null when it is none, or has a name twice at any depth (RFC 7519 §4), or is too deep. */
export function decodeObject(segment: string): Record<string, unknown> | null {
  if (!isCanonical(segment)) return null;
  const bytes = Buffer.from(segment, 'base64url');
  if (!isUtf8(bytes)) return null;
  const text = bytes.toString();
  const members = countColons(text);
  if (members < 0) return null;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    // The parser keeps one of two members with the same name, so that some would be missing.
    return countMembers(value) === members ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** The same for a segment that `decodeObject` has accepted before. */
export function decodeAgain(segment: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(segment, 'base64url').toString());
}

/** Colons outside of texts, which in valid JSON are the members of all mappings; -1 when it goes too deep. */
function countColons(text: string): number {
  let colons = 0;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        i = endOfText(text, i);
        if (i < 0) return -1;
        break;
      case COLON:
        colons++;
        break;
      case OPEN_LIST:
      case OPEN_MAPPING:
        if (++depth > DEEPEST) return -1;
        break;
      case CLOSE_LIST:
      case CLOSE_MAPPING:
        depth--;
        break;
    }
  }
  return colons;
}

/** Where the text ends whose opening quote is at `start`; -1 when it does not. */
function endOfText(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((end - before) % 2 === 1) return end;
  }
  return -1;
}

/** At most `DEEPEST` levels deep. */
function countMembers(value: object): number {
  const values: unknown[] = Array.isArray(value) ? value : Object.values(value);
  let count = Array.isArray(value) ? 0 : values.length;
  for (const member of values) {
    if (typeof member === 'object' && member !== null) count += countMembers(member);
  }
  return count;
}
