/** The same of all workers, since the gateway started. */
import {
  type BulkheadGauges,
  type FallbackCount,
  type ResilienceDelta,
  SERVICE_SLOTS,
} from './service-stats.js';

export class ResilienceTotals {
  /** By the service's name; see `SERVICE_SLOTS`. */
  readonly services = new Map<string, Float64Array>();
  readonly fallbacks = new Map<string, FallbackCount>();
  /** By worker: what each service's bulkhead holds there now. */
  readonly #bulkheads = new Map<number, Map<string, BulkheadGauges>>();

  merge(workerId: number, { services, fallbacks }: ResilienceDelta): void {
    const bulkheads = new Map<string, BulkheadGauges>();
    for (const { name, counters, bulkhead } of services) {
      if (bulkhead !== null) bulkheads.set(name, bulkhead);
      if (counters === null) continue;
      const totals = this.services.get(name) ?? new Float64Array(SERVICE_SLOTS.length);
      this.services.set(name, totals);
      for (let i = 0; i < totals.length; i++) totals[i] += counters[i];
    }
    this.#bulkheads.set(workerId, bulkheads);
    for (const { route, to, count } of fallbacks) {
      const key = `${route} ${to}`;
      const known = this.fallbacks.get(key) ?? { route, to, count: 0 };
      this.fallbacks.set(key, known);
      known.count += count;
    }
  }

  workerGone(workerId: number): void {
    this.#bulkheads.delete(workerId);
  }

  /** By the service's name, the sum of all workers. */
  bulkheads(): ReadonlyMap<string, BulkheadGauges> {
    const sums = new Map<string, BulkheadGauges>();
    for (const bulkheads of this.#bulkheads.values()) {
      for (const [name, { inFlight, waiting, limit }] of bulkheads) {
        const sum = sums.get(name) ?? { inFlight: 0, waiting: 0, limit: 0 };
        sums.set(name, {
          inFlight: sum.inFlight + inFlight,
          waiting: sum.waiting + waiting,
          limit: sum.limit + limit,
        });
      }
    }
    return sums;
  }
}
