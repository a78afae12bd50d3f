/** How often a client may show new credentials: each is checked and answered, whatever else it may send. */
import { Allowance } from '../inbound/allowance.js';

const AT_ONCE = 20;
const PER_SECOND = { count: 1, periodMs: 1000 };
/** Answers that may wait for a client that reads nothing. */
const MOST_UNREAD = 100;

export class AuthPace {
  readonly #allowance: Allowance;
  #unread = 0;

  constructor(now: number) {
    this.#allowance = new Allowance({ rate: PER_SECOND, burst: AT_ONCE }, now);
  }

  /** False: that is too much. `waiting`: bytes that the client has not taken yet. */
  take(now: number, waiting: number): boolean {
    this.#unread = waiting === 0 ? 0 : this.#unread + 1;
    return this.#unread <= MOST_UNREAD && this.#allowance.take(now, 0);
  }
}
