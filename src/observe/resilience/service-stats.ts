/** What one worker did to spare a service, or to do without it. */

/** Why a request was tried again. */
export const RETRY_REASONS = ['connect', 'reset', 'timeout', 'status'] as const;
/** What became of the retry; the last two: it did not take place. */
export const RETRY_RESULTS = ['success', 'failed', 'budget', 'no_time'] as const;
export const [SUCCESS, FAILED, NO_BUDGET, NO_TIME] = [0, 1, 2, 3] as const;

export const HEDGE_RESULTS = ['sent', 'won', 'budget'] as const;
export const [HEDGE_SENT, HEDGE_WON, HEDGE_NO_BUDGET] = [0, 1, 2] as const;

/** Why a request got no place: nobody may wait any more, or it waited too long. */
export const BULKHEAD_REASONS = ['full', 'late'] as const;
export const [FULL, LATE] = [0, 1] as const;

const HEDGES = RETRY_REASONS.length * RETRY_RESULTS.length;
const REJECTED = HEDGES + HEDGE_RESULTS.length;
/** Where the counters of each kind begin. */
export const SERVICE_SLOTS = {
  retries: 0,
  hedges: HEDGES,
  rejected: REJECTED,
  length: REJECTED + BULKHEAD_REASONS.length,
} as const;

export interface BulkheadGauges {
  readonly inFlight: number;
  readonly waiting: number;
  readonly limit: number;
}

/** One service since the flush before; `bulkhead` is how it is now. */
export interface ServiceDelta {
  readonly name: string;
  /** null: nothing was counted. */
  readonly counters: Float64Array | null;
  readonly bulkhead: BulkheadGauges | null;
}

export interface FallbackDelta {
  readonly route: string;
  readonly to: string;
  readonly count: number;
}

export interface ResilienceDelta {
  readonly services: readonly ServiceDelta[];
  readonly fallbacks: readonly FallbackDelta[];
}

export class ServiceStats {
  readonly name: string;
  /** Where the gauges are read. */
  bulkhead: BulkheadGauges | null = null;
  readonly #counters = new Float64Array(SERVICE_SLOTS.length);
  #changed = false;

  constructor(name: string) {
    this.name = name;
  }

  retry(reason: number, result: number): void {
    this.#count(reason * RETRY_RESULTS.length + result);
  }

  hedge(result: number): void {
    this.#count(HEDGES + result);
  }

  rejected(reason: number): void {
    this.#count(REJECTED + reason);
  }

  flush(): ServiceDelta | null {
    const { name, bulkhead } = this;
    if (!this.#changed && bulkhead === null) return null;
    const counters = this.#changed ? this.#counters.slice() : null;
    this.#counters.fill(0);
    this.#changed = false;
    return {
      name,
      counters,
      bulkhead: bulkhead && { inFlight: bulkhead.inFlight, waiting: bulkhead.waiting, limit: bulkhead.limit },
    };
  }

  #count(slot: number): void {
    this.#counters[slot]++;
    this.#changed = true;
  }
}

/** How often one step of a route's fallbacks was taken. */
export interface FallbackCount {
  readonly route: string;
  readonly to: string;
  count: number;
}

/** All of a worker. The same object for the same name, so that what was counted survives a reload. */
export class ResilienceStats {
  readonly #services = new Map<string, ServiceStats>();
  readonly #fallbacks = new Map<string, FallbackCount>();

  service(name: string): ServiceStats {
    let stats = this.#services.get(name);
    if (stats === undefined) {
      stats = new ServiceStats(name);
      this.#services.set(name, stats);
    }
    return stats;
  }

  fallback(route: string, to: string): FallbackCount {
    const key = `${route} ${to}`;
    let count = this.#fallbacks.get(key);
    if (count === undefined) {
      count = { route, to, count: 0 };
      this.#fallbacks.set(key, count);
    }
    return count;
  }

  flush(): ResilienceDelta {
    const fallbacks = [...this.#fallbacks.values()].filter(({ count }) => count > 0);
    const delta = {
      services: [...this.#services.values()].flatMap((stats) => stats.flush() ?? []),
      fallbacks: fallbacks.map((count) => ({ ...count })),
    };
    for (const count of fallbacks) count.count = 0;
    return delta;
  }
}
