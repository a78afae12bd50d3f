/** A client of channels on a stream of events (`text/event-stream`): for those that cannot do WebSockets. */
import type { Exchange, OngoingAttempt } from '../../exchange.js';
import type { Message, Position } from '../../services/channels/messages.js';
import { ABNORMAL, FORBIDDEN, SLOW_CONSUMER } from '../close-code.js';
import type { Subscription } from './hub/channel.js';
import type { ChannelHub } from './hub/hub.js';
import { isEpoch } from './ops.js';
import type { ChannelRules } from './rules.js';
import { ChannelSession, type SessionKeeper } from './session.js';

/** `error` is the name of the event that browsers make when the connection is lost. */
const EVENT_NAMES: Readonly<Record<string, string>> = { error: 'failed' };

export class EventSession extends ChannelSession implements OngoingAttempt {
  readonly kind = 'events';
  readonly native = false;
  messagesOut = 0;
  /** In the order of the request: that of the positions in ids. */
  readonly #names: readonly string[];
  readonly #since: readonly (Position | null)[];
  /** It wants to hear who comes and goes. */
  wantsPresence = false;
  #blocked = false;
  /** Bytes written since it was blocked: what the gateway says itself. */
  #beyond = 0;
  #lastWriteAt: number;

  constructor(
    x: Exchange,
    rules: ChannelRules,
    hub: ChannelHub,
    keeper: SessionKeeper,
    names: readonly string[],
    since: readonly (Position | null)[],
  ) {
    super(x, rules, hub, keeper);
    this.#names = names;
    this.#since = since;
    this.#lastWriteAt = this.openedAt;
  }

  start(): void {
    this.x.client.begin(-1);
    this.#write(`retry: ${this.#retryMs()}\n\n`);
    const wish = { events: this.wantsPresence, info: null };
    for (const [i, name] of this.#names.entries()) {
      if (!this.over) this.subscribe(name, this.#since[i], '', wish);
    }
  }

  get full(): boolean {
    return this.#blocked;
  }

  /** Not known: it may take more, or not. */
  get waiting(): number {
    return 0;
  }

  // the client -----------------------------------------------------------------------------------------------------

  /** The client can take more. */
  resume(): void {
    this.#blocked = false;
    this.#beyond = 0;
    if (!this.over) this.drained();
  }

  /** The client has left. */
  abandon(): void {
    this.finish(ABNORMAL);
  }

  // what it is told ------------------------------------------------------------------------------------------------

  protected say(op: string, text: string, subscription: Subscription | null): void {
    const id = subscription === null ? '' : `id: ${this.#id()}\n`;
    this.#write(`${id}event: ${EVENT_NAMES[op] ?? op}\ndata: ${oneLine(text)}\n\n`);
    const ended = op === 'error' || op === 'unsubscribed';
    if (ended && this.subscriptions.size === 0 && !this.over) this.end(FORBIDDEN, 'no channel is left');
  }

  deliver(_subscription: Subscription, _message: Message, text: string): void {
    this.messagesOut++;
    this.#write(`id: ${this.#id()}\ndata: ${oneLine(text)}\n\n`);
  }

  join(): void {}

  part(): void {}

  protected close(code: number, reason: string): void {
    if (code === SLOW_CONSUMER) return this.x.client.cut(); // it would not read an end either
    const text = JSON.stringify({ op: 'end', code, reason });
    this.#write(`retry: ${this.#retryMs()}\nevent: end\ndata: ${text}\n\n`);
    this.x.client.end();
  }

  override check(now: number, wall: number): void {
    super.check(now, wall);
    const { events } = this.rules.options;
    if (!this.over && events !== null && now - this.#lastWriteAt >= events.keepAlive) this.#write(':\n\n');
  }

  /** Where the client is on each channel. */
  #id(): string {
    let id = '';
    for (const [i, name] of this.#names.entries()) {
      if (i > 0) id += ',';
      const subscription = this.subscriptions.get(name);
      if (subscription?.greeted) id += `${subscription.channel.epoch}:${subscription.offset}`;
      else if (this.#since[i] !== null) id += `${this.#since[i].epoch}:${this.#since[i].offset}`;
    }
    return id;
  }

  /** Give or take a half, so that not all come back at once. */
  #retryMs(): number {
    const ms = this.rules.options.events?.retry ?? 3000;
    return Math.round(ms * (0.5 + Math.random()));
  }

  #write(text: string): void {
    this.#lastWriteAt = performance.now();
    if (this.#blocked) this.#beyond += text.length;
    if (this.#beyond > this.rules.options.buffer && !this.over)
      return this.end(SLOW_CONSUMER, 'the client reads too slowly');
    if (!this.x.client.write(Buffer.from(text))) this.#blocked = true;
  }
}

/** No channel has this epoch: whoever comes back with it is told that it is not known what it missed. */
const LOST: Position = Object.freeze({ epoch: '', offset: 0 });

/** The positions in an id, one for each channel; null: the client begins there. */
export function positionsIn(id: string, count: number): (Position | null)[] {
  if (id === '') return new Array(count).fill(null);
  const parts = id.split(',');
  if (parts.length !== count) return new Array(count).fill(LOST);
  return parts.map((part) => {
    if (part === '') return null;
    const [epoch = '', offset = '', ...rest] = part.split(':');
    const right = rest.length === 0 && isEpoch(epoch) && /^\d{1,15}$/.test(offset);
    return right ? { epoch, offset: Number(offset) } : LOST;
  });
}

/** Line breaks of JSON are between its tokens: a space says the same. */
function oneLine(json: string): string {
  return /[\r\n]/.test(json) ? json.replace(/[\r\n]+/g, ' ') : json;
}
