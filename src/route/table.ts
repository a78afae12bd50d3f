/**
 * Which route? The most exact host that has an answer (name, then the longest wildcard, then any host), there
 * the most exact path (segment by segment literal, parameter, wildcard), there the route with the most
 * conditions on method, headers and query. A route whose conditions fail is passed over, and the next best is
 * asked.
 */
import type { Candidate, Routable, RouteQuery } from './candidate.js';
import { Choice } from './choice.js';
import { compileRoutes } from './compile.js';
import { ANY_HOST, hostText } from './host.js';
import { captureParams, foldReserved, type PathPattern } from './pattern.js';
import { type Ask, PathTree } from './tree.js';

/** Where `find` puts what it learns beside the route. */
export interface RouteMatch {
  /**
   * Values of the path's parameters in the order of `paramNames`, the trailing wildcard last: slices of the
   * canonical path, so still percent-encoded. A fresh array, or a shared empty one that must not be changed.
   */
  params: readonly string[];
  /**
   * When no route was found only because of the method: the methods that would have had one, for a 405. Else
   * empty.
   */
  allow: readonly string[];
}

/** Two routes that take the same requests with neither being the more exact one. */
export class RouteConflict extends Error {
  override readonly name = 'RouteConflict';
  /** Names of the routes, and their positions in the configuration. */
  readonly first: { readonly name: string; readonly index: number };
  readonly second: { readonly name: string; readonly index: number };

  constructor(first: Candidate<Routable>, second: Candidate<Routable>, host: string) {
    super(
      `routes "${first.route.name}" and "${second.route.name}" tie: both take ${first.route.match.path} on ` +
        `${hostText(host)} with equally many conditions, which one request can meet together`,
    );
    this.first = { name: first.route.name, index: first.index };
    this.second = { name: second.route.name, index: second.index };
  }
}

/** The choices of one host. */
type Tree<R extends Routable> = PathTree<Choice<R>>;

const NONE: readonly string[] = Object.freeze([]);

export class RouteTable<R extends Routable> {
  readonly #exactHosts = new Map<string, Tree<R>>();
  /** By suffix with its dot: `*.example.com` is `.example.com`. */
  readonly #wildcardHosts = new Map<string, Tree<R>>();
  readonly #anyHost: Tree<R> = new PathTree();
  /** The most dots in a wildcard's suffix: longer suffixes of a host need no lookup. */
  readonly #wildcardDots: number;

  /**
   * Compiles the routes, once per configuration.
   * @throws RouteConflict for the first two routes that tie
   */
  constructor(routes: readonly R[]) {
    const groups = group(routes);
    const conflict = conflictsIn(groups)[0];
    if (conflict !== undefined) throw conflict;
    let dots = 0;
    for (const { host, pattern, choice } of groups) {
      const suffix = host.startsWith('*.') ? host.slice(1) : '';
      dots = Math.max(dots, suffix.split('.').length - 1);
      const tree = suffix
        ? treeOf(this.#wildcardHosts, suffix)
        : host === ANY_HOST
          ? this.#anyHost
          : treeOf(this.#exactHosts, host);
      tree.set(pattern, choice);
    }
    this.#wildcardDots = dots;
  }

  /**
   * The route for a request, or null; fills `out` either way. Allocates only for parameters, wildcard hosts
   * and escapes.
   */
  find(request: RouteQuery, out: RouteMatch): R | null {
    const path = foldReserved(request.path);
    const found = this.#search<RouteQuery, Candidate<R>>(request.host, path, pick, request);
    if (found === null) {
      out.params = NONE;
      out.allow = this.#allow(request, path);
      return null;
    }
    out.params = found.captures === null ? NONE : captureParams(found.captures, request.path);
    out.allow = NONE;
    return found.route;
  }

  #search<Q, A>(host: string, path: string, ask: Ask<Choice<R>, Q, A>, request: Q): A | null {
    const exact = this.#exactHosts.get(host)?.find(path, ask, request);
    if (exact) return exact;
    const wildcard = this.#wildcardDots > 0 ? this.#searchWildcards(host, path, ask, request) : null;
    return wildcard ?? this.#anyHost.find(path, ask, request);
  }

  #searchWildcards<Q, A>(host: string, path: string, ask: Ask<Choice<R>, Q, A>, request: Q): A | null {
    let dot = host.length;
    for (let n = 0; n < this.#wildcardDots; n++) {
      const before = host.lastIndexOf('.', dot - 1);
      if (before <= 0) break;
      dot = before;
    }
    for (; dot >= 0 && dot < host.length; dot = host.indexOf('.', dot + 1)) {
      const found = this.#wildcardHosts.get(host.slice(dot))?.find(path, ask, request);
      if (found) return found;
    }
    return null;
  }

  /** A second walk, only when the first found nothing: which methods would have made a difference. */
  #allow(request: RouteQuery, path: string): readonly string[] {
    const methods = new Set<string>();
    this.#search(request.host, path, gatherMethods, { request, methods });
    return methods.size === 0 ? NONE : [...methods].sort();
  }
}

/**
 * All ties among the routes, for the configuration's checks. @throws Error when a path or a pattern is
 * malformed
 */
export function routeConflicts(routes: readonly Routable[]): RouteConflict[] {
  return conflictsIn(group(routes));
}

/** All routes that share a host and a path pattern's shape. */
interface Group<R extends Routable> {
  readonly host: string;
  readonly pattern: PathPattern;
  readonly choice: Choice<R>;
}

function group<R extends Routable>(routes: readonly R[]): Group<R>[] {
  const groups = Map.groupBy(compileRoutes(routes), ({ host, pattern }) => `${host} ${pattern.shape}`);
  return [...groups.values()].map((members) => ({
    host: members[0].host,
    pattern: members[0].pattern,
    choice: new Choice(members.map(({ candidate }) => candidate)),
  }));
}

function conflictsIn(groups: readonly Group<Routable>[]): RouteConflict[] {
  const conflicts = new Map<string, RouteConflict>();
  for (const { host, choice } of groups) {
    for (const [first, second] of choice.ties()) {
      const pair = `${first.index} ${second.index}`;
      if (!conflicts.has(pair)) conflicts.set(pair, new RouteConflict(first, second, host));
    }
  }
  return [...conflicts.values()].sort(
    (a, b) => a.second.index - b.second.index || a.first.index - b.first.index,
  );
}

function treeOf<R extends Routable>(trees: Map<string, Tree<R>>, key: string): Tree<R> {
  const tree = trees.get(key) ?? new PathTree();
  trees.set(key, tree);
  return tree;
}

function pick<R extends Routable>(choice: Choice<R>, request: RouteQuery): Candidate<R> | null {
  return choice.pick(request);
}

function gatherMethods(choice: Choice<Routable>, to: { request: RouteQuery; methods: Set<string> }): null {
  choice.gatherMethods(to.request, to.methods);
  return null;
}
