/** Finds the endpoints that fail far more often than the others of their service. */

interface Options {
  /** Milliseconds. */
  readonly interval: number;
  readonly minimumCalls: number;
  readonly minimumEndpoints: number;
  readonly deviations: number;
}

interface Counted {
  readonly slot: number;
  /** Since the endpoint is known; they come round at 2^32. */
  readonly calls: number;
  readonly failures: number;
}

export class SuccessRates {
  readonly #now: () => number;
  #before = new Map<number, Counted>();
  #lookedAt: number;

  constructor(now: () => number) {
    this.#now = now;
    this.#lookedAt = now();
  }

  /** Slots, once per interval. */
  outliers(counted: readonly Counted[], options: Options): number[] {
    const now = this.#now();
    if (now - this.#lookedAt < options.interval) return [];
    this.#lookedAt = now;
    const before = this.#before;
    this.#before = new Map(counted.map((one) => [one.slot, one]));
    const rates: { slot: number; rate: number }[] = [];
    for (const { slot, calls, failures } of counted) {
      const was = before.get(slot);
      if (was === undefined) continue;
      const made = (calls - was.calls) >>> 0;
      if (made < options.minimumCalls) continue;
      rates.push({ slot, rate: 1 - ((failures - was.failures) >>> 0) / made });
    }
    if (rates.length < options.minimumEndpoints) return [];
    const mean = rates.reduce((sum, { rate }) => sum + rate, 0) / rates.length;
    const variance = rates.reduce((sum, { rate }) => sum + (rate - mean) ** 2, 0) / rates.length;
    const bound = mean - options.deviations * Math.sqrt(variance);
    // A hair's breadth is rounding.
    return rates.flatMap(({ slot, rate }) => (rate < bound - 1e-9 ? [slot] : []));
  }
}
