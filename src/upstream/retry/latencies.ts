/**
 * How long a service takes to begin an answer: percentiles of the last one to two thousand, within a tenth. A recording
 * is one logarithm and one count.
 */

/** Of each power of two: neighbours are 9 % apart. */
const STEPS = 8;
/** Up to 2^27 us, two minutes. */
const BUCKETS = 27 * STEPS;
/** Then all counts are halved. */
const FULL = 2_000;
/** A percentile is worked out anew after so many recordings. */
const STALE = 64;
/** Fewer say nothing about a percentile. */
const ENOUGH = 20;

export class Latencies {
  readonly #counts = new Float64Array(BUCKETS);
  #total = 0;
  /** How many were ever recorded. */
  recorded = 0;

  record(ms: number): void {
    const at = Math.floor(Math.log2(ms * 1_000 + 1) * STEPS);
    this.#counts[at < BUCKETS ? at : BUCKETS - 1]++;
    this.recorded++;
    if (++this.#total >= FULL) this.#halve();
  }

  /** In milliseconds; NaN as long as too little is known. `quantile` 0..1. Not for each request: see Percentile. */
  at(quantile: number): number {
    if (this.#total < ENOUGH) return Number.NaN;
    let below = 0;
    for (let at = 0; at < BUCKETS; at++) {
      below += this.#counts[at];
      if (below >= quantile * this.#total) return (2 ** ((at + 1) / STEPS) - 1) / 1_000;
    }
    return Number.POSITIVE_INFINITY;
  }

  #halve(): void {
    this.#total = 0;
    for (let at = 0; at < BUCKETS; at++) {
      this.#counts[at] = Math.floor(this.#counts[at] / 2);
      this.#total += this.#counts[at];
    }
  }
}

/** One of them, for each request: worked out anew now and then. */
export class Percentile {
  readonly #latencies: Latencies;
  readonly #quantile: number;
  #ms = Number.NaN;
  #dueAt = ENOUGH;

  constructor(latencies: Latencies, quantile: number) {
    this.#latencies = latencies;
    this.#quantile = quantile;
  }

  /** NaN as long as too little is known. */
  get ms(): number {
    const { recorded } = this.#latencies;
    if (recorded >= this.#dueAt) {
      this.#dueAt = recorded + STALE;
      this.#ms = this.#latencies.at(this.#quantile);
    }
    return this.#ms;
  }
}
