/**
 * The routes of one host and one path pattern, told apart by method, headers and query.
 *
 * Many routes on one path usually differ in one value: a tenant's header, a version in the query. That value
 * is looked up once instead of being compared with each route's, so that a thousand tenants cost what a few
 * do.
 */
import {
  type Candidate,
  compareCandidates,
  holdsAll,
  overlap,
  type Routable,
  type RouteQuery,
  takesMethod,
} from './candidate.js';
import { type Predicate, predicateValue } from './predicates.js';

/** A candidate with its place in the order in which all of the choice are tried. */
interface Ranked<R extends Routable> {
  readonly rank: number;
  readonly candidate: Candidate<R>;
}

interface Index<R extends Routable> {
  /** Any one of the predicates on the header or parameter that the index is about. */
  readonly key: Predicate;
  readonly byValue: ReadonlyMap<string, Ranked<R>[]>;
}

/** Below this, comparing is as fast as looking up. */
const FEWEST_TO_INDEX = 8;
const NONE: readonly never[] = [];

export class Choice<R extends Routable> {
  /** The only candidate, as most paths have one route; null when there are several. */
  readonly #only: Candidate<R> | null;
  readonly #index: Index<R> | null;
  /** Those that ask for no exact value of the index's key; all of them when there is no index. */
  readonly #others: readonly Ranked<R>[];

  constructor(candidates: readonly Candidate<R>[]) {
    const ranked = candidates.toSorted(compareCandidates).map((candidate, rank) => ({ rank, candidate }));
    this.#only = candidates.length === 1 ? candidates[0] : null;
    const key = commonKey(candidates);
    if (key === null) {
      this.#index = null;
      this.#others = ranked;
    } else {
      const byValue = Map.groupBy(ranked, ({ candidate }) => exactValue(candidate, key));
      this.#others = byValue.get(null) ?? NONE;
      byValue.delete(null);
      this.#index = { key, byValue: byValue as Map<string, Ranked<R>[]> };
    }
  }

  /** The candidate with the most conditions that all hold, or null. */
  pick(request: RouteQuery): Candidate<R> | null {
    if (this.#only !== null) return fits(this.#only, request) ? this.#only : null;
    const indexed = this.#indexed(request);
    const others = this.#others;
    for (let i = 0, n = 0; i < indexed.length || n < others.length; ) {
      const fromIndex = n === others.length || (i < indexed.length && indexed[i].rank < others[n].rank);
      const { candidate } = fromIndex ? indexed[i++] : others[n++];
      if (fits(candidate, request)) return candidate;
    }
    return null;
  }

  /** Adds the methods with which `pick` would have had an answer. */
  gatherMethods(request: RouteQuery, methods: Set<string>): void {
    for (const { candidate } of [...this.#indexed(request), ...this.#others]) {
      if (holdsAll(candidate.predicates, request))
        for (const method of candidate.methods) methods.add(method);
    }
  }

  /**
   * The pairs that one request may fit both of without one of them being preferred; of each pair the one that
   * stands first in the configuration first.
   */
  *ties(): Ties<R> {
    yield* tiesWithin(this.#others);
    for (const list of this.#index?.byValue.values() ?? NONE) {
      yield* tiesWithin(list);
      for (const { candidate } of list) yield* tiesOf(candidate, this.#others, 0);
    }
  }

  /** The candidates that ask for the request's value of the key. */
  #indexed(request: RouteQuery): readonly Ranked<R>[] {
    if (this.#index === null) return NONE;
    const value = predicateValue(this.#index.key, request);
    return (value === undefined ? undefined : this.#index.byValue.get(value)) ?? NONE;
  }
}

function fits(candidate: Candidate<Routable>, request: RouteQuery): boolean {
  return takesMethod(candidate, request.method) && holdsAll(candidate.predicates, request);
}

type Ties<R extends Routable> = Generator<[Candidate<R>, Candidate<R>]>;

function* tiesWithin<R extends Routable>(list: readonly Ranked<R>[]): Ties<R> {
  for (const [i, { candidate }] of list.entries()) yield* tiesOf(candidate, list, i + 1);
}

function* tiesOf<R extends Routable>(a: Candidate<R>, list: readonly Ranked<R>[], from: number): Ties<R> {
  for (let i = from; i < list.length; i++) {
    const b = list[i].candidate;
    if (a.weight === b.weight && overlap(a, b)) yield a.index < b.index ? [a, b] : [b, a];
  }
}

/** A predicate on the header or parameter for which most candidates ask one exact value, if they are many. */
function commonKey(candidates: readonly Candidate<Routable>[]): Predicate | null {
  const exact = candidates.flatMap(({ predicates }) => predicates.filter(({ match }) => 'exact' in match));
  const byName = Map.groupBy(exact, (predicate) => `${predicate.in} ${predicate.name}`);
  const [most] = [...byName.values()].sort((a, b) => b.length - a.length);
  return most !== undefined && most.length >= FEWEST_TO_INDEX ? most[0] : null;
}

function exactValue({ predicates }: Candidate<Routable>, key: Predicate): string | null {
  for (const { in: place, name, match } of predicates) {
    if (place === key.in && name === key.name && 'exact' in match) return match.exact;
  }
  return null;
}
