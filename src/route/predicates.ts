/**
 * What a route asks of headers and query parameters beyond host, path and method.
 *
 * A field or parameter that comes several times is judged by its first value, everywhere.
 */
import { createRequire } from 'node:module';
import { unescape as decodeEscapes } from 'node:querystring';
import type { RE2JS } from 're2js';
import { hexDigit } from './path.js';

/**
 * One demand on a value, as the configuration states it. A pattern is RE2 and matches anywhere unless it is
 * anchored.
 */
export type ValueMatch = { present: boolean } | { exact: string } | { pattern: string };

export interface Predicate {
  readonly in: 'header' | 'query';
  /** Header names in lower case; parameter names decoded, in their own case. */
  readonly name: string;
  readonly match: ValueMatch;
  /** Whether the first value, undefined when there is none, satisfies `match`. */
  readonly accepts: (value: string | undefined) => boolean;
  /** For a query: the name as UTF-8, which is what encoded names are compared with. */
  readonly nameBytes: Uint8Array;
}

/** What predicates read of a request. */
export interface ValueSource {
  /** The raw query without the question mark, empty when there is none. */
  readonly query: string;
  /** The first value of a header by its lower-case name. */
  header(name: string): string | undefined;
}

const require = createRequire(import.meta.url);

const PERCENT = 0x25;
const PLUS = 0x2b;
const SPACE = 0x20;
const EQUALS = 0x3d;

/**
 * `name` of a header in lower case, of a parameter decoded.
 * @throws Error when a pattern is no RE2 pattern: see `checkPattern`
 */
export function compilePredicate(place: Predicate['in'], name: string, match: ValueMatch): Predicate {
  return { in: place, name, match, accepts: compileMatch(match), nameBytes: Buffer.from(name) };
}

export function holds(predicate: Predicate, request: ValueSource): boolean {
  return predicate.accepts(predicateValue(predicate, request));
}

/** The value that a predicate judges. */
export function predicateValue(predicate: Predicate, request: ValueSource): string | undefined {
  return predicate.in === 'header'
    ? request.header(predicate.name)
    : firstValue(request.query, predicate.nameBytes);
}

/**
 * The first value of a parameter in a raw query, decoded as application/x-www-form-urlencoded (`+` is a
 * space, escapes that are no escapes stay as they are); undefined when the parameter is absent, empty when it
 * has no `=`.
 */
export function queryValue(query: string, name: string): string | undefined {
  return firstValue(query, Buffer.from(name));
}

/** What is wrong with an RE2 pattern, with the position in it where one is known, or null. */
export function checkPattern(pattern: string): string | null {
  try {
    re2().RE2JS.compile(pattern);
    return null;
  } catch (error) {
    return patternMistake(pattern, error);
  }
}

/**
 * A pattern for texts of clients, to be found anywhere in them unless it is anchored.
 * @throws Error when it is no RE2 pattern
 */
export function linearPattern(pattern: string): { test(text: string): boolean } {
  return compilePattern(pattern);
}

/** Whether no request can satisfy both predicates. False when that is not known. */
export function disjoint(a: Predicate, b: Predicate): boolean {
  if (a.in !== b.in || a.name !== b.name) return false;
  return excludes(a.match, b) || excludes(b.match, a);
}

/** A demand in words, to follow the name: `is present`, `= "1"`, `matches /^v/`. */
export function describeMatch(match: ValueMatch): string {
  if ('present' in match) return match.present ? 'is present' : 'is absent';
  return 'exact' in match ? `= ${JSON.stringify(match.exact)}` : `matches /${match.pattern}/`;
}

/**
 * A demand that only one value satisfies (or only none) is disjoint from all predicates that do not accept
 * that value.
 */
function excludes(match: ValueMatch, other: Predicate): boolean {
  if ('exact' in match) return !other.accepts(match.exact);
  return 'present' in match && !match.present && !other.accepts(undefined);
}

function compileMatch(match: ValueMatch): (value: string | undefined) => boolean {
  if ('present' in match) return match.present ? isPresent : isAbsent;
  if ('exact' in match) {
    const { exact } = match;
    return function isExactly(value) {
      return value === exact;
    };
  }
  const pattern = compilePattern(match.pattern);
  return function fitsPattern(value) {
    return value !== undefined && pattern.test(value);
  };
}

function compilePattern(pattern: string): RE2JS {
  try {
    return re2().RE2JS.compile(pattern);
  } catch (error) {
    throw new Error(`pattern ${JSON.stringify(pattern)}: ${patternMistake(pattern, error)}`, {
      cause: error,
    });
  }
}

/** Loaded with the first pattern: 0.6 MiB. */
function re2(): typeof import('re2js') {
  return require('re2js');
}

function patternMistake(pattern: string, error: unknown): string {
  const { RE2JSException, RE2JSSyntaxException } = re2();
  if (!(error instanceof RE2JSException)) throw error;
  if (!(error instanceof RE2JSSyntaxException)) return error.message;
  const part = error.getPattern() ?? '';
  const where = part === '' ? '' : ` in "${part}"`;
  const at = part === '' || part === pattern ? -1 : pattern.indexOf(part);
  return `${error.getDescription()}${where}${at < 0 ? '' : ` at character ${at + 1}`}`;
}

function isPresent(value: string | undefined): boolean {
  return value !== undefined;
}

function isAbsent(value: string | undefined): boolean {
  return value === undefined;
}

function firstValue(query: string, name: Uint8Array): string | undefined {
  for (let start = 0; start < query.length; ) {
    const ampersand = query.indexOf('&', start);
    const end = ampersand < 0 ? query.length : ampersand;
    const afterName = end > start ? skipName(query, start, end, name) : -1;
    if (afterName >= 0) return afterName === end ? '' : decodeForm(query.slice(afterName + 1, end));
    start = end + 1;
  }
  return undefined;
}

/**
 * The index after the name of the parameter between `start` and `end` when it is `name`, else -1. Decodes
 * while it compares, so that a query of thousands of encoded names costs one pass and no memory.
 */
function skipName(query: string, start: number, end: number, name: Uint8Array): number {
  let i = start;
  for (let n = 0; n < name.length; n++, i++) {
    if (i >= end) return -1;
    let byte = query.charCodeAt(i);
    if (byte === EQUALS) return -1;
    if (byte === PLUS) {
      byte = SPACE;
    } else if (byte === PERCENT && i + 2 < end) {
      const high = hexDigit(query.charCodeAt(i + 1));
      const low = hexDigit(query.charCodeAt(i + 2));
      if (high >= 0 && low >= 0) {
        byte = high * 16 + low;
        i += 2;
      }
    }
    if (byte !== name[n]) return -1;
  }
  return i === end || query.charCodeAt(i) === EQUALS ? i : -1;
}

function decodeForm(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  return spaced.includes('%') ? decodeEscapes(spaced) : spaced;
}
