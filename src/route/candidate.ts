/**
 * A route as matching sees it, and the rules by which routes of the same host and path pattern are told
 * apart.
 */
import type { Captures } from './pattern.js';
import { disjoint, holds, type Predicate, type ValueMatch, type ValueSource } from './predicates.js';

/** The `match` section of a route. */
export interface RouteMatchConfig {
  /** `a.com` or `*.a.com`; empty for any host. */
  readonly host: readonly string[];
  /** `/a/b`, `/a/:id` or `/a/*`. */
  readonly path: string;
  /** In upper case; empty for any method. `GET` takes `HEAD` too, nothing implies `OPTIONS`. */
  readonly methods: readonly string[];
  readonly headers: Readonly<Record<string, ValueMatch>>;
  readonly query: Readonly<Record<string, ValueMatch>>;
  /**
   * Whether a path with `%2F` is accepted. Matching ignores it: whoever asks the table must refuse such a
   * request.
   */
  readonly encodedSlashes: boolean;
}

/** What the table needs of a route. */
export interface Routable {
  readonly name: string;
  readonly match: RouteMatchConfig;
}

/** What matching reads of a request. */
export interface RouteQuery extends ValueSource {
  /** As sent: methods are case-sensitive (RFC 9110 §9.1). */
  readonly method: string;
  /** From `canonicalPath`. */
  readonly path: string;
  /** From `normalHost`. */
  readonly host: string;
}

/**
 * A compiled route. Kept small: what thousands of these hold decides whether a lookup stays in the
 * processor's cache.
 */
export interface Candidate<R extends Routable> {
  readonly route: R;
  /** Position in the configuration. */
  readonly index: number;
  /** The methods it takes, with the implied `HEAD`; empty for any. */
  readonly methods: readonly string[];
  readonly predicates: readonly Predicate[];
  /** How many conditions it puts beyond host and path: the methods count as one. */
  readonly weight: number;
  /** Where in the path its parameters are; null when it has none. */
  readonly captures: Captures | null;
}

export function takesMethod(candidate: Candidate<Routable>, method: string): boolean {
  return candidate.methods.length === 0 || candidate.methods.includes(method);
}

export function holdsAll(predicates: readonly Predicate[], request: ValueSource): boolean {
  for (let i = 0; i < predicates.length; i++) {
    if (!holds(predicates[i], request)) return false;
  }
  return true;
}

/**
 * Sorts candidates as they are tried: more conditions first, and a route that names `HEAD` before one that
 * implies it.
 */
export function compareCandidates(a: Candidate<Routable>, b: Candidate<Routable>): number {
  const impliesHead = (c: Candidate<Routable>) => Number(!c.route.match.methods.includes('HEAD'));
  return b.weight - a.weight || impliesHead(a) - impliesHead(b) || a.index - b.index;
}

/**
 * Whether a request may fit both. False only when that is known to be impossible: two predicates on different
 * names, or two patterns, may both hold.
 */
export function overlap(a: Candidate<Routable>, b: Candidate<Routable>): boolean {
  const [x, y] = [a.route.match.methods, b.route.match.methods];
  if (x.length > 0 && y.length > 0 && !x.some((method) => y.includes(method))) return false;
  return !a.predicates.some((p) => b.predicates.some((q) => disjoint(p, q)));
}
