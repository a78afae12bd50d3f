/** The order in which routes are tried, written out: a route with several hosts has a place under each. */
import { compareCandidates, type Routable } from '../candidate.js';
import { compileRoutes, type Entry } from '../compile.js';
import { compareHosts, hostText } from '../host.js';
import { comparePatterns } from '../pattern.js';

/**
 * The table takes the first of these that fits a request. @throws Error when a path or a pattern is malformed
 */
export function inMatchOrder<R extends Routable>(routes: readonly R[]): Entry<R>[] {
  return compileRoutes(routes).sort(
    (a, b) =>
      compareHosts(a.host, b.host) ||
      comparePatterns(a.pattern, b.pattern) ||
      compareCandidates(a.candidate, b.candidate),
  );
}

/** Why, of two entries that fit the same request, the earlier one is taken: a clause about the later one. */
export function whyLater(earlier: Entry, later: Entry): string {
  if (compareHosts(earlier.host, later.host) !== 0) {
    return `${hostText(later.host)} is less exact than ${hostText(earlier.host)}`;
  }
  if (comparePatterns(earlier.pattern, later.pattern) !== 0) {
    return `path ${later.pattern.source} is less exact than ${earlier.pattern.source}`;
  }
  const [more, fewer] = [earlier.candidate.weight, later.candidate.weight];
  return more !== fewer
    ? `it has fewer conditions (${fewer} instead of ${more})`
    : 'it takes HEAD only because it takes GET';
}
