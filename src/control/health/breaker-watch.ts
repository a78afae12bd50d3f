/** A breaker as the primary sees it: tends it, and tells each change. */
import type { BreakerStateName, BreakerView } from '../../observe/health/view.js';
import type { Log } from '../../observe/log.js';
import {
  type Breaker,
  type BreakerState,
  CLOSED,
  HALF_OPEN,
  OPEN,
  RECOVERING,
  STATE_NAMES,
} from '../../shared/health/breaker.js';

/** The order in which they follow each other. */
const CYCLE = [CLOSED, OPEN, HALF_OPEN, RECOVERING] as const;

export class BreakerWatch {
  readonly #log: Log;
  /** What the lines say of whose it is. */
  readonly #whose: Readonly<Record<string, unknown>>;
  #breaker: Breaker;
  #told: number[];
  #state: BreakerState;

  constructor(breaker: Breaker, log: Log, whose: Readonly<Record<string, unknown>>) {
    this.#breaker = breaker;
    this.#log = log;
    this.#whose = whose;
    this.#told = CYCLE.map((state) => breaker.began(state));
    this.#state = breaker.state;
  }

  /** The same one, with other options. */
  replace(breaker: Breaker): void {
    this.#breaker = breaker;
  }

  /** Returns the state. */
  tend(): BreakerState {
    this.#breaker.tend();
    this.#tell();
    return this.#state;
  }

  view(): BreakerView {
    const breaker = this.#breaker;
    const { calls, failed, slow } = breaker.counts();
    const age = breaker.age();
    const changes = Object.fromEntries(CYCLE.map((state) => [STATE_NAMES[state], breaker.began(state)]));
    return {
      state: STATE_NAMES[breaker.state],
      sinceMs: age === null ? null : Math.round(age),
      retryInMs: Math.round(breaker.remaining()),
      calls,
      failed,
      slow,
      changes: changes as Record<BreakerStateName, number>,
    };
  }

  /** Several may have followed each other since it was looked at. */
  #tell(): void {
    const due = CYCLE.map((state, i) => (this.#breaker.began(state) - (this.#told[i] as number)) | 0);
    let at = CYCLE.indexOf(this.#state);
    const state = this.#breaker.state;
    // Whoever made the change was killed before it could count it.
    if (state !== this.#state && due.every((count) => count <= 0)) due[CYCLE.indexOf(state)] = 1;
    this.#told = CYCLE.map((state) => this.#breaker.began(state));
    this.#state = state;
    while (due.some((count) => count > 0)) {
      at = (at + 1) % CYCLE.length;
      if ((due[at] as number) <= 0) continue;
      (due[at] as number)--;
      this.#line(CYCLE[at] as BreakerState);
    }
  }

  #line(state: BreakerState): void {
    const { calls, failed, slow } = this.#breaker.counts();
    const { openFor, probes } = this.#breaker.options;
    if (state === OPEN) {
      this.#log.warn({ ...this.#whose, calls, failed, slow, openForMs: openFor }, 'circuit breaker open');
    } else if (state === HALF_OPEN) this.#log.info({ ...this.#whose, probes }, 'circuit breaker half-open');
    else this.#log.info({ ...this.#whose }, `circuit breaker ${STATE_NAMES[state]}`);
  }
}
