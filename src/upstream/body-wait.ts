/** Waits for the rest of a small body before the first attempt: the client may take as long as it keeps sending. */
import type { Exchange, OngoingAttempt, RequestBody } from '../exchange.js';
import type { Deadlines, Timed } from './deadlines.js';

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

  constructor(body: RequestBody, idleMs: number, deadlines: Deadlines, now: number, onStalled: () => void) {
    this.#body = body;
    this.#deadlines = deadlines;
    this.#idleMs = idleMs;
    this.#onStalled = onStalled;
    this.#seen = body.received;
    this.dueAt = now + idleMs;
    deadlines.add(this, now);
  }

  expire(): void {
    if (this.#body.received > this.#seen) {
      this.#seen = this.#body.received;
      this.dueAt = this.#deadlines.now + this.#idleMs;
      return;
    }
    this.#deadlines.remove(this);
    this.#onStalled();
  }

  resume(): void {}

  abandon(): void {
    this.#deadlines.remove(this);
  }
}
