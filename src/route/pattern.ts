/**
 * The paths of routes: `/a/b` exact, `/a/:id` one segment that is not empty, `/a/*` the rest.
 *
 * `/a/*` takes `/a/` and everything below it, but not `/a`: that one is another resource with another base
 * for relative links. `/*` takes every path.
 */
import { canonicalPath, hexDigit, pathFault } from './path.js';

const PARAMETER = /^:[A-Za-z_][A-Za-z0-9_]*$/;
/** Escapes of the characters that a segment may also hold raw; see `foldReserved`. */
const RESERVED_ESCAPE = /%(?:2[146-9A-C]|3[ABD]|40)/g;

export type Segment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'parameter'; readonly text: string }
  | { readonly kind: 'wildcard'; readonly text: '*' };

export interface PathPattern {
  /** The pattern as the user wrote it. */
  readonly source: string;
  readonly segments: readonly Segment[];
  /** Equal for two patterns exactly when they match the same paths: parameter names are left out. */
  readonly shape: string;
  /** Where its parameters are; null when it has none, so that it matches one path only. */
  readonly captures: Captures | null;
}

export interface Captures {
  /** The segments that are parameters, counted from 0; the trailing wildcard is the last. */
  readonly segments: readonly number[];
  /** Whether the last one is a wildcard. */
  readonly rest: boolean;
}

/** What is wrong with the path of a route, or null. */
export function checkPathPattern(path: string): string | null {
  if (!path.startsWith('/')) return 'a path starts with "/"';
  if (path.includes('?') || path.includes('#'))
    return 'a path has no query and no fragment: match those under "query"';
  const parts = path.slice(1).split('/');
  const names = new Set<string>();
  for (const [i, part] of parts.entries()) {
    const last = i === parts.length - 1;
    if (part === '' && !last)
      return 'a path has no empty segments: repeated slashes of a request are merged before it is matched';
    if (part === '*' && !last) return '"*" stands for the rest of the path, so it can only come last';
    if (part !== '*' && part.includes('*'))
      return `"*" is a whole segment: write %2A for a literal asterisk in "${part}"`;
    if (!part.startsWith(':')) continue;
    if (!PARAMETER.test(part))
      return `"${part}" is not a parameter: ":" and a name of letters, digits and "_" make a whole segment`;
    if (names.has(part)) return `the parameter "${part}" appears twice`;
    names.add(part);
  }
  if (canonicalPath(path) === '') return lowerFirst(pathFault(path));
  return null;
}

/** @throws Error when `checkPathPattern` has something to say. */
export function parsePathPattern(source: string): PathPattern {
  const mistake = checkPathPattern(source);
  if (mistake !== null) throw new Error(`path ${JSON.stringify(source)}: ${mistake}`);
  const segments = source.slice(1).split('/').map(parseSegment);
  const captured = segments.flatMap((segment, i) => (segment.kind === 'literal' ? [] : [i]));
  const captures =
    captured.length === 0 ? null : { segments: captured, rest: segments.at(-1)?.kind === 'wildcard' };
  // Braces never stand in a canonical path, so no literal can look like a parameter.
  const shape = segments
    .map((s) => (s.kind === 'literal' ? `/${s.text}` : s.kind === 'parameter' ? '/{}' : '/{*}'))
    .join('');
  return { source, segments, shape, captures };
}

/**
 * Names of the parameters in the order of their values in `RouteMatch.params`; the trailing wildcard is named
 * `*`.
 */
export function paramNames(path: string): string[] {
  return parsePathPattern(path).segments.flatMap((s) => (s.kind === 'literal' ? [] : [s.text]));
}

/**
 * The values of the parameters in a path that the pattern takes: slices of the canonical path, not decoded
 * any further.
 */
export function captureParams({ segments, rest }: Captures, path: string): string[] {
  const values: string[] = [];
  let segment = 0;
  let start = 1;
  for (let i = 0; i < segments.length; i++) {
    for (; segment < segments[i]; segment++) start = path.indexOf('/', start) + 1;
    const end = rest && i === segments.length - 1 ? -1 : path.indexOf('/', start);
    values.push(end < 0 ? path.slice(start) : path.slice(start, end));
  }
  return values;
}

/**
 * Whether the pattern takes the path (folded, see `foldReserved`). The tree does the same for many patterns
 * at once.
 */
export function patternMatches(pattern: PathPattern, path: string): boolean {
  const parts = path.slice(1).split('/');
  const wanted = pattern.segments.length;
  if (pattern.captures?.rest ? parts.length < wanted : parts.length !== wanted) return false;
  return matchingSegments(pattern, path) === wanted;
}

/** How many segments of the pattern, from the first on, take those of the path. */
export function matchingSegments(pattern: PathPattern, path: string): number {
  const parts = path.slice(1).split('/');
  const miss = pattern.segments.findIndex(({ kind, text }, i) => {
    if (i >= parts.length) return true;
    return kind === 'literal' ? parts[i] !== text : kind === 'parameter' && parts[i] === '';
  });
  return miss < 0 ? pattern.segments.length : miss;
}

/**
 * The text on which patterns and paths are compared: the canonical path with the escapes of `!$&'()*+,;=:@`
 * decoded. RFC 3986 §2.2 calls `%3A` and `:` different, so the service gets what the client wrote; but nearly
 * every service reads them as the same, so `/items%3Abatch` must not walk past the route of `/items:batch` to
 * a wildcard with weaker filters.
 */
export function foldReserved(canonical: string): string {
  return canonical.includes('%') ? canonical.replace(RESERVED_ESCAPE, decodeEscape) : canonical;
}

/** Sorts patterns as they are tried: segment by segment, literal before parameter before wildcard. */
export function comparePatterns(a: PathPattern, b: PathPattern): number {
  const rank = { literal: 0, parameter: 1, wildcard: 2 };
  for (let i = 0; i < Math.min(a.segments.length, b.segments.length); i++) {
    const [x, y] = [a.segments[i], b.segments[i]];
    if (x.kind !== y.kind) return rank[x.kind] - rank[y.kind];
    if (x.kind === 'literal' && x.text !== y.text) return x.text < y.text ? -1 : 1;
  }
  return a.segments.length - b.segments.length;
}

function parseSegment(part: string): Segment {
  if (part === '*') return { kind: 'wildcard', text: '*' };
  if (part.startsWith(':')) return { kind: 'parameter', text: part.slice(1) };
  return { kind: 'literal', text: foldReserved(canonicalPath(`/${part}`).slice(1)) };
}

function decodeEscape(triplet: string): string {
  return String.fromCharCode(hexDigit(triplet.charCodeAt(1)) * 16 + hexDigit(triplet.charCodeAt(2)));
}

function lowerFirst(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1).replace(/\.$/, '');
}
