/** Through which the messages of one client go to its service: how many there may be, and what they must be like. */
import type { MessageSchemaConfig } from '../../config/schema/socket/message-schema.js';
import type { MessagesConfig } from '../../config/schema/socket/messages.js';
import { TOO_MANY_MESSAGES, UNFIT_MESSAGE } from '../close-code.js';
import type { PolicyCounts } from '../policy-counts.js';
import { Allowance } from './allowance.js';
import { type DropReason, Notices } from './notices.js';

/** What is wrong with a message; null: nothing. */
export type JudgeMessage = (message: ArrayBuffer) => string | null;

/** What a route demands of the messages of its clients. */
export interface InboundRules {
  readonly messages: MessagesConfig | null;
  readonly schema: ({ readonly judge: JudgeMessage } & Pick<MessageSchemaConfig, 'over' | 'notice'>) | null;
  /** Bytes that may be held back. */
  readonly buffer: number;
  readonly counts: PolicyCounts;
}

export interface GateEvents {
  /** The message is only lent. */
  onAdmitted(message: ArrayBuffer, binary: boolean): void;
  /** A text message of our own for the client; false: it is too slow for more. */
  onNotice(text: string): boolean;
  /** It has broken a rule that ends the socket. */
  end(code: number, reason: string): void;
}

interface Held {
  readonly message: ArrayBuffer;
  readonly binary: boolean;
}

/** What a message costs beside its bytes, roughly. */
const HELD_BYTES = 256;

export class InboundGate {
  readonly #rules: InboundRules;
  readonly #events: GateEvents;
  readonly #now: () => number;
  readonly #allowance: Allowance | null;
  readonly #notices: Notices;
  /** Held back until they fit, in order. */
  #held: Held[] = [];
  #heldBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(rules: InboundRules, events: GateEvents, now: () => number = () => performance.now()) {
    this.#rules = rules;
    this.#events = events;
    this.#now = now;
    this.#allowance = rules.messages === null ? null : new Allowance(rules.messages, now());
    this.#notices = new Notices((text) => events.onNotice(text));
  }

  /** Bytes that are held back, bookkeeping included. */
  get waiting(): number {
    return this.#heldBytes;
  }

  /** The message is only lent. */
  take(message: ArrayBuffer, binary: boolean): void {
    const { messages } = this.#rules;
    if (messages === null || this.#allowance === null) return this.#admit(message, binary);
    if (this.#held.length > 0) return this.#hold(message, binary);
    if (this.#allowance.take(this.#now(), message.byteLength)) return this.#admit(message, binary);
    if (messages.over === 'delay') return this.#hold(message, binary);
    this.#rules.counts.overRate++;
    if (messages.over === 'close') return this.#events.end(TOO_MANY_MESSAGES, 'too many messages');
    this.#drop(binary, messages.notice, 'MESSAGE_RATE', 'too many messages', this.#allowance.waitMs());
  }

  /** Now and then: what could not be said before. */
  look(): void {
    if (this.#notices.pending > 0) this.#notices.due(this.#now());
  }

  /** Admits what is held back, because nothing more will come. */
  flush(): void {
    const held = this.#held;
    this.stop();
    for (const { message, binary } of held) this.#admit(message, binary);
  }

  /** Forgets it: the socket is over. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#held = [];
    this.#heldBytes = 0;
  }

  #admit(message: ArrayBuffer, binary: boolean): void {
    const { schema, counts } = this.#rules;
    const fault = schema === null ? null : schema.judge(message);
    if (schema === null || fault === null) return this.#events.onAdmitted(message, binary);
    counts.unfit++;
    if (schema.over === 'close') return this.#events.end(UNFIT_MESSAGE, 'the message does not fit');
    this.#drop(binary, schema.notice, 'MESSAGE_SCHEMA', fault, 0);
  }

  #drop(
    binary: boolean,
    notice: MessagesConfig['notice'],
    reason: DropReason,
    message: string,
    retryAfterMs: number,
  ): void {
    if (notice === 'never' || (notice === 'auto' && binary)) return;
    this.#notices.dropped(this.#now(), reason, message, retryAfterMs);
  }

  #hold(message: ArrayBuffer, binary: boolean): void {
    const { buffer, counts } = this.#rules;
    const bytes = message.byteLength + HELD_BYTES;
    if (this.#held.length > 0 && this.#heldBytes + bytes > buffer) {
      counts.overRate++;
      return this.#events.end(TOO_MANY_MESSAGES, 'too many messages');
    }
    counts.delayed++;
    this.#held.push({ message: message.slice(0), binary });
    this.#heldBytes += bytes;
    this.#wait();
  }

  #wait(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#release();
    }, (this.#allowance as Allowance).waitMs()).unref();
  }

  #release(): void {
    const held = this.#held;
    let released = 0;
    for (const { message, binary } of held) {
      if (!(this.#allowance as Allowance).take(this.#now(), message.byteLength)) break;
      released++;
      this.#heldBytes -= message.byteLength + HELD_BYTES;
      this.#admit(message, binary);
      if (this.#held !== held) return; // the socket has ended over it
    }
    held.splice(0, released);
    if (held.length > 0) this.#wait();
  }
}
