/** The messages of one channel, on one machine. */
import { randomBytes } from 'node:crypto';
import type { ChannelState, HistoryOptions, Message, Position, Recovery } from './log.js';

interface Kept extends Message {
  /** On the log's clock, in milliseconds. */
  readonly at: number;
}

/** In the place of one that was forgotten. */
const GONE: Kept = Object.freeze({ offset: 0, data: '', at: 0 });
/** What a message takes besides its text, roughly, in bytes. */
const OVERHEAD = 96;

export class ChannelHistory {
  readonly epoch = randomBytes(6).toString('base64url');
  /** Of the last message, or of the last who asked. */
  usedAt: number;
  /** What it holds in memory, roughly. */
  bytes = 0;
  #offset = 0;
  /** Those that can be recovered; the last of them has `#offset`. What lies before `#first` has been forgotten. */
  #kept: Kept[] = [];
  #first = 0;
  #latest: Message | null = null;
  /** As the last message wanted it. */
  #options: HistoryOptions = { size: 0, ttl: 0 };

  constructor(now: number) {
    this.usedAt = now;
  }

  get head(): Position {
    return { offset: this.#offset, epoch: this.epoch };
  }

  get ttl(): number {
    return this.#options.ttl;
  }

  append(data: string, options: HistoryOptions, now: number): Message {
    const message: Kept = { offset: ++this.#offset, data, at: now };
    if (this.#latest !== null && this.#isEmpty) this.bytes -= weight(this.#latest);
    this.usedAt = now;
    this.#options = options;
    this.#latest = message;
    this.#kept.push(message);
    this.bytes += weight(message);
    this.#keepNewest(options.size);
    this.expire(now);
    return message;
  }

  recover(since: Position | null, now: number): Recovery {
    this.usedAt = now;
    this.expire(now);
    const missing = since === null || since.epoch !== this.epoch ? -1 : this.#offset - since.offset;
    const recovered = missing >= 0 && missing <= this.#length;
    return {
      head: this.head,
      oldest: this.#offset - this.#length,
      recovered,
      missed: recovered ? this.#kept.slice(this.#kept.length - missing) : [],
      latest: this.#latest,
    };
  }

  look(now: number): ChannelState {
    this.expire(now);
    return { head: this.head, kept: this.#length };
  }

  /** Forgets what is too old. */
  expire(now: number): void {
    const { ttl } = this.#options;
    if (ttl === 0) return;
    let expired = 0;
    while (expired < this.#length && now - this.#kept[this.#first + expired].at >= ttl) expired++;
    if (expired > 0) this.#keepNewest(this.#length - expired);
  }

  /** Forgets all but the latest message. */
  shrink(): void {
    this.#keepNewest(0);
  }

  get #length(): number {
    return this.#kept.length - this.#first;
  }

  get #isEmpty(): boolean {
    return this.#length === 0;
  }

  #keepNewest(most: number): void {
    const before = this.#length;
    if (before <= most) return;
    for (let i = before - most; i > 0; i--) {
      this.bytes -= weight(this.#kept[this.#first]);
      this.#kept[this.#first++] = GONE;
    }
    if (this.#isEmpty && this.#latest !== null) this.bytes += weight(this.#latest);
    // Not with each message: all the others are moved.
    if (this.#first <= this.#length && this.#length > 0) return;
    this.#kept = this.#kept.slice(this.#first);
    this.#first = 0;
  }
}

function weight({ data }: Message): number {
  return data.length + OVERHEAD;
}
