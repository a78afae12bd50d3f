import { canonicalPath, hasEncodedSlash } from '../../route/path.js';
import { paramNames } from '../../route/pattern.js';
import { routeConflicts } from '../../route/table.js';
import { didYouMean } from '../did-you-mean.js';
import type { Draft, DraftRoute } from '../draft.js';
import type { FilterOptions, RouteConfig } from '../schema/route.js';
import { formatSize } from '../units.js';
import { checkAllow, checkDynamicRoute, isDynamic } from './dynamic-routes.js';
import { checkHeaderOperations, checkRespondHeaders, checkTemplate } from './headers.js';
import type { Report } from './report.js';

const TARGETS = ['service', 'respond', 'redirect', 'builtin', 'channels'] as const;

/** What the routes say about each other, about services, and about their own paths. */
export function checkRoutes(draft: Draft, report: Report): void {
  checkHeaderOperations(draft.settings.defaults.headers, ['defaults', 'headers'], null, report);
  checkNames(draft.routes, report);
  for (const item of draft.routes) {
    checkTarget(item, [...draft.services.keys()], report);
    checkAllow(item, draft.services, report);
    if (item.route === undefined) continue;
    checkPath(item.index, item.route, report);
    checkRewrite(item.index, item.route, item.raw, report);
    checkWebSocket(item, draft.settings.listen.maxMessageBytes, report);
    checkRefresh(item, draft.settings.defaults, report);
    checkValues(item.index, item.route, report);
  }
  checkConflicts(draft.routes, report);
}

function checkNames(routes: readonly DraftRoute[], report: Report): void {
  const first = new Map<unknown, number>();
  for (const { index, raw } of routes) {
    if (typeof raw.name !== 'string') continue;
    const before = first.get(raw.name);
    if (before === undefined) {
      first.set(raw.name, index);
      continue;
    }
    const line = report.lineOf(['routes', before, 'name']);
    report.mistake({
      path: ['routes', index, 'name'],
      message: `the route on line ${line} is called "${raw.name}" too`,
      expected: 'a name of its own',
    });
  }
}

function checkTarget(item: DraftRoute, services: readonly string[], report: Report): void {
  const { index, raw } = item;
  const given = TARGETS.filter((target) => Object.hasOwn(raw, target));
  const expected = `exactly one of ${TARGETS.join(', ')}`;
  if (given.length === 0 && Object.keys(raw).length > 0) {
    report.mistake({
      path: ['routes', index],
      message: 'the route says nothing about who answers',
      expected,
    });
  }
  for (const surplus of given.slice(1)) {
    report.mistake({
      path: ['routes', index, surplus],
      at: 'key',
      message: `${given[0]} and ${surplus} exclude each other`,
      expected,
    });
  }
  if (isDynamic(raw)) return checkDynamicRoute(item, report);
  if (typeof raw.service !== 'string' || services.includes(raw.service)) return;
  report.mistake({
    path: ['routes', index, 'service'],
    message: `there is no service "${raw.service}"`,
    expected:
      services.length === 0 ? 'a name under "services", which is empty' : `one of ${services.join(', ')}`,
    suggestion: didYouMean(raw.service, services),
  });
}

function checkPath(index: number, { match }: RouteConfig, report: Report): void {
  if (match.encodedSlashes || !hasEncodedSlash(canonicalPath(match.path))) return;
  report.mistake({
    path: ['routes', index, 'match', 'path'],
    message: 'a request with %2F in its path is refused, so the route is never taken',
    expected: 'encodedSlashes: true beside it',
  });
}

function checkRewrite(
  index: number,
  { match, rewrite }: RouteConfig,
  raw: DraftRoute['raw'],
  report: Report,
): void {
  const path = ['routes', index, 'rewrite'];
  if (Object.hasOwn(raw, 'rewrite') && !Object.hasOwn(raw, 'service')) {
    report.mistake({
      path,
      at: 'key',
      message: 'rewrite changes what a service gets, and this route has no service',
    });
  }
  if (rewrite.prefix !== undefined && rewrite.path !== undefined) {
    report.mistake({
      path: [...path, 'path'],
      at: 'key',
      message: 'prefix and path exclude each other',
      expected: 'one of them',
    });
  }
  const names = paramNames(match.path);
  if (rewrite.prefix !== undefined && !names.includes('*')) {
    report.mistake({
      path: [...path, 'prefix'],
      message: `${match.path} has no "*", so there is no prefix before it`,
      expected: 'match.path to end in "/*", or rewrite.path',
    });
  }
  for (const [at, name] of rewrite.query.remove.entries()) {
    if (!Object.hasOwn(rewrite.query.set, name)) continue;
    report.mistake({
      path: [...path, 'query', 'remove', at],
      message: `"${name}" is set too, which drops what the client sent`,
      expected: 'one of the two',
    });
  }
  if (rewrite.path !== undefined) checkRewritePath(rewrite.path, match.path, [...path, 'path'], report);
}

function checkWebSocket({ index, route, raw }: DraftRoute, mostBytes: number, report: Report): void {
  const path = ['routes', index, 'websocket'];
  if (!route?.websocket) return;
  if (!Object.hasOwn(raw, 'service') && !Object.hasOwn(raw, 'channels')) {
    report.mistake({
      path,
      at: 'key',
      message: 'sockets are opened to a service or to channels, and this route has neither',
      expected: 'a service or channels beside it',
    });
  }
  if (route.websocket.maxMessage <= mostBytes) return;
  report.mistake({
    path: report.written([...path, 'maxMessage'], path),
    message: `messages of ${formatSize(route.websocket.maxMessage)} are more than the listener reads`,
    expected: `at most listen.maxMessageBytes, which is ${formatSize(mostBytes)}`,
  });
}

function checkRefresh({ index, route }: DraftRoute, defaults: FilterOptions, report: Report): void {
  const auth = route?.filters.auth === undefined ? defaults.auth : route.filters.auth;
  if (!route?.websocket?.refresh || auth) return;
  report.mistake({
    path: ['routes', index, 'websocket', 'refresh'],
    message: 'nobody is asked for credentials here, so there are none to be renewed',
    expected: 'auth beside websocket',
  });
}

function checkRewritePath(template: string, matched: string, path: PropertyKey[], report: Report): void {
  const names = paramNames(matched);
  for (const name of paramNames(template).filter((name) => !names.includes(name))) {
    const written = name === '*' ? '"*"' : `":${name}"`;
    const known = names.map((known) => (known === '*' ? '*' : `:${known}`));
    const meant = didYouMean(name, names);
    report.mistake({
      path,
      message: `${matched} has no ${written}`,
      expected: known.length === 0 ? 'no parameters' : `one of ${known.join(', ')}`,
      suggestion: meant === undefined || meant === '*' ? undefined : `:${meant}`,
    });
  }
}

function checkValues(
  index: number,
  { match, rewrite, filters, redirect, respond }: RouteConfig,
  report: Report,
): void {
  const path = ['routes', index];
  const params = paramNames(match.path);
  checkHeaderOperations(filters.headers, [...path, 'headers'], params, report);
  for (const [name, value] of Object.entries(rewrite.query.set)) {
    checkTemplate(value, [...path, 'rewrite', 'query', 'set', name], params, report);
  }
  if (redirect !== undefined) checkTemplate(redirect.to, [...path, 'redirect', 'to'], params, report);
  if (respond === undefined) return;
  checkRespondHeaders(respond.headers, [...path, 'respond', 'headers'], report);
  if ((respond.status === 204 || respond.status === 304) && respond.body !== '') {
    report.mistake({
      path: [...path, 'respond', 'body'],
      message: `an answer with status ${respond.status} has no body (RFC 9110 §${respond.status === 204 ? '15.3.5' : '15.4.5'})`,
      expected: 'no body, or status 200',
    });
  }
}

/** Only routes that are right as they are: one that lost a wrong condition could seem to tie with another. */
function checkConflicts(routes: readonly DraftRoute[], report: Report): void {
  const intact = routes.flatMap(({ index, route, intact }) => (intact && route ? [{ index, route }] : []));
  for (const { first, second, message } of routeConflicts(intact.map(({ route }) => route))) {
    const [a, b] = [first, second].map((end) => ['routes', intact[end.index].index, 'match']);
    report.mistake({
      path: b,
      message: `${message} (lines ${report.lineOf(a)} and ${report.lineOf(b)})`,
      expected: 'a host, method, header or query that tells them apart',
    });
  }
}
