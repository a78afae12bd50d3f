/**
 * A bound on how much a service is asked at once by this worker, and a bounded queue behind it: a service that has become
 * slow keeps its own requests waiting, and nobody else's.
 */
import type { Exchange, OngoingAttempt } from '../../exchange.js';
import { FULL, LATE, type ServiceStats } from '../../observe/resilience/service-stats.js';
import type { Deadlines, Timed } from '../deadlines.js';
import { Gradient, type GradientOptions } from './gradient.js';

export interface BulkheadOptions {
  readonly maxInFlight: number;
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
  /** null: the bound is fixed. */
  readonly adaptive: Omit<GradientOptions, 'max'> | null;
}

export class Bulkhead {
  inFlight = 0;
  readonly #stats: ServiceStats;
  readonly #waiting = new Set<Waiter>();
  #options: BulkheadOptions;
  #gradient: Gradient | null = null;
  #admitting = false;

  constructor(options: BulkheadOptions, stats: ServiceStats) {
    this.#stats = stats;
    this.#options = options;
    this.configure(options);
  }

  /** For a reload: who holds a place keeps it, who waits goes on waiting. */
  configure(options: BulkheadOptions): void {
    const { adaptive, maxInFlight: max } = options;
    this.#options = options;
    if (adaptive === null) this.#gradient = null;
    else if (this.#gradient === null) this.#gradient = new Gradient({ ...adaptive, max });
    else this.#gradient.options = { ...adaptive, max };
    this.#admit();
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  get limit(): number {
    return this.#gradient === null ? this.#options.maxInFlight : this.#gradient.limit;
  }

  /** Takes a place, if there is one. */
  enter(x: Exchange): boolean {
    if (this.inFlight >= this.limit || this.#waiting.size > 0) return false;
    this.#take(x);
    return true;
  }

  /** Waits for a place: `then` follows with whether there was one. False: too many wait already. `now` as for Deadlines. */
  wait(x: Exchange, deadlines: Deadlines, now: number, then: (admitted: boolean) => void): boolean {
    const { maxWaiting, maxWaitMs } = this.#options;
    if (this.#waiting.size >= maxWaiting) {
      this.#stats.rejected(FULL);
      return false;
    }
    const waiter = new Waiter(x, this, deadlines, Math.min(now + maxWaitMs, x.dueAt), then);
    this.#waiting.add(waiter);
    x.attempt = waiter;
    deadlines.add(waiter, now);
    return true;
  }

  /** The exchange holds its place no longer. */
  leave(x: Exchange): void {
    x.place = null;
    this.inFlight--;
    this.#admit();
  }

  /** The service began to answer, this long after the try. */
  answered(ms: number, now: number): void {
    if (this.#gradient?.sample(ms, this.inFlight, now)) this.#admit();
  }

  /** The waiter has left, or has waited for too long. */
  forget(waiter: Waiter, late: boolean): void {
    this.#waiting.delete(waiter);
    if (late) this.#stats.rejected(LATE);
  }

  #take(x: Exchange): void {
    this.inFlight++;
    x.place = this;
  }

  /** One that is let in may fail, and leave, at once: a loop, not a recursion. */
  #admit(): void {
    if (this.#admitting) return;
    this.#admitting = true;
    try {
      for (const waiter of this.#waiting) {
        if (this.inFlight >= this.limit) break;
        this.#waiting.delete(waiter);
        this.#take(waiter.x);
        waiter.admit();
      }
    } finally {
      this.#admitting = false;
    }
  }
}

class Waiter implements Timed, OngoingAttempt {
  readonly x: Exchange;
  readonly dueAt: number;
  slot = -1;
  readonly #bulkhead: Bulkhead;
  readonly #deadlines: Deadlines;
  readonly #then: (admitted: boolean) => void;

  constructor(
    x: Exchange,
    bulkhead: Bulkhead,
    deadlines: Deadlines,
    dueAt: number,
    then: (admitted: boolean) => void,
  ) {
    this.x = x;
    this.#bulkhead = bulkhead;
    this.#deadlines = deadlines;
    this.dueAt = dueAt;
    this.#then = then;
  }

  admit(): void {
    this.#end();
    this.#then(true);
  }

  expire(): void {
    this.#bulkhead.forget(this, true);
    this.#end();
    this.#then(false);
  }

  resume(): void {}

  abandon(): void {
    this.#bulkhead.forget(this, false);
    this.#deadlines.remove(this);
  }

  #end(): void {
    this.#deadlines.remove(this);
    this.x.attempt = null;
  }
}
