/**
 * A try whose answer is late gets company: the same request to another endpoint. The first answer wins, the others are
 * abandoned. To the exchange and to the conductor it looks like one try.
 */
import type { Socket } from 'node:net';
import type { Failure } from '../../errors.js';
import type { Exchange, OngoingAttempt } from '../../exchange.js';
import { HEDGE_NO_BUDGET, HEDGE_SENT, HEDGE_WON } from '../../observe/resilience/service-stats.js';
import type { Attempt } from '../attempt.js';
import type { Deadlines, Timed } from '../deadlines.js';
import type { Endpoint } from '../endpoint.js';
import type { Conductor } from '../forwarder.js';
import type { Resilience } from './resilience.js';

/** An answer with such a status is no reason to give up one that may be better. */
const FAILING = 500;

/** Makes another try of the exchange, which is not begun; null: there is no other endpoint. */
export type Again = (x: Exchange, race: Race, not: Endpoint) => Attempt | null;

export class Race implements Conductor, OngoingAttempt, Timed {
  dueAt: number;
  slot = -1;
  readonly #x: Exchange;
  readonly #afterMs: number;
  readonly #resilience: Resilience;
  readonly #deadlines: Deadlines;
  readonly #conductor: Conductor;
  readonly #again: Again;
  readonly #startedAt: number;
  readonly #running: Attempt[] = [];
  #first: Attempt | null = null;
  #hedges = 0;
  #over = false;

  constructor(
    x: Exchange,
    afterMs: number,
    resilience: Resilience,
    deadlines: Deadlines,
    conductor: Conductor,
    again: Again,
    now: number,
  ) {
    this.#x = x;
    this.#afterMs = afterMs;
    this.#resilience = resilience;
    this.#deadlines = deadlines;
    this.#conductor = conductor;
    this.#again = again;
    this.#startedAt = now;
    this.dueAt = now + afterMs;
  }

  start(first: Attempt, now: number): void {
    this.#first = first;
    this.#x.attempt = this;
    this.#deadlines.add(this, now);
    this.#launch(first, now);
  }

  /** One of those that run is at this endpoint. */
  asks(endpoint: Endpoint): boolean {
    return this.#running.some((attempt) => attempt.endpoint === endpoint);
  }

  /** The answer is late. */
  expire(): void {
    const { hedge, stats } = this.#resilience;
    const now = this.#deadlines.now;
    this.dueAt = now + this.#afterMs;
    if (hedge === null || this.#hedges >= hedge.max) return this.#deadlines.remove(this);
    const last = this.#running[this.#running.length - 1];
    if (!hedge.budget.take(now)) {
      stats.hedge(HEDGE_NO_BUDGET);
      return this.#deadlines.remove(this);
    }
    const attempt = this.#again(this.#x, this, last.endpoint);
    if (attempt === null) {
      hedge.budget.giveBack();
      return this.#deadlines.remove(this);
    }
    this.#hedges++;
    stats.hedge(HEDGE_SENT);
    this.#launch(attempt, now);
  }

  // of those that run --------------------------------------------------------------------------------------------

  onHead(x: Exchange, attempt: Attempt, length: number): void {
    if (this.#running.length > 1 && x.status >= FAILING) {
      this.#forget(attempt);
      attempt.discard(length);
      x.status = 0;
      return;
    }
    this.#end(attempt);
    x.attempt = attempt;
    x.endpoint = attempt.endpoint.url;
    attempt.since = this.#startedAt;
    if (attempt !== this.#first) this.#resilience.stats.hedge(HEDGE_WON);
    this.#conductor.onHead(x, attempt, length);
  }

  /** Handshakes run no races. */
  onUpgraded(x: Exchange, attempt: Attempt, socket: Socket): void {
    this.#conductor.onUpgraded(x, attempt, socket);
  }

  onCompleted(x: Exchange): void {
    this.#conductor.onCompleted(x);
  }

  onFailed(x: Exchange, attempt: Attempt, failure: Failure, error: Error | null): void {
    if (!this.#over) {
      this.#forget(attempt);
      if (this.#running.length > 0) return;
      this.#end(null);
    }
    this.#conductor.onFailed(x, attempt, failure, error);
  }

  // of the exchange ----------------------------------------------------------------------------------------------

  resume(): void {}

  abandon(): void {
    this.#end(null);
  }

  // ----------------------------------------------------------------------------------------------------------------

  #launch(attempt: Attempt, now: number): void {
    this.#running.push(attempt);
    attempt.start(false, now);
  }

  #forget(attempt: Attempt): void {
    this.#running.splice(this.#running.indexOf(attempt), 1);
  }

  /** Abandons all but the winner. */
  #end(winner: Attempt | null): void {
    this.#over = true;
    this.#deadlines.remove(this);
    for (const attempt of this.#running.splice(0)) if (attempt !== winner) attempt.abandon();
    if (winner !== null) return;
    this.#x.upstreamMs += performance.now() - this.#startedAt;
    this.#x.attempt = null;
  }
}
