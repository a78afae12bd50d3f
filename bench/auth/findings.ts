/** What the figures say, for bench/results.md. */
import { haproxy } from '../contenders/haproxy.ts';
import { sluice } from '../contenders/sluice.ts';
import type { Effort } from '../measure.ts';
import { type Bar, provenance, table } from '../report.ts';
import { CONNECTIONS } from '../workloads.ts';
import type { NewTokensResult, Spending } from './new-tokens.ts';
import type { Cost, Costs, Part } from './rounds.ts';
import { PER_USER_LIMIT } from './sluice.ts';
import { type Algorithm, USERS } from './tokens.ts';

const MAX_ADDED_US = 2.5;
const MAX_RATIO: Readonly<Record<Algorithm, number>> = { HS256: 1.5, RS256: 0.8 };
const MAX_WORKER_US = 8;
const MAX_P99_MS = 50;

const cpu = (costs: Costs, part: Part): number => costs.get(part)?.cpuUs ?? Number.NaN;

function addedBar(costs: Costs): Bar {
  const addedUs = cpu(costs, 'guarded without limit') - cpu(costs, 'plain');
  return {
    what: 'CPU a remembered HS256 token adds to the same request unguarded',
    bar: `<= ${MAX_ADDED_US} us`,
    measured: `${addedUs.toFixed(1)} us`,
    met: addedUs <= MAX_ADDED_US,
  };
}

/** As long as Sluice has no limit, the bar must also hold against HAProxy without one. */
function ratioBar(algorithm: Algorithm, costs: Costs): Bar {
  const guarded = cpu(costs, 'guarded');
  const ratio = guarded / cpu(costs, 'peer');
  const alike = PER_USER_LIMIT ? ratio : guarded / cpu(costs, 'peer without limit');
  const limit = MAX_RATIO[algorithm];
  return {
    what: `CPU of ${algorithm}${PER_USER_LIMIT ? ' + limit by user' : ''}, against HAProxy with stick table`,
    bar: `<= ${limit} x`,
    measured: Number.isNaN(ratio)
      ? null
      : `${ratio.toFixed(2)} x${PER_USER_LIMIT ? '' : `; without stick table ${alike.toFixed(2)} x`}`,
    met: ratio <= limit && alike <= limit,
  };
}

function newTokenBars({ plain, guarded, rate }: NewTokensResult): Bar[] {
  const addedUs = guarded.main - plain.main;
  return [
    {
      what: `RS256, every token new, ${rate}/s: the worker's own CPU above unguarded`,
      bar: `<= ${MAX_WORKER_US} us`,
      measured: `${addedUs.toFixed(1)} us`,
      met: addedUs <= MAX_WORKER_US,
    },
    {
      what: `RS256, every token new, ${rate}/s: p99`,
      bar: `<= ${MAX_P99_MS} ms`,
      measured: `${guarded.p99Ms.toFixed(1)} ms`,
      met: guarded.p99Ms <= MAX_P99_MS,
    },
  ];
}

export interface Findings {
  readonly live: ReadonlyMap<Algorithm, Costs>;
  readonly fresh: NewTokensResult;
}

export function barsOf({ live, fresh }: Findings): Bar[] {
  const hs256 = live.get('HS256');
  return [
    ...(hs256 === undefined ? [] : [addedBar(hs256)]),
    ...[...live].map(([algorithm, costs]) => ratioBar(algorithm, costs)),
    ...newTokenBars(fresh),
  ];
}

export function liveTable(costs: Costs): string {
  const row = ([part, { name, cpuUs, perSecond, p99Ms, busy }]: [Part, Cost]): string[] => [
    name,
    cpuUs.toFixed(1),
    part === 'guarded' || part === 'no token' ? (cpuUs - cpu(costs, 'plain')).toFixed(1) : '-',
    (cpuUs / cpu(costs, 'peer')).toFixed(2),
    String(Math.round(perSecond)),
    p99Ms.toFixed(2),
    `${Math.round(busy * 100)} %`,
  ];
  const header = [
    '',
    'CPU us/request',
    'above not looked at',
    'x HAProxy',
    'requests/s',
    'p99 ms',
    'core busy',
  ];
  return table(header, [...costs].map(row)).replaceAll('NaN', '-');
}

export function newTokensTable({ plain, guarded, rate, capacity }: NewTokensResult): string {
  const row = (name: string, { main, verification, rest, p50Ms, p99Ms }: Spending): string[] => [
    name,
    main.toFixed(1),
    verification.toFixed(1),
    rest.toFixed(1),
    p50Ms.toFixed(2),
    p99Ms.toFixed(2),
    `${Math.round(((main + verification + rest) * rate) / 1e4)} %`,
  ];
  const spent = table(
    [
      `at ${rate}/s`,
      'worker us/request',
      'verification us/request',
      'V8 us/request',
      'p50 ms',
      'p99 ms',
      'core busy',
    ],
    [row('Sluice, RS256 not looked at', plain), row('Sluice RS256, every token new', guarded)],
  );
  return `${spent}\n\nWith a new token in each request, 64 connections that always ask are answered ${Math.round(capacity)} times a second.`;
}

export function settingOf(load: string, quick: boolean, effort: Effort): string {
  const rounds = `median of ${effort.rounds} interleaved round${effort.rounds === 1 ? '' : 's'} of ${effort.measured} s`;
  return [
    provenance(),
    `Sluice ${sluice.version()}, HAProxy ${haproxy.version() ?? '**missing here**'}. Load: ${load}, ${CONNECTIONS} ` +
      `keep-alive connections, ${USERS} live tokens, ${rounds}${quick ? ' (**quick**: indicative only)' : ''}.`,
    PER_USER_LIMIT
      ? 'Limit by user: on, for Sluice as for HAProxy.'
      : 'Limit by user: **off for Sluice**, whose ratios are therefore also given against HAProxy without stick table.',
  ].join('\n');
}
