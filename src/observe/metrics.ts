import type { Failure } from '../errors.js';
import { type LatencyPairs, LatencyRecorder } from './latency.js';
import { ResilienceStats } from './resilience/service-stats.js';

/** Label values of `method`: what is not one of these is counted as OTHER, whatever a client invents. */
export const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'OTHER'] as const;

/** Label values of `status_class`, by `status / 100`; "none" is an exchange that ended without a status. */
export const STATUS_CLASSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/** Label values of `phase`: the whole exchange, what the service took of it, and the rest. */
export const PHASES = ['total', 'gateway', 'upstream'] as const;

/** The route name under which exchanges are counted that no route matched. No route can be called so. */
export const UNROUTED = '-';

/**
 * Slots of a route's counters. The first 48 are requests by method and status class,
 * `method * 6 + status class`; then bytes, attempts and the sum of each phase in milliseconds.
 */
export const SLOTS = {
  bytesIn: 48,
  bytesOut: 49,
  attempts: 50,
  totalMs: 51,
  gatewayMs: 52,
  upstreamMs: 53,
  length: 54,
} as const;

const BYTES_IN = SLOTS.bytesIn;
const BYTES_OUT = SLOTS.bytesOut;
const ATTEMPTS = SLOTS.attempts;
const TOTAL_MS = SLOTS.totalMs;
const GATEWAY_MS = SLOTS.gatewayMs;
const UPSTREAM_MS = SLOTS.upstreamMs;

export interface FailureCount {
  readonly code: string;
  readonly blame: Failure['blame'];
  count: number;
}

/** What happened on one route in one worker since the flush before. `inFlight` is the value now. */
export interface RouteDelta {
  name: string;
  inFlight: number;
  /** null: no exchange ended, only `inFlight` moved. */
  ended: {
    counters: Float64Array;
    failures: FailureCount[];
    /** In the order of `PHASES`. */
    latencies: [total: LatencyPairs, gateway: LatencyPairs, upstream: LatencyPairs];
  } | null;
}

export type MetricsDelta = RouteDelta[];

/** One route's figures in one worker. `begin` and `done` are the hot path and allocate nothing. */
export class RouteStats {
  readonly name: string;
  inFlight = 0;
  #changed = false;
  #recorded: Recorded | null = null;

  constructor(name: string) {
    this.name = name;
  }

  begin(): void {
    this.inFlight++;
    this.#changed = true;
  }

  /** Exactly once per `begin`, also for an exchange that was cut short. Times in milliseconds. */
  done(
    method: string,
    status: number,
    totalMs: number,
    upstreamMs: number,
    bytesIn: number,
    bytesOut: number,
    failure: Failure | null,
    attempts: number,
  ): void {
    this.inFlight--;
    this.#changed = true;
    // Made by the first exchange that ends, so that thousands of idle routes cost nothing.
    this.#recorded ??= new Recorded();
    const recorded = this.#recorded;
    const gatewayMs = totalMs > upstreamMs ? totalMs - upstreamMs : 0;
    const { counters } = recorded;
    counters[methodIndex(method) * 6 + statusClassIndex(status)]++;
    counters[BYTES_IN] += bytesIn;
    counters[BYTES_OUT] += bytesOut;
    counters[ATTEMPTS] += attempts;
    counters[TOTAL_MS] += totalMs;
    counters[GATEWAY_MS] += gatewayMs;
    counters[UPSTREAM_MS] += upstreamMs;
    recorded.total.recordMs(totalMs);
    recorded.gateway.recordMs(gatewayMs);
    if (attempts > 0) recorded.upstream.recordMs(upstreamMs);
    if (failure !== null) recorded.fail(failure);
  }

  /** What changed since the last call, or null when nothing did. */
  flush(): RouteDelta | null {
    if (!this.#changed) return null;
    this.#changed = false;
    return { name: this.name, inFlight: this.inFlight, ended: this.#recorded?.take() ?? null };
  }
}

class Recorded {
  readonly counters = new Float64Array(SLOTS.length);
  readonly total = new LatencyRecorder();
  readonly gateway = new LatencyRecorder();
  readonly upstream = new LatencyRecorder();
  #failures = new Map<string, FailureCount>();

  fail({ code, blame }: Failure): void {
    const known = this.#failures.get(code);
    if (known === undefined) this.#failures.set(code, { code, blame, count: 1 });
    else known.count++;
  }

  take(): RouteDelta['ended'] {
    if (this.total.totalCount === 0) return null;
    const counters = this.counters.slice();
    this.counters.fill(0);
    const failures = [...this.#failures.values()];
    this.#failures.clear();
    return { counters, failures, latencies: [this.total.take(), this.gateway.take(), this.upstream.take()] };
  }
}

/**
 * All figures of one worker. The number of series is bounded by the configuration: a route is looked
 * up once, when a snapshot is built, and what no route matched goes to `unrouted`.
 */
export class WorkerMetrics {
  readonly unrouted = new RouteStats(UNROUTED);
  readonly resilience = new ResilienceStats();
  #routes = new Map<string, RouteStats>([[UNROUTED, this.unrouted]]);
  #retained: ReadonlySet<string> | null = null;

  /** The same object for the same name, so that counters survive a reload. */
  route(name: string): RouteStats {
    let stats = this.#routes.get(name);
    if (stats === undefined) {
      stats = new RouteStats(name);
      this.#routes.set(name, stats);
    }
    return stats;
  }

  /**
   * Names the routes of the configuration in force; call it after a reload. Others are forgotten as soon as they
   * are idle and everything they counted has been handed over.
   */
  retain(names: ReadonlySet<string>): void {
    this.#retained = names;
  }

  /** Everything that changed since the last call. Counters start again from zero: the primary adds up. */
  flush(): MetricsDelta {
    const deltas: MetricsDelta = [];
    for (const stats of this.#routes.values()) {
      const delta = stats.flush();
      if (delta !== null) deltas.push(delta);
      else if (stats.inFlight === 0 && this.#isGone(stats.name)) this.#routes.delete(stats.name);
    }
    return deltas;
  }

  #isGone(name: string): boolean {
    return name !== UNROUTED && this.#retained !== null && !this.#retained.has(name);
  }
}

function methodIndex(method: string): number {
  switch (method) {
    case 'GET':
      return 0;
    case 'POST':
      return 1;
    case 'PUT':
      return 2;
    case 'DELETE':
      return 3;
    case 'PATCH':
      return 4;
    case 'HEAD':
      return 5;
    case 'OPTIONS':
      return 6;
    default:
      return 7;
  }
}

function statusClassIndex(status: number): number {
  return status >= 100 && status < 600 ? (status / 100) | 0 : 0;
}
