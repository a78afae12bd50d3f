import { describe, expect, test } from 'vitest';
import type { WorkerReport } from '../../src/bus/report.ts';
import { NOT_FOUND, SERVICE_BUSY } from '../../src/errors.ts';
import {
  METHODS,
  type MetricsDelta,
  SLOTS,
  STATUS_CLASSES,
  UNROUTED,
  WorkerMetrics,
} from '../../src/observe/metrics.ts';
import { Totals } from '../../src/observe/totals.ts';

describe('a worker', () => {
  test('counts by method and status class; whatever a client invents is OTHER', () => {
    const metrics = new WorkerMetrics();
    const route = metrics.route('quotes');
    for (const [method, status] of [
      ['GET', 200],
      ['GET', 204],
      ['POST', 503],
      ['BREW', 418],
      ['HEAD', 0],
    ] as const) {
      route.begin();
      route.done(method, status, 1, 0, 0, 0, null, 0);
    }
    expect(requests(metrics.flush())).toEqual({
      'GET 2xx': 2,
      'POST 5xx': 1,
      'OTHER 4xx': 1,
      'HEAD none': 1,
    });
  });

  test('splits the duration; the upstream part only where a service was asked', () => {
    const metrics = new WorkerMetrics();
    const route = metrics.route('quotes');
    route.begin();
    route.done('GET', 200, 10, 8, 1, 2, null, 2);
    route.begin();
    route.done('GET', 200, 1, 0, 10, 20, null, 0);
    const ended = metrics.flush()[0]!.ended!;
    expect(ended.latencies.map((pairs) => [...pairs])).toEqual([
      [1000, 1, 10_000, 1],
      [1000, 1, 2000, 1],
      [8000, 1],
    ]);
    const { counters } = ended;
    expect(counters[SLOTS.bytesIn]).toBe(11);
    expect(counters[SLOTS.bytesOut]).toBe(22);
    expect(counters[SLOTS.attempts]).toBe(2);
    expect([counters[SLOTS.totalMs], counters[SLOTS.gatewayMs], counters[SLOTS.upstreamMs]]).toEqual([
      11, 3, 8,
    ]);
  });

  test('reports only routes on which something happened, and only what is new', () => {
    const metrics = new WorkerMetrics();
    metrics.route('idle');
    const busy = metrics.route('busy');
    busy.begin();
    expect(metrics.flush()).toEqual([{ name: 'busy', inFlight: 1, ended: null }]);
    expect(metrics.flush()).toEqual([]);
    busy.done('GET', 200, 1, 0, 0, 0, null, 0);
    expect(metrics.flush()).toMatchObject([{ name: 'busy', inFlight: 0 }]);
    expect(metrics.flush()).toEqual([]);
  });

  test('counts what no route matched under "-"', () => {
    const metrics = new WorkerMetrics();
    metrics.unrouted.begin();
    metrics.unrouted.done('GET', 404, 1, 0, 0, 0, NOT_FOUND, 0);
    const [delta] = metrics.flush();
    expect(delta).toMatchObject({
      name: UNROUTED,
      ended: { failures: [{ code: 'NOT_FOUND', blame: 'client', count: 1 }] },
    });
  });

  test('keeps a route over a reload, and forgets one that is gone when it is idle and reported', () => {
    const metrics = new WorkerMetrics();
    const stays = metrics.route('stays');
    const goes = metrics.route('goes');
    goes.begin();
    metrics.retain(new Set(['stays']));
    metrics.flush();
    metrics.flush();
    expect(metrics.route('goes')).toBe(goes);
    goes.done('GET', 200, 1, 0, 0, 0, null, 0);
    expect(metrics.flush()).toMatchObject([{ name: 'goes', inFlight: 0 }]);
    metrics.flush();
    expect(metrics.route('goes')).not.toBe(goes);
    expect(metrics.route('stays')).toBe(stays);
  });
});

describe('totals', () => {
  test('add up over workers, and lose nothing but what was in flight when one dies', () => {
    const totals = new Totals(() => 0);
    const [one, two] = [new WorkerMetrics(), new WorkerMetrics()];
    for (const metrics of [one, two]) {
      const route = metrics.route('quotes');
      for (let i = 0; i < 3; i++) route.begin();
      route.done('GET', 200, 1, 0, 0, 0, null, 0);
      route.done('GET', 503, 1, 0, 0, 0, SERVICE_BUSY, 0);
    }
    totals.merge(1, report(one));
    totals.merge(2, report(two));
    const quotes = [...totals.routes()].find(({ name }) => name === 'quotes')!;
    expect(quotes.ended).toBe(4);
    expect(quotes.inFlight).toBe(2);
    totals.workerGone(1);
    expect(quotes.ended).toBe(4);
    expect(quotes.inFlight).toBe(1);
    expect([...totals.workers.keys()]).toEqual([2]);
    expect([...quotes.failures.values()]).toEqual([{ code: 'SERVICE_BUSY', blame: 'gateway', count: 2 }]);
  });

  test('the rate is the mean of the last ten complete seconds', () => {
    let nowMs = 100_000;
    const totals = new Totals(() => nowMs);
    const metrics = new WorkerMetrics();
    const route = metrics.route('quotes');
    const rate = () => totals.rate([...totals.routes()].find(({ name }) => name === 'quotes')!);
    for (let second = 0; second < 5; second++) {
      for (let i = 0; i < 20; i++) {
        route.begin();
        route.done('GET', 200, 1, 0, 0, 0, null, 0);
      }
      totals.merge(1, report(metrics));
      nowMs += 1000;
    }
    expect(rate()).toBe(10);
    nowMs += 5000;
    expect(rate()).toBe(10);
    nowMs += 3000;
    expect(rate()).toBe(4);
    nowMs += 60_000;
    expect(rate()).toBe(0);
  });

  test('recent latencies forget what is older than a minute', () => {
    let nowMs = 0;
    const totals = new Totals(() => nowMs);
    const metrics = new WorkerMetrics();
    const route = metrics.route('quotes');
    const record = (ms: number) => {
      route.begin();
      route.done('GET', 200, ms, 0, 0, 0, null, 0);
      totals.merge(1, report(metrics));
    };
    const quotes = () => [...totals.routes()].find(({ name }) => name === 'quotes')!;
    record(1000);
    nowMs = 31_000;
    record(1);
    expect(totals.recent(quotes()).maxValue).toBeGreaterThan(990_000);
    nowMs = 61_000;
    record(1);
    expect(totals.recent(quotes()).maxValue).toBeLessThan(2000);
    expect(totals.recent(quotes()).totalCount).toBe(2);
    nowMs = 500_000;
    expect(totals.recent(quotes()).totalCount).toBe(0);
    expect(quotes().ended).toBe(3);
  });

  test('forget routes that left the configuration, once nothing is in flight on them', () => {
    const totals = new Totals(() => 0);
    const metrics = new WorkerMetrics();
    metrics.route('gone').begin();
    totals.merge(1, report(metrics));
    totals.retain(new Set());
    expect([...totals.routes()].map(({ name }) => name)).toEqual([UNROUTED, 'gone']);
    metrics.route('gone').done('GET', 200, 1, 0, 0, 0, null, 0);
    totals.merge(1, report(metrics));
    totals.retain(new Set());
    expect([...totals.routes()].map(({ name }) => name)).toEqual([UNROUTED]);
  });
});

function report(metrics: WorkerMetrics): WorkerReport {
  return {
    routes: structuredClone(metrics.flush()),
    connections: 0,
    inFlight: 0,
    generation: 1,
    residentBytes: 0,
    heapUsedBytes: 0,
    droppedLogLines: 0,
    resilience: { services: [], fallbacks: [] },
    providers: new Map(),
    decisions: new Map([['policy', { allowed: 1, denied: 0, failed: 0, cacheHits: 2, lastFailure: '' }]]),
    sockets: null,
    channels: null,
    limits: new Map([['perUser', { admitted: 3, refused: 1, shadowed: 0, noRoom: 0 }]]),
    waits: new Map(),
    adaptive: new Map(),
    overload: null,
    quotas: [],
    keysUsed: new Map(),
    sessionsSeen: [],
    eventLoopDelayMs: { p50: 0, p99: 0, max: 0 },
  };
}

function requests(deltas: MetricsDelta): Record<string, number> {
  const seen: Record<string, number> = {};
  for (const { ended } of deltas) {
    for (let i = 0; i < SLOTS.bytesIn; i++) {
      const count = ended!.counters[i]!;
      if (count > 0) seen[`${METHODS[Math.floor(i / 6)]} ${STATUS_CLASSES[i % 6]}`] = count;
    }
  }
  return seen;
}
