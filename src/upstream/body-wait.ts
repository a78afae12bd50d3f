/** Waits for the rest of a small body before the first attempt: the client may take as long as it keeps sending. */
import type { Exchange, OngoingAttempt, RequestBody } from '../exchange.js';
import type { Deadlines, Timed } from './deadlines.js';

/** How often it looks within the time that a silence may last: a stall is noticed at most a quarter too late. */
const LOOKS = 4;

/** `then` follows when the body is complete, `onStalled` when nothing of it has come for `idleMs` milliseconds. */
export function waitForBody(
  x: Exchange,
  body: RequestBody,
  idleMs: number,
  deadlines: Deadlines,
  then: () => void,
  onStalled: () => void,
): void {
  const wait = new BodyWait(body, idleMs, deadlines, x.startedAt, onStalled);
  x.attempt = wait;
  body.collect(() => {
    wait.abandon();
    x.attempt = null;
    then();
  });
}

class BodyWait implements Timed, OngoingAttempt {
  dueAt: number;
  slot = -1;
  readonly #body: RequestBody;
  readonly #deadlines: Deadlines;
  readonly #idleMs: number;
  readonly #onStalled: () => void;
  #seen: number;
  /** Looks since something came. */
  #quiet = 0;

  constructor(body: RequestBody, idleMs: number, deadlines: Deadlines, now: number, onStalled: () => void) {
    this.#body = body;
    this.#deadlines = deadlines;
    this.#idleMs = idleMs;
    this.#onStalled = onStalled;
    this.#seen = body.received;
    this.dueAt = now + idleMs / LOOKS;
    deadlines.add(this, now);
  }

  expire(): void {
    this.#quiet = this.#body.received > this.#seen ? 0 : this.#quiet + 1;
    this.#seen = this.#body.received;
    this.dueAt = this.#deadlines.now + this.#idleMs / LOOKS;
    if (this.#quiet < LOOKS) return;
    this.#deadlines.remove(this);
    this.#onStalled();
  }

  resume(): void {}

  abandon(): void {
    this.#deadlines.remove(this);
  }
}
