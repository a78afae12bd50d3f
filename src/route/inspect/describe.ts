/** The routes in match order, for people: `sluice routes`. */
import type { Routable } from '../candidate.js';
import { describeMatch, type Predicate } from '../predicates.js';
import { inMatchOrder } from './order.js';

/** A route with what answers for it. */
export interface TargetedRoute extends Routable {
  readonly service?: string;
  readonly allow?: readonly string[];
  readonly respond?: { readonly status: number };
  readonly redirect?: { readonly to: string; readonly status: number };
  readonly channels?: { readonly allow: readonly { readonly match: string }[] } | null;
}

/** One line of the table; all cells are text for people. */
export interface RouteRow {
  /** From 1: the first row that fits a request is taken. */
  readonly order: number;
  readonly host: string;
  readonly path: string;
  /** `GET, HEAD`, or `*` for any. */
  readonly methods: string;
  /** `header x-beta = "1", query debug is absent`, or empty. */
  readonly predicates: string;
  /** `service quotes`, `respond 200`, `redirect 308 /new`, `channels ticks.*`. */
  readonly target: string;
  readonly name: string;
}

/** The routes as the table tries them. A route with several hosts has a row for each. */
export function describeTable(routes: readonly TargetedRoute[]): RouteRow[] {
  return inMatchOrder(routes).map(({ host, pattern, candidate }, i) => ({
    order: i + 1,
    host,
    path: pattern.source,
    methods: methodsText(candidate.methods),
    predicates: candidate.predicates.map(predicateText).join(', '),
    target: targetText(candidate.route),
    name: candidate.route.name,
  }));
}

/** The rows under a head line, in columns; a column with nothing in it is left out. */
export function formatTable(rows: readonly RouteRow[]): string[] {
  const columns = COLUMNS.filter((column) => rows.some((row) => row[column] !== ''));
  const cells = [
    [...columns] as string[],
    ...rows.map((row) => columns.map((column) => String(row[column]))),
  ];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i].length)));
  return cells.map((line) =>
    line
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd(),
  );
}

const COLUMNS = ['order', 'host', 'path', 'methods', 'predicates', 'target', 'name'] as const;

export function methodsText(methods: readonly string[]): string {
  return methods.length === 0 ? '*' : methods.join(', ');
}

/** `header x-beta = "1"`. */
export function predicateText(predicate: Predicate): string {
  return `${predicate.in} ${predicate.name} ${describeMatch(predicate.match)}`;
}

function targetText(route: TargetedRoute): string {
  if (route.allow !== undefined) return `service ${route.service} of ${route.allow.join(', ')}`;
  if (route.service !== undefined) return `service ${route.service}`;
  if (route.redirect) return `redirect ${route.redirect.status} ${route.redirect.to}`;
  if (route.channels) return `channels ${route.channels.allow.map(({ match }) => match).join(', ')}`;
  return route.respond ? `respond ${route.respond.status}` : '';
}
