/**
 * Why a request goes to the route it goes to, for people: `sluice explain`. Nothing here runs on the request
 * path.
 */
import { type Routable, type RouteQuery, takesMethod } from '../candidate.js';
import type { Entry } from '../compile.js';
import { hostMatches, hostText } from '../host.js';
import { hasEncodedSlash } from '../path.js';
import { foldReserved, matchingSegments, type PathPattern, patternMatches } from '../pattern.js';
import { holds, predicateValue } from '../predicates.js';
import { type RouteMatch, RouteTable } from '../table.js';
import { methodsText, predicateText } from './describe.js';
import { inMatchOrder, whyLater } from './order.js';

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
  /**
   * Routes whose path fits, or whose host fits and whose path begins alike, with a condition that fails;
   * closest first.
   */
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
  const fitting = entries.find((entry) => entry.candidate.route === winner) ?? null;
  const taken = fitting && hasRefusedSlash(fitting, request) ? null : fitting;
  const others = entries
    .filter((entry) => entry !== taken)
    .map((entry) => ({ entry, report: report(entry, request, fitting) }));
  const nearMisses = others
    .filter(({ entry, report }) => failures(report) > 0 && isNear(entry, request))
    .sort(
      (a, b) =>
        distance(a.report) - distance(b.report) || common(b.entry, request) - common(a.entry, request),
    );
  return {
    route: taken && report(taken, request, null),
    params: taken ? namedParams(taken.pattern, match.params) : {},
    outcome: outcomeOf(fitting, request, match.allow),
    allow: match.allow,
    alternatives: others.map(({ report }) => report).filter((report) => failures(report) === 0),
    nearMisses: nearMisses.slice(0, MOST_NEAR_MISSES).map(({ report }) => report),
  };
}

/** An explanation as lines of plain text. */
export function formatExplanation(explanation: Explanation): string[] {
  const { route, params, alternatives, nearMisses } = explanation;
  const lines = [explanation.outcome];
  for (const { wants, got } of route?.checks ?? []) lines.push(`  ok     ${wants}${got && `   (${got})`}`);
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

function report(entry: Entry, request: RouteQuery, winner: Entry | null): RouteReport {
  const { candidate, pattern } = entry;
  const { host: hosts } = candidate.route.match;
  const path = foldReserved(request.path);
  const checks: Check[] = [
    {
      ok: hostMatches(entry.host, request.host),
      wants: hosts.length > 1 ? `host ${hosts.join(' or ')}` : hostText(entry.host),
      got: request.host,
    },
    {
      ok: patternMatches(pattern, path),
      wants: `path ${pattern.source}`,
      got: request.path + slashHint(pattern, path),
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
  if (hasRefusedSlash(entry, request)) {
    checks.push({ ok: false, wants: 'encodedSlashes false', got: 'the path holds %2F' });
  }
  const fits = checks.every((check) => check.ok);
  const loses = fits && winner !== null ? whyLater(winner, entry) : '';
  return { name: candidate.route.name, index: candidate.index, checks, loses };
}

function outcomeOf(taken: Entry | null, request: RouteQuery, allow: readonly string[]): string {
  const what = `${request.method} ${request.path} on ${request.host || 'no host'}`;
  if (taken === null && allow.length > 0) return `${what}: 405, the path allows ${allow.join(', ')}`;
  if (taken === null) return `${what}: 404, no route fits`;
  const { route } = taken.candidate;
  if (hasRefusedSlash(taken, request)) {
    return `${what}: 400, route "${route.name}" fits but does not accept encoded slashes`;
  }
  return `${what}: route "${route.name}"`;
}

/** The gateway refuses it after the route is found, so that the client gets a reason and not another route. */
function hasRefusedSlash({ candidate }: Entry, request: RouteQuery): boolean {
  return hasEncodedSlash(request.path) && !candidate.route.match.encodedSlashes;
}

function isNear(entry: Entry, request: RouteQuery): boolean {
  if (patternMatches(entry.pattern, foldReserved(request.path))) return true;
  return hostMatches(entry.host, request.host) && common(entry, request) > 0;
}

function common(entry: Entry, request: RouteQuery): number {
  return matchingSegments(entry.pattern, foldReserved(request.path));
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
    (pattern.captures?.segments ?? []).map((at, i) => [pattern.segments[at].text, values[i]]),
  );
}

function failures(report: RouteReport): number {
  return report.checks.filter((check) => !check.ok).length;
}

/**
 * How far a route is from taking the request: nobody means a route of another host but fails in one header.
 */
function distance(report: RouteReport): number {
  return failures(report) + (report.checks[0].ok ? 0 : 1);
}

function valueText(value: string | undefined): string {
  return value === undefined ? 'it is absent' : `it is ${JSON.stringify(value)}`;
}

function title(report: RouteReport): string {
  return `route "${report.name}"`;
}
