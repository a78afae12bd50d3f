/** What conditions read of a request, in the words that people compare: decoded. */
import type { Exchange } from '../../../exchange.js';

const EQUALS = 0x3d;
const NOT_ASCII = /[^\x00-\x7f]/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Occurs several times: which one the service would take is not for us to guess. */
export const SEVERAL = Symbol('several');

export type Field = string | undefined | typeof SEVERAL;

/** A segment of a canonical path, whose escapes are well formed. */
export function decodedSegment(segment: string | undefined): string | undefined {
  return segment?.includes('%') ? decoded(segment) : segment;
}

/** A field's value; its bytes are read as UTF-8 when they are. `name` in lower case. */
export function headerValue(x: Exchange, name: string): Field {
  const { headers } = x;
  let value: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue;
    if (value !== undefined) return SEVERAL;
    value = headers[i + 1];
  }
  value ??= x.header(name);
  return value !== undefined && NOT_ASCII.test(value) ? meaningOf(value) : value;
}

/** Reads a parameter's value, decoded as application/x-www-form-urlencoded; empty without `=`. */
export function queryReader(name: string): (query: string) => Field {
  const mayBePlain = !/[%+=&]/.test(name) && name !== '';
  return function readQuery(query) {
    if (query === '') return undefined;
    const plain = !query.includes('%') && !query.includes('+');
    let value: string | undefined;
    for (let start = 0; start < query.length; ) {
      const ampersand = query.indexOf('&', start);
      const end = ampersand < 0 ? query.length : ampersand;
      let nameEnd = mayBePlain ? endOfPlain(query, start, end, name) : -1;
      if (nameEnd < 0 && !(plain && mayBePlain)) nameEnd = endOfEncoded(query, start, end, name);
      if (nameEnd >= 0) {
        if (value !== undefined) return SEVERAL;
        value = formDecoded(query.slice(nameEnd + 1, end));
      }
      start = end + 1;
    }
    return value;
  };
}

/** Where the name of the pair between `start` and `end` ends when it is this one, as written; else -1. */
function endOfPlain(query: string, start: number, end: number, name: string): number {
  const after = start + name.length;
  const ends = after === end || (after < end && query.charCodeAt(after) === EQUALS);
  return ends && query.startsWith(name, start) ? after : -1;
}

function endOfEncoded(query: string, start: number, end: number, name: string): number {
  const pair = query.slice(start, end);
  const equals = pair.indexOf('=');
  const written = equals < 0 ? pair : pair.slice(0, equals);
  return formDecoded(written) === name ? start + written.length : -1;
}

function formDecoded(text: string): string {
  return decoded(text.includes('+') ? text.replaceAll('+', ' ') : text);
}

/** What is not well encoded is taken literally. */
function decoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function meaningOf(bytes: string): string {
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return bytes;
  }
}
