/** What a service is asked for, when it is not what the client asked for. Compiled once per route. */
import type { Exchange } from '../exchange.js';
import { compileQueryValue, decodeParameter, parameterName, type Render } from '../template.js';

export interface RewriteOptions {
  /** Takes the place of what stands before the wildcard of the route's path. */
  readonly prefix?: string;
  /** A path with `:name` parameters and, at its end, `*` of the route's path. */
  readonly path?: string;
  readonly query: { readonly set: Readonly<Record<string, string>>; readonly remove: readonly string[] };
}

/** The target of the request to the service: path and query. */
export function compileTarget(rewrite: RewriteOptions, paramNames: readonly string[]): Render {
  const path = compilePath(rewrite, paramNames);
  const query = compileQuery(rewrite.query, paramNames);
  if (path === null && query === null) return sameTarget;
  const renderPath = path ?? ((x: Exchange) => x.path);
  const renderQuery = query ?? ((x: Exchange) => x.query);
  return function rewrittenTarget(x) {
    const rendered = renderQuery(x);
    return rendered === '' ? renderPath(x) : `${renderPath(x)}?${rendered}`;
  };
}

function sameTarget(x: Exchange): string {
  return x.query === '' ? x.path : `${x.path}?${x.query}`;
}

function compilePath({ prefix, path }: RewriteOptions, paramNames: readonly string[]): Render | null {
  if (prefix !== undefined) {
    const before = prefix.endsWith('/') ? prefix : `${prefix}/`;
    const rest = paramNames.length - 1;
    return (x) => before + x.params[rest];
  }
  if (path === undefined) return null;
  const segments = path
    .slice(1)
    .split('/')
    .map((segment): Render => {
      const at =
        segment === '*'
          ? paramNames.length - 1
          : segment.startsWith(':')
            ? paramNames.indexOf(segment.slice(1))
            : -1;
      return at < 0 ? () => segment : (x) => x.params[at];
    });
  return function renderPath(x) {
    let target = '';
    for (let i = 0; i < segments.length; i++) target += `/${segments[i](x)}`;
    return target;
  };
}

function compileQuery(
  { set, remove }: RewriteOptions['query'],
  paramNames: readonly string[],
): Render | null {
  const dropped = new Set([...remove, ...Object.keys(set)]);
  if (dropped.size === 0) return null;
  const added = Object.entries(set).map(([name, value]): [string, Render] => [
    `${encodeURIComponent(name)}=`,
    compileQueryValue(value, paramNames),
  ]);
  return function renderQuery(x) {
    const kept = x.query
      .split('&')
      .filter((pair) => pair !== '' && !dropped.has(decodeParameter(parameterName(pair))));
    for (const [name, render] of added) kept.push(name + render(x));
    return kept.join('&');
  };
}
