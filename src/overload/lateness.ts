/**
 * How late the event loop runs its timers, for control. Of the last five firings the second latest: while the loop is
 * overloaded they are all late, but one long pause (a collection of garbage, a configuration that is built, a laptop that
 * slept) is no overload.
 */

/** A timer with this period: 0.05 % of a core. */
export const TICK_MS = 50;
const SAMPLES = 5;

export class Lateness {
  readonly #latest = new Float64Array(SAMPLES);
  #count = 0;
  #before = Number.NaN;

  /** At each firing, with the time in milliseconds. */
  fired(now: number): void {
    const late = now - this.#before - TICK_MS;
    this.#before = now;
    if (Number.isNaN(late)) return;
    this.#latest[this.#count++ % SAMPLES] = Math.max(0, late);
  }

  /** What came before says nothing. */
  forget(): void {
    this.#count = 0;
    this.#latest.fill(0);
    this.#before = Number.NaN;
  }

  /** Of the last firings, those that came after `forget`, the latest. Milliseconds. */
  get worst(): number {
    return Math.max(...this.#latest);
  }

  /** There have been enough firings to say. */
  get known(): boolean {
    return this.#count >= SAMPLES;
  }

  /** Milliseconds; 0 as long as it is not known. */
  get ms(): number {
    if (!this.known) return 0;
    let first = 0;
    let second = 0;
    for (const late of this.#latest) {
      if (late >= first) {
        second = first;
        first = late;
      } else if (late > second) {
        second = late;
      }
    }
    return second;
  }
}
