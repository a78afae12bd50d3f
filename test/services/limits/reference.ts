/** What the algorithms must do, written as plainly as possible, for one process; and chance that can be repeated. */

export class ReferenceBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at = 0;

  constructor(count: number, periodMs: number, burst: number) {
    this.#perMs = count / periodMs;
    this.#burst = burst;
    this.#tokens = burst;
  }

  take(cost: number, now: number): boolean {
    this.#refill(now);
    if (this.#tokens < cost) return false;
    this.#tokens -= cost;
    return true;
  }

  /** How far from the point where the answer would have been another. */
  margin(cost: number, now: number): number {
    this.#refill(now);
    return Math.abs(this.#tokens - cost);
  }

  remaining(now: number): number {
    this.#refill(now);
    return this.#tokens;
  }

  #refill(now: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
  }
}

export class ReferenceWindow {
  readonly #most: number;
  readonly #windowMs: number;
  readonly #counts = new Map<number, number>();

  constructor(most: number, windowMs: number) {
    this.#most = most;
    this.#windowMs = windowMs;
  }

  take(cost: number, now: number): boolean {
    const window = Math.floor(now / this.#windowMs);
    const covered = ((window + 1) * this.#windowMs - now) / this.#windowMs;
    const before = this.#counts.get(window - 1) ?? 0;
    const current = this.#counts.get(window) ?? 0;
    if (before * covered + current + cost > this.#most) return false;
    this.#counts.set(window, current + cost);
    return true;
  }
}

/** Mulberry32: 0 to below 1. */
export function chance(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
