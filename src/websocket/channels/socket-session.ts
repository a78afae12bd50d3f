/** A client of channels on a WebSocket: operations come in, messages go out by the listener's own publish. */
import type { ClientSocket, Exchange, SocketEvents } from '../../exchange.js';
import type { Message } from '../../services/channels/messages.js';
import {
  GOING_AWAY,
  NO_STATUS,
  POLICY_VIOLATION,
  SLOW_CONSUMER,
  TOO_BIG,
  UNREADABLE_CLOSE,
} from '../close-code.js';
import { withRetryHint } from '../owners/retry-hint.js';
import type { SocketGuard } from '../owners/socket-guard.js';
import type { Subscription } from './hub/channel.js';
import type { ChannelHub } from './hub/hub.js';
import { type Fields, idOf, operation } from './ops.js';
import type { ChannelRules } from './rules.js';
import { ChannelSession, type SessionKeeper } from './session.js';

/** No operation is longer; tokens are the longest of what they carry. */
const LONGEST_OP = 16 * 1024;
/** What may wait for a client that is slow already, in buffers of it. */
const MOST_BUFFERS = 4;
/** Beyond one for each subscription, at once. */
const OPS_AT_ONCE = 100;
const OPS_PER_S = 50;
/** Messages that are no operations: so many at once, then one each second. */
const FAULTS_AT_ONCE = 20;

export class SocketSession extends ChannelSession implements SocketEvents {
  readonly kind = 'channels';
  readonly native = true;
  /** Who judges new credentials. */
  readonly guard: SocketGuard;
  /** Those that were sent to it by itself. */
  #sent = 0;
  #socket: ClientSocket | null = null;
  #lastMessageAt: number;
  /** Operations that may still come, as of `#refilledAt`. */
  #ops: number;
  #faults = FAULTS_AT_ONCE;
  #refilledAt: number;

  constructor(x: Exchange, rules: ChannelRules, hub: ChannelHub, keeper: SessionKeeper) {
    super(x, rules, hub, keeper);
    this.guard = keeper.owners.guard;
    this.#lastMessageAt = this.openedAt;
    this.#refilledAt = this.openedAt;
    this.#ops = this.#mostOps;
  }

  /** The client has its 101. */
  start(socket: ClientSocket): void {
    this.#socket = socket;
  }

  get full(): boolean {
    return this.waiting > this.rules.options.buffer;
  }

  // the client -----------------------------------------------------------------------------------------------------

  onMessage(message: ArrayBuffer, binary: boolean): void {
    if (this.over) return;
    this.x.bytesIn += message.byteLength;
    this.messagesIn++;
    this.#lastMessageAt = performance.now();
    const most = this.rules.websocket?.maxMessage ?? LONGEST_OP;
    if (message.byteLength > most) return this.end(TOO_BIG, 'the message is too large');
    this.#refill(this.#lastMessageAt);
    if (this.#ops < 1) return this.#faulty('', 'TOO_FAST', 'too many operations: wait a moment');
    this.#ops--;
    this.#operate(binary || message.byteLength > LONGEST_OP ? null : fieldsIn(message));
  }

  onDrain(): void {
    if (this.waiting <= this.rules.options.buffer / 2) this.drained();
  }

  onClosed(code: number, reason: string): void {
    this.#socket = null;
    this.finish(reason === UNREADABLE_CLOSE ? NO_STATUS : code);
  }

  #operate(fields: Fields | null): void {
    const id = fields === null ? null : idOf(fields.id);
    if (fields === null || id === null)
      return this.#faulty('', 'BAD_MESSAGE', 'an operation is a JSON object in a text message');
    const operate = operation(fields.op);
    if (operate === undefined) return this.#faulty(id, 'UNKNOWN_OP', 'op is none that is known here');
    operate(this, fields, id);
  }

  /** A mistake does no harm; a flood of them does. */
  #faulty(id: string, code: 'BAD_MESSAGE' | 'UNKNOWN_OP' | 'TOO_FAST', message: string): void {
    if (--this.#faults < 0) return this.end(POLICY_VIOLATION, 'too many messages that are no operations');
    this.fail(id, code, message);
  }

  get #mostOps(): number {
    return OPS_AT_ONCE + this.rules.options.maxSubscriptions;
  }

  #refill(now: number): void {
    const seconds = (now - this.#refilledAt) / 1000;
    this.#refilledAt = now;
    this.#ops = Math.min(this.#mostOps, this.#ops + seconds * OPS_PER_S);
    this.#faults = Math.min(FAULTS_AT_ONCE, this.#faults + seconds);
  }

  // what it is told ------------------------------------------------------------------------------------------------

  get waiting(): number {
    return this.#socket?.waiting ?? 0;
  }

  /** What the listener has sent is counted on the channels. */
  get messagesOut(): number {
    let sum = this.#sent;
    for (const { state, channel, messagesBefore } of this.subscriptions.values())
      if (state === 'live') sum += channel.messages - messagesBefore;
    return sum;
  }

  /** Answers are not left out either: who asks on and on without reading them cannot stay. */
  protected say(_op: string, text: string): void {
    if (this.waiting > MOST_BUFFERS * this.rules.options.buffer)
      return this.end(SLOW_CONSUMER, withRetryHint('the client reads too slowly'));
    this.#socket?.send(text, false);
  }

  deliver(_subscription: Subscription, _message: Message, text: string): void {
    this.#sent++;
    this.x.bytesOut += text.length;
    this.#socket?.send(text, false);
  }

  join(subscription: Subscription): void {
    const { channel } = subscription;
    subscription.messagesBefore = channel.messages;
    subscription.bytesBefore = channel.bytes;
    this.#socket?.join(channel.name);
  }

  part({ channel, messagesBefore, bytesBefore }: Subscription): void {
    this.#sent += channel.messages - messagesBefore;
    this.x.bytesOut += channel.bytes - bytesBefore;
    this.#socket?.part(channel.name);
  }

  protected close(code: number, reason: string): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.end(code, reason);
  }

  override check(now: number, wall: number): void {
    super.check(now, wall);
    const idle = this.rules.websocket?.idle ?? 0;
    if (idle === 0 || this.over || now - this.#lastMessageAt <= idle) return;
    if (now - this.lastHeard() > idle) this.end(GOING_AWAY, 'nobody has said anything');
  }
}

/** null: it is no JSON object. */
function fieldsIn(message: ArrayBuffer): Fields | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(message).toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}
