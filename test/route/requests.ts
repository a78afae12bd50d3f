import type { Routable, RouteMatchConfig, RouteQuery } from '../../src/route/candidate.ts';
import type { RouteMatch } from '../../src/route/table.ts';

/** A route that matches on what is given and nothing else. */
export function route(name: string, match: Partial<RouteMatchConfig> & { path: string }): Routable {
  return { name, match: { host: [], methods: [], headers: {}, query: {}, encodedSlashes: false, ...match } };
}

/** `request('GET', 'a.com/x?y=1', { 'x-beta': '1' })`; without a host: `request('GET', '/x')`. */
export function request(method: string, url: string, headers: Record<string, string> = {}): RouteQuery {
  const slash = url.indexOf('/');
  const mark = url.indexOf('?');
  return {
    method,
    host: url.slice(0, slash),
    path: mark < 0 ? url.slice(slash) : url.slice(slash, mark),
    query: mark < 0 ? '' : url.slice(mark + 1),
    header: (name) => headers[name],
  };
}

export function emptyMatch(): RouteMatch {
  return { params: ['left over'], allow: ['LEFT-OVER'] };
}
