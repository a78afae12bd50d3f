/** One client of channels: what it is subscribed to. How it is reached, sockets and streams of events say themselves. */
import type { Exchange } from '../../exchange.js';
import type { Message, Position } from '../../services/channels/messages.js';
import { isChannelName } from '../../services/channels/names.js';
import { SERVICE_RESTART, SLOW_CONSUMER, TOKEN_EXPIRED } from '../close-code.js';
import type { OwnedSocket } from '../owners/owned-socket.js';
import { withRetryHint } from '../owners/retry-hint.js';
import type { SocketOwners } from '../owners/socket-owners.js';
import type { Subscriber, Subscription } from './hub/channel.js';
import type { ChannelHub } from './hub/hub.js';
import { NO_WISH, type PresenceWish, type WorkerPresence } from './presence/worker-presence.js';
import type { ChannelRules } from './rules.js';
import { errorText, gapText, subscribedText, unsubscribedText } from './texts.js';

/** What looks after it. */
export interface SessionKeeper {
  readonly owners: SocketOwners;
  /** null: no route asks for it, nor has one done so. */
  readonly presence: WorkerPresence | null;
}

/** Why an operation failed: stable codes. */
export type OpError =
  | 'BAD_MESSAGE'
  | 'UNKNOWN_OP'
  | 'BAD_CHANNEL'
  | 'BAD_POSITION'
  | 'CHANNEL_FORBIDDEN'
  | 'ALREADY_SUBSCRIBED'
  | 'NOT_SUBSCRIBED'
  | 'TOO_MANY_SUBSCRIPTIONS'
  | 'TOO_FAST'
  | 'BAD_PAGE'
  | 'BAD_INFO'
  | 'NO_PRESENCE'
  | 'CHANNEL_UNAVAILABLE';

export abstract class ChannelSession implements Subscriber, OwnedSocket {
  readonly x: Exchange;
  number = 0;
  readonly openedAt: number;
  readonly subscriptions = new Map<string, Subscription>();
  behindSince = 0;
  messagesIn = 0;
  /** Those of the route, as its last configuration has them. */
  rules: ChannelRules;
  readonly #hub: ChannelHub;
  readonly #keeper: SessionKeeper;
  #over = false;

  constructor(x: Exchange, rules: ChannelRules, hub: ChannelHub, keeper: SessionKeeper) {
    this.x = x;
    this.openedAt = x.acceptedAt;
    this.rules = rules;
    this.#hub = hub;
    this.#keeper = keeper;
  }

  abstract readonly kind: 'channels' | 'events';
  abstract readonly native: boolean;
  abstract readonly messagesOut: number;
  abstract readonly waiting: number;
  abstract readonly full: boolean;
  /** Sends a text of the gateway's own. `subscription`: the one it is about. */
  protected abstract say(op: string, text: string, subscription: Subscription | null): void;
  protected abstract close(code: number, reason: string): void;
  abstract deliver(subscription: Subscription, message: Message, text: string): void;
  abstract join(subscription: Subscription): void;
  abstract part(subscription: Subscription): void;

  /** Says something that is about none of its subscriptions. */
  tell(op: string, text: string): void {
    if (!this.#over) this.say(op, text, null);
  }

  get presence(): WorkerPresence | null {
    return this.#keeper.presence;
  }

  get over(): boolean {
    return this.#over;
  }

  get conflates(): boolean {
    return this.rules.options.slow === 'conflate';
  }

  /** Ends it for a reason of the gateway's. */
  end(code: number, reason: string): void {
    if (this.#over) return;
    this.finish(code);
    this.close(code, reason);
  }

  /** It has ended. */
  protected finish(code: number): void {
    if (this.#over) return;
    this.#over = true;
    const subscriptions = [...this.subscriptions.values()];
    this.subscriptions.clear();
    for (const subscription of subscriptions) this.#ended(subscription);
    this.#keeper.owners.ended(this, code);
  }

  // what the client wants ------------------------------------------------------------------------------------------

  /** `id` is JSON text, or empty. */
  subscribe(name: unknown, since: Position | null, id: string, wish: PresenceWish = NO_WISH): void {
    const fault = this.whyNot(name);
    if (fault !== null) return this.fail(id, fault[0], fault[1]);
    const channel = name as string;
    const subscription = this.#hub.subscribe(this, channel, since, id);
    this.subscriptions.set(channel, subscription);
    this.#attend(channel, wish);
    this.#hub.begin(subscription);
  }

  unsubscribe(name: unknown, id: string): void {
    if (!isChannelName(name)) return this.fail(id, 'BAD_CHANNEL', 'this is not the name of a channel');
    if (!this.#drop(name)) return this.fail(id, 'NOT_SUBSCRIBED', `not subscribed to ${name}`);
    this.say('unsubscribed', unsubscribedText(name, id), null);
  }

  /** Why it may not subscribe; null: it may. */
  whyNot(name: unknown): [OpError, string] | null {
    if (!isChannelName(name)) return ['BAD_CHANNEL', 'this is not the name of a channel'];
    if (this.subscriptions.has(name)) return ['ALREADY_SUBSCRIBED', `subscribed to ${name} already`];
    if (!this.rules.allows(name, this.x))
      return ['CHANNEL_FORBIDDEN', `the channel ${name} is not for this client`];
    const most = this.rules.options.maxSubscriptions;
    if (this.subscriptions.size >= most)
      return ['TOO_MANY_SUBSCRIPTIONS', `at most ${most} channels at a time`];
    return null;
  }

  fail(id: string, code: OpError, message: string): void {
    this.say('error', errorText(id, code, message), null);
  }

  /** The caller is known by another identity. */
  onIdentity(): void {
    this.recheck(this.rules);
  }

  /** The rules, or what is known of the caller, have changed: what it may no longer have ends. */
  recheck(rules: ChannelRules): void {
    this.rules = rules;
    for (const name of [...this.subscriptions.keys()]) {
      if (this.rules.allows(name, this.x)) {
        this.#attend(name, NO_WISH);
        continue;
      }
      this.#drop(name);
      this.say('unsubscribed', unsubscribedText(name, '', 'CHANNEL_FORBIDDEN'), null);
    }
  }

  broadcast(text: string): void {
    this.x.bytesOut += text.length;
    this.say('broadcast', text, null);
  }

  // what the hub tells ---------------------------------------------------------------------------------------------

  subscribed(
    subscription: Subscription,
    at: Position,
    recovered: boolean | null,
    latest: Message | null,
  ): void {
    const { channel, id } = subscription;
    this.say('subscribed', subscribedText(channel.name, id, at, recovered, latest), subscription);
  }

  gap(subscription: Subscription, at: Position, latest: Message | null): void {
    this.say('gap', gapText(subscription.channel.name, at, latest), subscription);
  }

  refused({ channel, id }: Subscription, why: string): void {
    this.subscriptions.delete(channel.name);
    this.presence?.leave(this, channel.name);
    this.say('error', errorText(id, 'CHANNEL_UNAVAILABLE', why, channel.name), null);
  }

  // the gateway ----------------------------------------------------------------------------------------------------

  /** The client has taken some of what waited for it. */
  protected drained(): void {
    this.#hub.catchUp(this);
  }

  /** Looks at the clock; `wall` in milliseconds since 1970. */
  check(now: number, wall: number): void {
    const { identity } = this.x;
    const { slow, slowFor } = this.rules.options;
    const lifetime = this.rules.websocket?.lifetime ?? 0;
    if (identity !== null && identity.expiresAt <= wall)
      return this.end(TOKEN_EXPIRED, 'the credentials have expired');
    if (this.behindSince > 0 && (slow === 'close' || !this.native) && now - this.behindSince > slowFor)
      return this.end(SLOW_CONSUMER, withRetryHint('the client reads too slowly'));
    if (lifetime > 0 && now - this.openedAt > lifetime)
      return this.end(SERVICE_RESTART, withRetryHint('the connection is old: connect again'));
  }

  /** When something was last said on one of its channels. */
  protected lastHeard(): number {
    let last = this.openedAt;
    for (const { channel } of this.subscriptions.values()) last = Math.max(last, channel.lastAt);
    return last;
  }

  #drop(name: string): boolean {
    const subscription = this.subscriptions.get(name);
    if (subscription === undefined) return false;
    this.subscriptions.delete(name);
    this.#ended(subscription);
    return true;
  }

  #ended(subscription: Subscription): void {
    this.#hub.end(subscription);
    this.presence?.leave(this, subscription.channel.name);
  }

  #attend(channel: string, wish: PresenceWish): void {
    const { presence } = this.rules.options;
    if (presence !== null) this.presence?.join(this, channel, presence.grace, wish);
    else this.presence?.leave(this, channel);
  }
}
