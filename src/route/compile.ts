/** Compiles the routes of a configuration for matching. */
import type { Candidate, Routable } from './candidate.js';
import { ANY_HOST, normalHostPattern } from './host.js';
import { type Captures, type PathPattern, parsePathPattern } from './pattern.js';
import { compilePredicate, type Predicate, type ValueMatch } from './predicates.js';

/** A route under one of its hosts. */
export interface Entry<R extends Routable = Routable> {
  /** A normal host pattern, or `ANY_HOST`. */
  readonly host: string;
  readonly pattern: PathPattern;
  readonly candidate: Candidate<R>;
}

/**
 * One entry for each host of each route, in the order of the configuration.
 * @throws Error when a path or a pattern is malformed; the configuration's schema has checked both before
 */
export function compileRoutes<R extends Routable>(routes: readonly R[]): Entry<R>[] {
  const parts = new SharedParts();
  return routes.flatMap((route, index) => {
    const { host, path, methods } = route.match;
    const pattern = parsePathPattern(path);
    const predicates = parts.predicates(route);
    const candidate: Candidate<R> = {
      route,
      index,
      methods: parts.methods(methods),
      predicates,
      weight: predicates.length + (methods.length > 0 ? 1 : 0),
      captures: parts.captures(pattern.captures),
    };
    const hosts = host.length === 0 ? [ANY_HOST] : new Set(host.map(normalHostPattern));
    return [...hosts].map((name) => ({ host: name, pattern, candidate }));
  });
}

const NONE: readonly never[] = [];

/**
 * What routes have in common is kept once. With 10,000 routes a lookup's time is that of fetching memory:
 * this halves it, and compiles a pattern that all routes name once.
 */
class SharedParts {
  readonly #methods = new Map<string, readonly string[]>();
  readonly #captures = new Map<string, Captures>();
  readonly #predicates = new Map<string, Predicate>();

  methods(methods: readonly string[]): readonly string[] {
    const withHead = methods.includes('GET') && !methods.includes('HEAD') ? [...methods, 'HEAD'] : methods;
    return shared(this.#methods, withHead.join(), () => withHead);
  }

  captures(captures: Captures | null): Captures | null {
    return captures && shared(this.#captures, JSON.stringify(captures), () => captures);
  }

  predicates({ match }: Routable): readonly Predicate[] {
    const predicates = [
      ...Object.entries(match.headers).map(([name, demand]) =>
        this.#predicate('header', name.toLowerCase(), demand),
      ),
      ...Object.entries(match.query).map(([name, demand]) => this.#predicate('query', name, demand)),
    ];
    return predicates.length === 0 ? NONE : predicates;
  }

  #predicate(place: Predicate['in'], name: string, demand: ValueMatch): Predicate {
    const key = JSON.stringify([place, name, demand]);
    return shared(this.#predicates, key, () => compilePredicate(place, name, demand));
  }
}

function shared<T>(known: Map<string, T>, key: string, make: () => T): T {
  const part = known.get(key) ?? make();
  known.set(key, part);
  return part;
}
