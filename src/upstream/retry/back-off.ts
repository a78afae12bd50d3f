/** The wait before another try. The client may leave during it: then nothing follows. */
import type { Exchange, OngoingAttempt } from '../../exchange.js';
import type { Deadlines, Timed } from '../deadlines.js';

export class BackOff implements Timed, OngoingAttempt {
  readonly dueAt: number;
  slot = -1;
  readonly #x: Exchange;
  readonly #deadlines: Deadlines;
  readonly #then: () => void;

  /** `now`: a fresh `performance.now()`. The wait is rounded up to the next look at the deadlines. */
  constructor(x: Exchange, waitMs: number, deadlines: Deadlines, now: number, then: () => void) {
    this.#x = x;
    this.#deadlines = deadlines;
    this.#then = then;
    this.dueAt = now + waitMs;
    x.attempt = this;
    deadlines.add(this, now);
  }

  expire(): void {
    this.#deadlines.remove(this);
    this.#x.attempt = null;
    this.#then();
  }

  resume(): void {}

  abandon(): void {
    this.#deadlines.remove(this);
  }
}
