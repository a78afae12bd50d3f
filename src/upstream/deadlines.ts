/**
 * Deadlines of everything in flight, checked by one timer. A timer of Node's own for each phase of each request costs
 * more than the rest of its bookkeeping; undici's are off by up to half a second above one second.
 */

/** How often deadlines are looked at: the precision of every timeout, in milliseconds. */
const TICK_MS = 20;
/** Empty ticks before the timer stops. */
const LINGER_TICKS = 50;

export interface Timed {
  /** `Deadlines.now` after which `expire` is called; Infinity for never. */
  dueAt: number;
  /** Its place in the list: owned by Deadlines. */
  slot: number;
  expire(): void;
}

export class Deadlines {
  /** Milliseconds, at most one tick old while anything is in flight. */
  now = performance.now();
  readonly #timed: Timed[] = [];
  #timer: NodeJS.Timeout | null = null;
  #empty = 0;

  /** `now` must be a fresh `performance.now()`. */
  add(timed: Timed, now: number): void {
    timed.slot = this.#timed.push(timed) - 1;
    this.now = now;
    if (this.#timer === null) this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  remove(timed: Timed): void {
    const { slot } = timed;
    if (slot < 0) return;
    timed.slot = -1;
    const last = this.#timed.pop() as Timed;
    if (last === timed) return;
    this.#timed[slot] = last;
    last.slot = slot;
  }

  #tick(): void {
    this.now = performance.now();
    for (let i = this.#timed.length - 1; i >= 0; i--) {
      // Expiring one may remove others: the list can be shorter than it was.
      const timed = this.#timed[i];
      if (timed !== undefined && timed.dueAt <= this.now) timed.expire();
    }
    this.#empty = this.#timed.length === 0 ? this.#empty + 1 : 0;
    if (this.#empty > LINGER_TICKS && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
      this.#empty = 0;
    }
  }
}
