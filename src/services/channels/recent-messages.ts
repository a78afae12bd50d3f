/** The last messages of a channel, without a hole: what those get who have missed them. */
import type { Message } from './messages.js';

interface Kept {
  readonly message: Message;
  /** When it came, on the owner's clock. */
  readonly at: number;
}

/** In the place of one that was forgotten. */
const GONE: Kept = Object.freeze({ message: { offset: 0, data: '' }, at: 0 });
/** What a message takes besides its text, roughly, in bytes. */
const OVERHEAD = 96;

export class RecentMessages {
  /** What they hold in memory, roughly. */
  bytes = 0;
  #kept: Kept[] = [];
  /** What lies before it has been forgotten. */
  #first = 0;

  get length(): number {
    return this.#kept.length - this.#first;
  }

  /** `message` is the one after the last. */
  push(message: Message, at: number): void {
    this.#kept.push({ message, at });
    this.bytes += weight(message);
  }

  /** By its offset; undefined: it is not there. */
  find(offset: number): Message | undefined {
    if (this.length === 0) return undefined;
    const before = this.#kept[this.#first].message.offset;
    return offset < before ? undefined : this.#kept[this.#first + offset - before]?.message;
  }

  /** The newest so many. */
  newest(count: number): Message[] {
    return this.#kept.slice(this.#kept.length - count).map(({ message }) => message);
  }

  /** Forgets what came before this time. */
  expire(before: number): void {
    let expired = 0;
    while (expired < this.length && this.#kept[this.#first + expired].at <= before) expired++;
    this.keepNewest(this.length - expired);
  }

  /** Forgets all but so many. */
  keepNewest(most: number): void {
    for (let surplus = this.length - most; surplus > 0; surplus--) {
      this.bytes -= weight(this.#kept[this.#first].message);
      this.#kept[this.#first++] = GONE;
    }
    // Not with each message: all the others are moved.
    if (this.#first === 0 || (this.#first <= this.length && this.length > 0)) return;
    this.#kept = this.#kept.slice(this.#first);
    this.#first = 0;
  }
}

export function weight({ data }: Message): number {
  return data.length + OVERHEAD;
}
