import { EXPOSITION_TYPE, exposition } from '../../observe/exposition.js';
import { LatencyTotals } from '../../observe/latency.js';
import { PHASES, SLOTS } from '../../observe/metrics.js';
import type { RouteTotals, Totals } from '../../observe/totals.js';
import { type Endpoint, json } from './endpoint.js';

export const metrics: Endpoint = {
  path: '/metrics',
  method: 'GET',
  summary: 'All counters in the Prometheus text format.',
  async handle(plane) {
    await plane.collect();
    return { status: 200, body: await exposition(plane), contentType: EXPOSITION_TYPE };
  },
};

export const stats: Endpoint = {
  path: '/stats',
  method: 'GET',
  summary: 'Per route and in total: requests, rate, failures, latency percentiles in milliseconds.',
  async handle(plane) {
    await plane.collect();
    const { totals } = plane;
    const routes = [...totals.routes()];
    return json({
      startedAt: plane.startedAt.toISOString(),
      generation: plane.inForce().generation,
      connections: sum([...totals.workers.values()].map((worker) => worker.connections)),
      total: together(routes, totals),
      routes: Object.fromEntries(routes.map((route) => [route.name, describeRoute(route, totals)])),
    });
  },
};

export const workers: Endpoint = {
  path: '/workers',
  method: 'GET',
  summary:
    'Each worker: process, state, generation, restarts and why the last one died, connections, memory.',
  async handle(plane) {
    await plane.collect();
    return json({
      workers: plane.workers().map((view) => ({ ...view, ...plane.totals.workers.get(view.id) })),
    });
  },
};

function describeRoute(route: RouteTotals, totals: Totals) {
  const [total, gateway, upstream] = route.latencies;
  return {
    ...counts([route]),
    rps: totals.rate(route),
    failures: Object.fromEntries([...route.failures.values()].map(({ code, count }) => [code, count])),
    // Since the start, by phase; `recent` is the last 30 to 60 seconds of the whole.
    latencyMs: {
      total: percentiles(total!),
      gateway: percentiles(gateway!),
      upstream: percentiles(upstream!),
    },
    recentMs: percentiles(totals.recent(route)),
  };
}

function together(routes: readonly RouteTotals[], totals: Totals) {
  const merged = PHASES.map((_, i) => merge(routes.map((route) => route.latencies[i]!)));
  const failures: Record<string, number> = {};
  for (const route of routes) {
    for (const { code, count } of route.failures.values()) failures[code] = (failures[code] ?? 0) + count;
  }
  return {
    ...counts(routes),
    rps: sum(routes.map((route) => totals.rate(route))),
    failures,
    latencyMs: Object.fromEntries(PHASES.map((phase, i) => [phase, percentiles(merged[i]!)])),
    recentMs: percentiles(merge(routes.map((route) => totals.recent(route)))),
  };
}

function counts(routes: readonly RouteTotals[]) {
  const slot = (index: number) => sum(routes.map((route) => route.counters[index]!));
  return {
    count: sum(routes.map((route) => route.ended)),
    inFlight: sum(routes.map((route) => route.inFlight)),
    attempts: slot(SLOTS.attempts),
    bytesIn: slot(SLOTS.bytesIn),
    bytesOut: slot(SLOTS.bytesOut),
  };
}

function merge(all: readonly LatencyTotals[]): LatencyTotals {
  const merged = new LatencyTotals();
  for (const one of all) merged.add(one);
  return merged;
}

/** Milliseconds; null when nothing was recorded. */
function percentiles(latencies: LatencyTotals) {
  if (latencies.totalCount === 0) return null;
  // The histogram gives the upper end of the range a value falls in: at the top that may exceed the largest value.
  const at = (percentile: number) =>
    Math.min(latencies.getValueAtPercentile(percentile), latencies.maxValue) / 1000;
  return { p50: at(50), p90: at(90), p99: at(99), 'p99.9': at(99.9), max: latencies.maxValue / 1000 };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
