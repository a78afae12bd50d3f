/** The order in which routes are tried, written out: a route with several hosts has a place under each. */
import { type Candidate, compareCandidates, compileCandidate, type Routable } from './candidate.js';
import { compareHosts, hostText } from './host.js';
import { comparePatterns } from './pattern.js';

/** A route under one of its hosts. */
export interface Entry<R extends Routable = Routable> {
  /** A normal host pattern, or `ANY_HOST`. */
  readonly host: string;
  readonly candidate: Candidate<R>;
}

/** The table takes the first of these that fits a request. @throws Error when a path or a pattern is malformed */
export function inMatchOrder<R extends Routable>(routes: readonly R[]): Entry<R>[] {
  return routes
    .map((route, index) => compileCandidate(route, index))
    .flatMap((candidate) => candidate.hosts.map((host) => ({ host, candidate })))
    .sort(compareEntries);
}

function compareEntries(a: Entry, b: Entry): number {
  return (
    compareHosts(a.host, b.host) ||
    comparePatterns(a.candidate.pattern, b.candidate.pattern) ||
    compareCandidates(a.candidate, b.candidate)
  );
}

/** Why, of two entries that fit the same request, the earlier one is taken: a clause about the later one. */
export function whyLater(earlier: Entry, later: Entry): string {
  const [a, b] = [earlier.candidate, later.candidate];
  if (compareHosts(earlier.host, later.host) !== 0)
    return `${hostText(later.host)} is less exact than ${hostText(earlier.host)}`;
  if (comparePatterns(a.pattern, b.pattern) !== 0)
    return `path ${b.pattern.source} is less exact than ${a.pattern.source}`;
  if (a.weight !== b.weight) return `it has fewer conditions (${b.weight} instead of ${a.weight})`;
  return 'it takes HEAD only because it takes GET';
}
