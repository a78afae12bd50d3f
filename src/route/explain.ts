/** Why a request goes to the route it goes to, for people: `sluice explain`. Nothing here runs on the request path. */
import { type Routable, type RouteQuery, takesMethod } from './candidate.js';
import { methodsText, predicateText } from './describe.js';
import { hostMatches, hostText } from './host.js';
import { type Entry, inMatchOrder, whyLater } from './order.js';
import { hasEncodedSlash } from './path.js';
import { foldReserved, matchingSegments, type PathPattern, patternMatches } from './pattern.js';
import { holds, predicateValue } from './predicates.js';
import { type RouteMatch, RouteTable } from './table.js';

/** One condition of a route and how the request fares with it. */
export interface Check {
  readonly ok: boolean;
  /** What the route asks for: `path /users/:id`, `header x-beta = "1"`. */
  readonly wants: string;
  /** What the request brings: `/users`, `"0"`, `nothing`. */
  readonly got: string;
}

export interface RouteReport {
  readonly name: string;
  /** Position in the configuration, from 0. */
  readonly index: number;
  readonly checks: readonly Check[];
  /** For a route that fits but is not taken: why another one is preferred. Else empty. */
  readonly loses: string;
}

export interface Explanation {
  /** The route taken, or null. */
  readonly route: RouteReport | null;
  /** Values of its path's parameters by name, percent-encoded; the trailing wildcard is `*`. */
  readonly params: Readonly<Record<string, string>>;
  /** What becomes of the request: its route, or which of 400, 404 and 405 it gets and why. */
  readonly outcome: string;
  /** The methods a 405 lists in `Allow`. */
  readonly allow: readonly string[];
  /** Routes that fit as well but are less exact, in match order. */
  readonly alternatives: readonly RouteReport[];
  /** Routes whose path fits, or whose host fits and whose path begins alike, with a condition that fails; closest first. */
  readonly nearMisses: readonly RouteReport[];
}

/** More would bury the ones that help. */
const MOST_NEAR_MISSES = 10;

/**
 * Which route takes the request and why, and what the near misses lack.
 * @throws RouteConflict when two routes tie
 */
export function explain(routes: readonly Routable[], request: RouteQuery): Explanation {
  const match: RouteMatch = { params: [], allow: [] };
  const winner = new RouteTable(routes).find(request, match);
  const entries = onePerRoute(inMatchOrder(routes), request);
  const taken = entries.find((entry) => entry.candidate.route === winner) ?? null;
  const others = entries.filter((entry) => entry !== taken);
  const nearMisses = others
    .filter((entry) => isNear(entry, request))
    .map((entry) => ({ report: report(entry, request, taken), common: commonSegments(entry, request) }))
    .filter(({ report }) => failures(report) > 0)
    .sort((a, b) => distance(a.report) - distance(b.report) || b.common - a.common);
  return {
    route: taken && report(taken, request, null),
    params: taken ? namedParams(taken.candidate.pattern, match.params) : {},
    outcome: outcomeOf(taken, request, match.allow),
    allow: match.allow,
    alternatives: others
      .map((entry) => report(entry, request, taken))
      .filter((report) => failures(report) === 0),
    nearMisses: nearMisses.slice(0, MOST_NEAR_MISSES).map(({ report }) => report),
  };
}

/** An explanation as lines of plain text. */
export function formatExplanation(explanation: Explanation): string[] {
  const { route, params, alternatives, nearMisses } = explanation;
  const lines = [explanation.outcome];
  if (route)
    lines.push(...route.checks.map((check) => `  ok     ${check.wants}${check.got && `   (${check.got})`}`));
  for (const [name, value] of Object.entries(params)) lines.push(`  param  ${name} = ${value}`);
  if (alternatives.length > 0) lines.push('', 'Fits too, but is not taken:');
  for (const other of alternatives) lines.push(`  ${title(other)}: ${other.loses}`);
  if (nearMisses.length > 0) lines.push('', 'Near misses:');
  for (const miss of nearMisses) {
    lines.push(`  ${title(miss)}`);
    for (const check of miss.checks) if (!check.ok) lines.push(`    fails  ${check.wants}   (${check.got})`);
  }
  return lines;
}

/** Each route under the first of its hosts that takes the request, or under any when none does. */
function onePerRoute(entries: readonly Entry[], request: RouteQuery): Entry[] {
  const chosen = new Map<Routable, Entry>();
  for (const entry of entries) {
    const before = chosen.get(entry.candidate.route);
    if (
      before === undefined ||
      (!hostMatches(before.host, request.host) && hostMatches(entry.host, request.host))
    ) {
      chosen.set(entry.candidate.route, entry);
    }
  }
  return entries.filter((entry) => chosen.get(entry.candidate.route) === entry);
}

function report(entry: Entry, request: RouteQuery, taken: Entry | null): RouteReport {
  const { candidate } = entry;
  const path = foldReserved(request.path);
  const checks: Check[] = [
    {
      ok: hostMatches(entry.host, request.host),
      wants: candidate.hosts.length > 1 ? `host ${candidate.hosts.join(' or ')}` : hostText(entry.host),
      got: request.host,
    },
    {
      ok: patternMatches(candidate.pattern, path),
      wants: `path ${candidate.pattern.source}`,
      got: request.path + slashHint(candidate.pattern, path),
    },
    {
      ok: takesMethod(candidate, request.method),
      wants: `methods ${methodsText(candidate.methods)}`,
      got: request.method,
    },
    ...candidate.predicates.map((predicate) => ({
      ok: holds(predicate, request),
      wants: predicateText(predicate),
      got: valueText(predicateValue(predicate, request)),
    })),
  ];
  const fits = checks.every((check) => check.ok);
  const loses = fits && taken !== null ? whyLater(taken, entry) : '';
  return { name: candidate.route.name, index: candidate.index, checks, loses };
}

function outcomeOf(taken: Entry | null, request: RouteQuery, allow: readonly string[]): string {
  const what = `${request.method} ${request.path} on ${request.host || 'no host'}`;
  if (taken === null && allow.length > 0) return `${what}: 405, the path allows ${allow.join(', ')}`;
  if (taken === null) return `${what}: 404, no route fits`;
  const { route } = taken.candidate;
  if (hasEncodedSlash(request.path) && !route.match.encodedSlashes) {
    return `${what}: 400, route "${route.name}" fits but does not accept encoded slashes`;
  }
  return `${what}: route "${route.name}"`;
}

function isNear(entry: Entry, request: RouteQuery): boolean {
  if (patternMatches(entry.candidate.pattern, foldReserved(request.path))) return true;
  return hostMatches(entry.host, request.host) && commonSegments(entry, request) > 0;
}

function commonSegments(entry: Entry, request: RouteQuery): number {
  return matchingSegments(entry.candidate.pattern, foldReserved(request.path));
}

/** The commonest mistake of all deserves a word. */
function slashHint(pattern: PathPattern, path: string): string {
  if (patternMatches(pattern, path)) return '';
  if (patternMatches(pattern, `${path}/`)) return ', would fit with a slash at the end';
  return path.endsWith('/') && patternMatches(pattern, path.slice(0, -1))
    ? ', would fit without the slash at the end'
    : '';
}

function namedParams(pattern: PathPattern, values: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pattern.captures.map((segment, i) => [pattern.segments[segment].text, values[i]]),
  );
}

function failures(report: RouteReport): number {
  return report.checks.filter((check) => !check.ok).length;
}

/** How far a route is from taking the request: nobody means a route of another host but fails in one header. */
function distance(report: RouteReport): number {
  return failures(report) + (report.checks[0].ok ? 0 : 1);
}

function valueText(value: string | undefined): string {
  return value === undefined ? 'it is absent' : `it is ${JSON.stringify(value)}`;
}

function title(report: RouteReport): string {
  return `route "${report.name}"`;
}
