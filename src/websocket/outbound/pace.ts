import type { RateConfig } from '../../config/schema/limits/limits.js';

/** What may be sent at once, as a share of a second: finer steps would only wake the process more often. */
const STEP_MS = 50;

/** So many in a period, evenly: a bucket as small as it can be. Times in milliseconds. */
export class Pace {
  readonly #perMs: number;
  readonly #most: number;
  #left: number;
  #at: number;

  constructor({ count, periodMs }: RateConfig, now: number) {
    this.#perMs = count / periodMs;
    this.#most = Math.max(1, this.#perMs * STEP_MS);
    this.#left = this.#most;
    this.#at = now;
  }

  take(now: number): boolean {
    this.#left = Math.min(this.#most, this.#left + (now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  /** Until the next one, but not so soon that it would be alone. */
  waitMs(): number {
    return Math.max(1, Math.ceil((this.#most - this.#left) / this.#perMs));
  }
}
