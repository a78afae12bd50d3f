/**
 * Tells a client of messages that were dropped. A client that sends too much would be told too much: what is dropped within
 * a moment of a notice is in the next one.
 */

/** Between two notices. */
const QUIET_MS = 200;

export type DropReason = 'MESSAGE_RATE' | 'MESSAGE_SCHEMA';

/** Takes a text message for the client; false: the client is too slow for more. */
export type Tell = (text: string) => boolean;

/** What was dropped for one reason, and has not been told. */
interface Dropped {
  readonly reason: DropReason;
  count: number;
  message: string;
  retryAfterMs: number;
}

export class Notices {
  readonly #tell: Tell;
  /** One for each reason, in the order in which they came up. */
  readonly #dropped: Dropped[] = [];
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(tell: Tell) {
    this.#tell = tell;
  }

  /** Messages that the client has not been told of. */
  get pending(): number {
    return this.#dropped.reduce((sum, { count }) => sum + count, 0);
  }

  /** `retryAfterMs`: 0 where time does not help. */
  dropped(now: number, reason: DropReason, message: string, retryAfterMs: number): void {
    const known = this.#dropped.find((one) => one.reason === reason);
    if (known === undefined) {
      this.#dropped.push({ reason, count: 1, message, retryAfterMs });
    } else {
      known.count++;
      known.message = message;
      known.retryAfterMs = retryAfterMs;
    }
    this.due(now);
  }

  /** Says what there is to say, when it is time: a notice is about one thing. */
  due(now: number): void {
    if (now - this.#toldAt < QUIET_MS) return;
    for (let next = this.#dropped[0]; next !== undefined; next = this.#dropped[0]) {
      if (!this.#tell(textOf(next))) return;
      this.#dropped.shift();
      this.#toldAt = now;
    }
  }
}

function textOf({ reason, count, message, retryAfterMs }: Dropped): string {
  return JSON.stringify({
    op: 'error',
    code: reason,
    message,
    dropped: count,
    ...(retryAfterMs > 0 && { retry_after_ms: retryAfterMs }),
  });
}
