import type { WorkerReport } from '../bus/report.js';
import { type OverloadReport, SHED_SLOTS } from '../overload/overload.js';
import type { AdaptiveCounts } from '../services/limits/adaptive/watch.js';
import type { LimitCounter } from '../services/limits/gate.js';
import { ChannelTotals } from './families/channels.js';
import { SocketTotals } from './families/sockets.js';
import { LatencyTotals } from './latency.js';
import { WaitTotals } from './limits/waits.js';
import { type FailureCount, PHASES, type RouteDelta, SLOTS, UNROUTED } from './metrics.js';
import { DecisionTotals, ProviderTotals } from './provider-totals.js';
import { ResilienceTotals } from './resilience/totals.js';

/** Seconds over which `rate` is taken; only complete seconds count. */
const RATE_SECONDS = 10;
const RATE_SLOTS = 16;
/** `recent` covers the last one to two of these. */
const RECENT_MS = 30_000;

/** A worker's state as it last reported it. */
export type WorkerGauges = Omit<
  WorkerReport,
  | 'routes'
  | 'resilience'
  | 'providers'
  | 'decisions'
  | 'limits'
  | 'quotas'
  | 'waits'
  | 'adaptive'
  | 'overload'
  | 'keysUsed'
  | 'sessionsSeen'
> & { readonly overload: Omit<OverloadReport, 'shed'> | null };

/**
 * What all workers counted since the gateway started. The primary adds up what they report, so a counter never goes
 * back when a worker dies: at most its last second is lost.
 */
export class Totals {
  readonly workers = new Map<number, WorkerGauges>();
  /** By name. */
  readonly providers = new Map<string, ProviderTotals>();
  /** By name. */
  readonly decisions = new Map<string, DecisionTotals>();
  /** By name. */
  readonly limits = new Map<string, LimitCounter>();
  readonly resilience = new ResilienceTotals();
  readonly sockets = new SocketTotals();
  readonly channels = new ChannelTotals();
  /** Who waits for them, by name. */
  readonly waits = new Map<string, WaitTotals>();
  /** By limit. */
  readonly adaptive = new Map<string, AdaptiveCounts>();
  /** Refused for overload: see `OverloadReport`. */
  readonly shed = new Float64Array(SHED_SLOTS);
  readonly #routes = new Map<string, RouteTotals>([[UNROUTED, new RouteTotals(UNROUTED)]]);
  readonly #nowMs: () => number;

  /** `nowMs`: a clock that never goes back. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** All routes that were ever used, first the one of what no route matched. */
  routes(): Iterable<RouteTotals> {
    return this.#routes.values();
  }

  merge(
    workerId: number,
    {
      routes,
      resilience,
      providers,
      decisions,
      limits,
      waits,
      adaptive,
      overload,
      quotas: _quotas,
      keysUsed: _used,
      sessionsSeen: _seen,
      ...gauges
    }: WorkerReport,
  ): void {
    const { pressure, refusing } = overload ?? {};
    this.workers.set(workerId, {
      ...gauges,
      overload: pressure && refusing ? { pressure, refusing } : null,
    });
    this.resilience.merge(workerId, resilience);
    for (const [name, counts] of providers) {
      const totals = this.providers.get(name) ?? new ProviderTotals();
      this.providers.set(name, totals);
      totals.merge(counts);
    }
    for (const [name, counts] of decisions) {
      const totals = this.decisions.get(name) ?? new DecisionTotals();
      this.decisions.set(name, totals);
      totals.merge(counts);
    }
    for (const [name, counts] of limits) {
      const totals = this.limits.get(name) ?? { admitted: 0, refused: 0, shadowed: 0, noRoom: 0 };
      this.limits.set(name, totals);
      for (const key of Object.keys(totals) as (keyof LimitCounter)[]) totals[key] += counts[key];
    }
    if (gauges.sockets !== null) this.sockets.merge(gauges.sockets);
    if (gauges.channels !== null) this.channels.merge(gauges.channels);
    for (const [name, counts] of waits) {
      const totals = this.waits.get(name) ?? new WaitTotals();
      this.waits.set(name, totals);
      totals.merge(workerId, counts);
    }
    for (const [name, counts] of adaptive) {
      const totals = this.adaptive.get(name) ?? { throttled: 0, kept: 0, released: 0 };
      this.adaptive.set(name, totals);
      for (const key of Object.keys(totals) as (keyof AdaptiveCounts)[]) totals[key] += counts[key];
    }
    overload?.shed.forEach((count, slot) => {
      this.shed[slot]! += count;
    });
    const nowMs = this.#nowMs();
    for (const delta of routes) {
      let totals = this.#routes.get(delta.name);
      if (totals === undefined) {
        totals = new RouteTotals(delta.name);
        this.#routes.set(delta.name, totals);
      }
      totals.merge(workerId, delta, nowMs);
    }
  }

  /** Its counters stay, what it was doing is gone. */
  workerGone(workerId: number): void {
    this.workers.delete(workerId);
    for (const totals of this.waits.values()) totals.workerGone(workerId);
    this.resilience.workerGone(workerId);
    for (const totals of this.#routes.values()) totals.workerGone(workerId);
  }

  /** Forgets routes that are no longer configured and have nothing in flight. */
  retain(names: ReadonlySet<string>): void {
    for (const [name, totals] of this.#routes) {
      if (name !== UNROUTED && !names.has(name) && totals.inFlight === 0) this.#routes.delete(name);
    }
  }

  /** Exchanges per second that ended on this route, mean of the last ten complete seconds. */
  rate(route: RouteTotals): number {
    return route.endedLately(this.#nowMs()) / RATE_SECONDS;
  }

  recent(route: RouteTotals): LatencyTotals {
    return route.recent(this.#nowMs());
  }
}

interface Recent {
  startedMs: number;
  now: LatencyTotals | null;
  before: LatencyTotals | null;
}

export class RouteTotals {
  readonly name: string;
  /** See `SLOTS`. */
  readonly counters = new Float64Array(SLOTS.length);
  readonly failures = new Map<string, FailureCount>();
  /** Since the start, in the order of `PHASES`. */
  readonly latencies = PHASES.map(() => new LatencyTotals());
  readonly #inFlight = new Map<number, number>();
  readonly #endedBySecond = new Float64Array(RATE_SLOTS);
  #second = 0;
  /** Null parts: nothing was recorded in that time. */
  #recent: Recent = { startedMs: 0, now: null, before: null };

  constructor(name: string) {
    this.name = name;
  }

  get inFlight(): number {
    let sum = 0;
    for (const count of this.#inFlight.values()) sum += count;
    return sum;
  }

  /** Exchanges that have ended. */
  get ended(): number {
    return this.latencies[0]!.totalCount;
  }

  merge(workerId: number, { inFlight, ended }: RouteDelta, nowMs: number): void {
    this.#inFlight.set(workerId, inFlight);
    if (ended === null) return;
    for (let i = 0; i < SLOTS.length; i++) this.counters[i]! += ended.counters[i]!;
    for (const { code, blame, count } of ended.failures) {
      const known = this.failures.get(code);
      if (known === undefined) this.failures.set(code, { code, blame, count });
      else known.count += count;
    }
    const before = this.ended;
    for (const [i, phase] of this.latencies.entries()) phase.merge(ended.latencies[i]!);
    this.#rotate(nowMs);
    this.#recent.now ??= new LatencyTotals();
    this.#recent.now.merge(ended.latencies[0]);
    this.#advance(nowMs);
    this.#endedBySecond[this.#second % RATE_SLOTS]! += this.ended - before;
  }

  workerGone(workerId: number): void {
    this.#inFlight.delete(workerId);
  }

  endedLately(nowMs: number): number {
    this.#advance(nowMs);
    let sum = 0;
    for (let back = 1; back <= RATE_SECONDS && back <= this.#second; back++) {
      sum += this.#endedBySecond[(this.#second - back) % RATE_SLOTS]!;
    }
    return sum;
  }

  /** Whole exchanges of the last 30 to 60 seconds. */
  recent(nowMs: number): LatencyTotals {
    this.#rotate(nowMs);
    const both = new LatencyTotals();
    for (const part of [this.#recent.before, this.#recent.now]) if (part !== null) both.add(part);
    return both;
  }

  /** Clears the seconds in which nothing was reported. */
  #advance(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    const from = Math.max(this.#second + 1, second - RATE_SLOTS + 1);
    for (let s = from; s <= second; s++) this.#endedBySecond[s % RATE_SLOTS] = 0;
    this.#second = second;
  }

  #rotate(nowMs: number): void {
    const age = nowMs - this.#recent.startedMs;
    if (age < RECENT_MS) return;
    const before = age < 2 * RECENT_MS ? this.#recent.now : null;
    this.#recent = { startedMs: nowMs - (age % RECENT_MS), now: null, before };
  }
}
