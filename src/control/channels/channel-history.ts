/** The messages of one channel, on one machine. */
import { randomBytes } from 'node:crypto';
import { firstMissed } from '../../services/channels/messages.js';
import { RecentMessages, weight } from '../../services/channels/recent-messages.js';
import type { ChannelState, HistoryOptions, Message, Position, Recovery } from './log.js';

export class ChannelHistory {
  readonly epoch = randomBytes(6).toString('base64url');
  /** When it was spoken on, asked, or left. */
  usedAt: number;
  #offset = 0;
  #latest: Message | null = null;
  /** As the last message wanted it. */
  #options: HistoryOptions = { size: 0, ttl: 0 };
  /** Those that can be recovered. */
  readonly #recent = new RecentMessages();

  constructor(now: number) {
    this.usedAt = now;
  }

  get head(): Position {
    return { offset: this.#offset, epoch: this.epoch };
  }

  get ttl(): number {
    return this.#options.ttl;
  }

  /** What it holds in memory, roughly. */
  get bytes(): number {
    const alone = this.#recent.length === 0 && this.#latest !== null;
    return alone ? weight(this.#latest as Message) : this.#recent.bytes;
  }

  append(data: string, options: HistoryOptions, now: number): Message {
    const message: Message = { offset: ++this.#offset, data };
    this.usedAt = now;
    this.#options = options;
    this.#latest = message;
    this.#recent.push(message, now);
    this.#recent.keepNewest(options.size);
    this.expire(now);
    return message;
  }

  recover(since: Position | null, now: number): Recovery {
    this.usedAt = now;
    this.expire(now);
    const missing = since === null || since.epoch !== this.epoch ? -1 : this.#offset - since.offset;
    const recovered = missing >= 0 && missing <= this.#recent.length;
    return {
      head: this.head,
      oldest: this.#offset - this.#recent.length,
      recovered,
      missed: recovered ? firstMissed(this.#recent.newest(missing)) : [],
      latest: this.#latest,
    };
  }

  look(now: number): ChannelState {
    this.expire(now);
    return { head: this.head, kept: this.#recent.length };
  }

  /** Forgets what is too old. */
  expire(now: number): void {
    const { ttl } = this.#options;
    if (ttl > 0) this.#recent.expire(now - ttl);
  }

  /** Forgets all but the latest message. */
  shrink(): void {
    this.#recent.keepNewest(0);
  }
}
