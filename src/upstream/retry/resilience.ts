/** What is configured for a service that fails or is slow, with what was learnt of it: that outlives a reload. */
import type { BulkheadConfig } from '../../config/schema/resilience/bulkhead.js';
import type { HedgeConfig } from '../../config/schema/resilience/retries.js';
import type { ServiceConfig } from '../../config/schema/services/service.js';
import type { Exchange } from '../../exchange.js';
import {
  NO_BUDGET,
  NO_TIME,
  type ResilienceStats,
  type ServiceStats,
} from '../../observe/resilience/service-stats.js';
import type { Attempt } from '../attempt.js';
import { Bulkhead, type BulkheadOptions } from '../bulkhead/bulkhead.js';
import { Budget, type BudgetOptions } from './budget.js';
import { Latencies, Percentile } from './latencies.js';
import { NO_REASON, RetryPolicy } from './policy.js';
import type { Recovery } from './recovery.js';

/** How late an answer may be before another endpoint is asked too. */
export class Hedge {
  readonly max: number;
  readonly budget: Budget;
  readonly #after: number | Percentile;

  constructor(max: number, budget: Budget, after: number | Percentile) {
    this.max = max;
    this.budget = budget;
    this.#after = after;
  }

  /** NaN: too little is known yet. */
  get afterMs(): number {
    return typeof this.#after === 'number' ? this.#after : this.#after.ms;
  }

  /** One that costs the service no more than the time to answer it. */
  mayHelp(x: Exchange): boolean {
    return (x.method === 'GET' || x.method === 'HEAD') && x.body === null && !x.dialling;
  }
}

export class Resilience {
  readonly stats: ServiceStats;
  /** null: the service has none of its own; a route may. */
  readonly retries: RetryPolicy | null;
  readonly hedge: Hedge | null;
  readonly bulkhead: Bulkhead | null;
  readonly #options: ResilienceConfig;
  readonly #memory: Memory;
  /** How long it takes the service to begin an answer, half of the time. */
  readonly #typical: Percentile;

  constructor(options: ResilienceConfig, memory: Memory) {
    const { retries, hedge, bulkhead } = options;
    this.stats = memory.stats;
    this.#options = options;
    this.#memory = memory;
    this.#typical = new Percentile(memory.latencies, 0.5);
    this.retries = retries === undefined ? null : new RetryPolicy(retries);
    this.hedge = hedge === undefined ? null : hedgeOf(hedge, memory);
    this.bulkhead =
      bulkhead === undefined
        ? null
        : (memory.bulkhead ?? new Bulkhead(bulkheadOptions(bulkhead), memory.stats));
  }

  /** Its snapshot is in force: what was learnt goes on under these options. */
  adopt(): void {
    const { retries, hedge, bulkhead } = this.#options;
    const memory = this.#memory;
    memory.budget.options = retries?.budget ?? DEFAULT_BUDGET;
    if (hedge !== undefined) memory.hedgeBudget.options = hedge.budget;
    if (bulkhead !== undefined) this.bulkhead?.configure(bulkheadOptions(bulkhead));
    memory.bulkhead = this.bulkhead;
    this.stats.bulkhead = this.bulkhead;
  }

  /** A request is sent for the first time. `now` as everywhere: a fresh `performance.now()`. */
  requested(now: number): void {
    this.#memory.budget.request(now);
    this.hedge?.budget.request(now);
  }

  /** An answer began. */
  answered({ startedAt, since }: Attempt, status: number): void {
    // How fast a failure is says nothing about how long the work takes.
    if (status >= 500) return;
    const now = performance.now();
    // With the wait for the first endpoint, if another one has won: hedging must not make slow answers look rare.
    this.#memory.latencies.record(now - since);
    this.bulkhead?.answered(now - startedAt, now);
  }

  /** A try was given up after so long. */
  timedOut(startedAt: number): void {
    const now = performance.now();
    this.bulkhead?.answered(now - startedAt, now);
  }

  /** The retry under way has come to this. */
  settle(recovery: Recovery, result: number): void {
    if (recovery.reason !== NO_REASON) this.stats.retry(recovery.reason, result);
    recovery.reason = NO_REASON;
  }

  /**
   * Milliseconds to wait before another try, which is then counted; -1: there is none. `askedMs` is what the service asked for
   * (`Retry-After`).
   */
  retryIn(
    x: Exchange,
    recovery: Recovery,
    policy: RetryPolicy,
    reason: number,
    askedMs: number,
    now: number,
  ): number {
    if (recovery.retries >= policy.attempts) return -1;
    const wait = Math.max(policy.wait(recovery.retries), askedMs);
    if (askedMs > policy.maxMs || !this.#hasTime(x, now + wait)) {
      this.stats.retry(reason, NO_TIME);
      return -1;
    }
    if (!this.#memory.budget.take(now)) {
      this.stats.retry(reason, NO_BUDGET);
      return -1;
    }
    recovery.retries++;
    recovery.reason = reason;
    return wait;
  }

  /** Whether a try that begins then can be expected to end in time. */
  #hasTime(x: Exchange, then: number): boolean {
    if (x.dueAt === Number.POSITIVE_INFINITY) return true;
    const typical = this.#typical.ms;
    return then + (Number.isNaN(typical) ? LEAST_MS : Math.max(typical, LEAST_MS)) < x.dueAt;
  }
}

/** A try takes at least that long; also the precision of the deadlines. */
const LEAST_MS = 20;

/** For routes with retries on services without. */
const DEFAULT_BUDGET: BudgetOptions = { share: 0.1, minimum: 1 };

export type ResilienceConfig = Pick<ServiceConfig, 'retries' | 'hedge' | 'bulkhead'>;

interface Memory {
  readonly budget: Budget;
  readonly hedgeBudget: Budget;
  readonly latencies: Latencies;
  readonly stats: ServiceStats;
  bulkhead: Bulkhead | null;
}

function hedgeOf({ max, after }: HedgeConfig, { hedgeBudget, latencies }: Memory): Hedge {
  return new Hedge(max, hedgeBudget, 'ms' in after ? after.ms : new Percentile(latencies, after.quantile));
}

function bulkheadOptions({ maxInFlight, maxWaiting, maxWait, adaptive }: BulkheadConfig): BulkheadOptions {
  return { maxInFlight, maxWaiting, maxWaitMs: maxWait, adaptive };
}

/** By the service's name. */
export class ResiliencePool {
  readonly #memories = new Map<string, Memory>();

  /** null: nothing is configured. `onRoutes`: some route has retries of its own for it. */
  get(name: string, options: ResilienceConfig, onRoutes: boolean, stats: ResilienceStats): Resilience | null {
    const { retries, hedge, bulkhead } = options;
    if (!(retries || hedge || bulkhead || onRoutes)) return null;
    let memory = this.#memories.get(name);
    if (memory === undefined) {
      memory = {
        budget: new Budget(DEFAULT_BUDGET),
        hedgeBudget: new Budget(DEFAULT_BUDGET),
        latencies: new Latencies(),
        stats: stats.service(name),
        bulkhead: null,
      };
      this.#memories.set(name, memory);
    }
    return new Resilience(options, memory);
  }

  /** A snapshot is in force that has these. */
  adopt(current: readonly Resilience[]): void {
    const names = new Set(current.map(({ stats }) => stats.name));
    for (const [name, { stats }] of this.#memories) {
      if (names.has(name)) continue;
      stats.bulkhead = null;
      this.#memories.delete(name);
    }
    for (const resilience of current) resilience.adopt();
  }
}
