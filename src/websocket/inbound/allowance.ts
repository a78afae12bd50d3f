import type { MessagesConfig } from '../../config/schema/socket/messages.js';

/**
 * How much one client may still send: messages and bytes, each a bucket that fills with time. Times in milliseconds.
 * Bytes may be owed: a message that is larger than the bucket passes when nothing is, and is paid off afterwards.
 */
export class Allowance {
  readonly #messagesPerMs: number;
  readonly #mostMessages: number;
  readonly #bytesPerMs: number;
  readonly #mostBytes: number;
  #messages: number;
  #bytes: number;
  #at: number;

  constructor({ rate, burst, bytes }: Pick<MessagesConfig, 'rate' | 'burst' | 'bytes'>, now: number) {
    this.#messagesPerMs = rate === undefined ? Number.POSITIVE_INFINITY : rate.count / rate.periodMs;
    this.#mostMessages = rate === undefined ? Number.POSITIVE_INFINITY : (burst ?? rate.count);
    this.#bytesPerMs = bytes === undefined ? Number.POSITIVE_INFINITY : bytes.bytes / bytes.periodMs;
    this.#mostBytes = bytes === undefined ? Number.POSITIVE_INFINITY : bytes.bytes;
    this.#messages = this.#mostMessages;
    this.#bytes = this.#mostBytes;
    this.#at = now;
  }

  /** Takes a message of so many bytes; false: it does not fit yet. */
  take(now: number, bytes: number): boolean {
    const passed = now - this.#at;
    this.#at = now;
    if (passed > 0) {
      this.#messages = Math.min(this.#mostMessages, this.#messages + passed * this.#messagesPerMs);
      this.#bytes = Math.min(this.#mostBytes, this.#bytes + passed * this.#bytesPerMs);
    }
    if (this.#messages < 1 || this.#bytes <= 0) return false;
    this.#messages--;
    this.#bytes -= bytes;
    return true;
  }

  /** How long until one more fits, after `take` has said no. */
  waitMs(): number {
    const forMessage = this.#messages < 1 ? (1 - this.#messages) / this.#messagesPerMs : 0;
    const forBytes = this.#bytes <= 0 ? -this.#bytes / this.#bytesPerMs : 0;
    return Math.max(1, Math.ceil(Math.max(forMessage, forBytes)));
  }
}
