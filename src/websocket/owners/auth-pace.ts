/** How often a client may show new credentials: each is checked and answered, whatever else it may send. */
import { Allowance } from '../inbound/allowance.js';

const ANY_TIME = { rate: { count: 1, periodMs: 1000 }, burst: 20 };
/** While something waits for the client, answers may wait behind it. With conflation something may always wait. */
const WHILE_WAITING = { rate: { count: 1, periodMs: 60_000 }, burst: 100 };

export class AuthPace {
  readonly #anyTime: Allowance;
  readonly #whileWaiting: Allowance;

  constructor(now: number) {
    this.#anyTime = new Allowance(ANY_TIME, now);
    this.#whileWaiting = new Allowance(WHILE_WAITING, now);
  }

  /** False: that is too much. `waiting`: bytes that the client has not taken yet. */
  take(now: number, waiting: number): boolean {
    return this.#anyTime.take(now, 0) && (waiting === 0 || this.#whileWaiting.take(now, 0));
  }
}
