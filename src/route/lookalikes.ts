/**
 * Paths that a service may read as another's. Some servers ignore the case of letters, some strip parameters of segments
 * (`/admin;x/users`), dots or white space at their ends (Windows), some decode first: behind a catch-all route such a path
 * would reach what a guarded route stands before.
 */
import type { Routable, RouteQuery } from './candidate.js';
import { hasEncodedSlash } from './path.js';
import type { ValueSource } from './predicates.js';
import { RouteConflict, type RouteMatch, RouteTable } from './table.js';

/** What nearly all paths lack, but for the letters. */
const READ_DIFFERENTLY = /[A-Z;]|%20|\.(?:\/|$)/;
const SEGMENT_PARAMETERS = /;[^/]*/g;
const SEGMENT_END = /[. ]+(?=\/|$)/g;

/** As the most lenient server would, but for the case of letters. */
function lenient(path: string): string {
  return path
    .replaceAll('%3B', ';')
    .replaceAll('%2F', '/')
    .replaceAll('%20', ' ')
    .replace(SEGMENT_PARAMETERS, '')
    .replace(SEGMENT_END, '')
    .replace(/\/{2,}/g, '/');
}

/** A route with something behind it, or not. */
interface Target extends Routable {
  /** Asks callers who they are. */
  readonly guarded: boolean;
  /** null, undefined: the gateway itself answers, and reads paths in one way. */
  readonly service?: unknown;
  /** The path says which service. */
  readonly choice?: unknown;
}

/** Whether the service behind a route takes the path of a request for what the table took it for. */
export function readsOneWay<R extends Target>(
  request: RouteQuery,
  route: R,
  lookalikes: Lookalikes<R> | null,
): boolean {
  if (!route.match.encodedSlashes && hasEncodedSlash(request.path)) return false;
  if (lookalikes === null || (!route.service && !route.choice)) return true;
  return lookalikes.otherThan(route, request) === null;
}

interface Alias<R> extends Routable {
  readonly route: R;
}

export class Lookalikes<R extends Target> {
  readonly #asWritten: RouteTable<Alias<R>>;
  readonly #lowerCase: RouteTable<Alias<R>>;

  /** `guarded`: routes whose services must not be reached past them. */
  constructor(guarded: readonly R[]) {
    const aliases = (pathOf: (path: string) => string) =>
      guarded.map((route) => ({
        name: route.name,
        match: { ...route.match, path: pathOf(route.match.path) },
        route,
      }));
    this.#asWritten = tableOf(aliases(String));
    this.#lowerCase = tableOf(aliases((path) => path.toLowerCase()));
  }

  /** A guarded route that a lenient reader would choose instead; null when there is none, or it is `chosen` itself. */
  otherThan(chosen: R & { readonly guarded: boolean }, request: RouteQuery): R | null {
    if (!READ_DIFFERENTLY.test(request.path)) return null;
    const path = lenient(request.path);
    // Between guarded routes letters may differ in case: `/quotes/ALL` is not `/quotes/all`.
    if (chosen.guarded && path === request.path) return null;
    const found = chosen.guarded
      ? this.#asWritten.find(new LenientReading(request, path), IGNORED)
      : this.#lowerCase.find(new LenientReading(request, path.toLowerCase()), IGNORED);
    return found === null || found.route === chosen ? null : found.route;
  }
}

class LenientReading implements RouteQuery {
  readonly #request: RouteQuery;
  readonly path: string;

  constructor(request: RouteQuery, path: string) {
    this.#request = request;
    this.path = path;
  }

  get method(): string {
    return this.#request.method;
  }

  get host(): string {
    return this.#request.host;
  }

  get query(): string {
    return this.#request.query;
  }

  header(name: string): ReturnType<ValueSource['header']> {
    return this.#request.header(name);
  }
}

const IGNORED: RouteMatch = { params: [], allow: [] };

/** Routes that differ only in case tie here; one of them is enough to be found. */
function tableOf<R>(aliases: Alias<R>[]): RouteTable<Alias<R>> {
  for (;;) {
    try {
      return new RouteTable(aliases);
    } catch (error) {
      if (!(error instanceof RouteConflict)) throw error;
      aliases = aliases.toSpliced(error.second.index, 1);
    }
  }
}
