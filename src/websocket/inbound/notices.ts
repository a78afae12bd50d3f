/**
 * Tells a client of messages that were dropped. A client that sends too much would be told too much: what is dropped within
 * a moment of a notice is in the next one.
 */

/** Between two notices. */
const QUIET_MS = 200;

export type DropReason = 'MESSAGE_RATE' | 'MESSAGE_SCHEMA';

/** Takes a text message for the client; false: the client is too slow for more. */
export type Tell = (text: string) => boolean;

export class Notices {
  readonly #tell: Tell;
  #dropped = 0;
  #reason: DropReason = 'MESSAGE_RATE';
  #message = '';
  #retryAfterMs = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(tell: Tell) {
    this.#tell = tell;
  }

  /** Messages that the client has not been told of. */
  get pending(): number {
    return this.#dropped;
  }

  /** `retryAfterMs`: 0 where time does not help. */
  dropped(now: number, reason: DropReason, message: string, retryAfterMs: number): void {
    // A notice is about one thing: another one goes first, as soon as that may be.
    if (this.#dropped > 0 && reason !== this.#reason) this.#send(now);
    this.#dropped++;
    this.#reason = reason;
    this.#message = message;
    this.#retryAfterMs = retryAfterMs;
    this.due(now);
  }

  /** Sends what there is to say, when it is time. */
  due(now: number): void {
    if (this.#dropped > 0 && now - this.#toldAt >= QUIET_MS) this.#send(now);
  }

  #send(now: number): void {
    const notice = {
      op: 'error',
      code: this.#reason,
      message: this.#message,
      dropped: this.#dropped,
      ...(this.#retryAfterMs > 0 && { retry_after_ms: this.#retryAfterMs }),
    };
    if (!this.#tell(JSON.stringify(notice))) return;
    this.#dropped = 0;
    this.#toldAt = now;
  }
}
