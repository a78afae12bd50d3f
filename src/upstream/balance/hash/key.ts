/** What a request is hashed by. */
import type { Route } from '../../../config/build.js';
import type { Exchange } from '../../../exchange.js';
import { findCookie } from '../../sticky/cookies.js';

/** The key of a request; empty when it has none. */
export type HashKey = (x: Exchange) => string;

/** `by` as the configuration has it: `user`, `ip`, `header:NAME`, `cookie:NAME`, `param:NAME`. */
export function compileHashKey(by: string): HashKey {
  const colon = by.indexOf(':');
  const name = by.slice(colon + 1);
  switch (colon < 0 ? by : by.slice(0, colon)) {
    case 'user':
      return (x) => x.identity?.user ?? '';
    case 'header':
      return (x) => x.header(name) ?? '';
    case 'cookie':
      return (x) => findCookie(x, name, given) ?? '';
    case 'param':
      return paramKey(name);
    default:
      return (x) => x.clientIp;
  }
}

function given(value: string): string | undefined {
  return value === '' ? undefined : value;
}

/** Requests come in runs of one route: where its parameter stands is looked up when the route changes. */
function paramKey(name: string): HashKey {
  let route: Route | null = null;
  let at = -1;
  return function paramOf(x) {
    if (x.route !== route) {
      route = x.route;
      at = route?.paramNames.indexOf(name) ?? -1;
    }
    return at < 0 ? '' : (x.params[at] ?? '');
  };
}
