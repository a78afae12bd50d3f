/** A channel as one worker has it: who is subscribed, and the last messages. */
import type { HistoryOptions, Message, Position } from '../../../services/channels/messages.js';
import { RecentMessages } from '../../../services/channels/recent-messages.js';

/** What the hub tells a client, and needs to know of it. */
export interface Subscriber {
  /** Messages reach it by the listener's own publish, once it has joined. */
  readonly native: boolean;
  /** More waits for it than may. */
  readonly full: boolean;
  /** When it is behind, only the latest message of a channel matters. */
  readonly conflates: boolean;
  readonly subscriptions: ReadonlyMap<string, Subscription>;
  /** Since when it does not keep up, on `performance.now()`; 0: it does. */
  behindSince: number;
  /** From `at` on messages follow, without a hole. `recovered` null: it had no position. */
  subscribed(
    subscription: Subscription,
    at: Position,
    recovered: boolean | null,
    latest: Message | null,
  ): void;
  /** `text` is the message as clients get it. */
  deliver(subscription: Subscription, message: Message, text: string): void;
  /** What came before `at` is lost to it. */
  gap(subscription: Subscription, at: Position, latest: Message | null): void;
  /** It cannot be subscribed for now, and is not. */
  refused(subscription: Subscription, why: string): void;
  join(subscription: Subscription): void;
  part(subscription: Subscription): void;
}

/**
 * `waiting` for the primary to tell what it has missed; `live`; `behind`: the client was too slow and has everything up to
 * `offset`; `over`.
 */
export type SubscriptionState = 'waiting' | 'live' | 'behind' | 'over';

export class Subscription {
  readonly subscriber: Subscriber;
  readonly channel: Channel;
  state: SubscriptionState = 'waiting';
  /** The client knows that it is subscribed. */
  greeted = false;
  /** What it comes back with; null: it begins here. */
  since: Position | null;
  /** The client has everything up to here; of one that is live the channel knows. */
  offset = 0;
  /** The client's own word for the subscribe operation, as JSON text; empty: it has none. */
  readonly id: string;
  /** What the channel had sent when it joined: what the listener sends is counted there. */
  messagesBefore = 0;
  bytesBefore = 0;

  constructor(subscriber: Subscriber, channel: Channel, since: Position | null, id: string) {
    this.subscriber = subscriber;
    this.channel = channel;
    this.since = since;
    this.id = id;
  }
}

export class Channel {
  readonly name: string;
  /** `opening`: nothing is known of it; `torn`: messages were left out, and the primary was asked for them. */
  state: 'opening' | 'open' | 'torn' = 'opening';
  epoch = '';
  /** Offset of the last message. */
  head = 0;
  latest: Message | null = null;
  readonly subscriptions = new Set<Subscription>();
  /** Those that are live and have joined the listener's topic. */
  natives = 0;
  /** Those that are live and get each message by themselves. */
  readonly listeners = new Set<Subscription>();
  /** Those that wait for an answer of the primary. */
  readonly waiting = new Set<Subscription>();
  /** What the primary was asked; null: nothing. */
  asked: { readonly id: number; readonly since: Position | null } | null = null;
  /** The last answer did not hold all, so the next one is for whoever waits for longest: nobody waits behind others for ever. */
  isLong = false;
  /** Sent to each of its subscribers since it was opened. */
  messages = 0;
  bytes = 0;
  /** When something was last said on it, on `performance.now()`. */
  lastAt = 0;
  readonly #recent = new RecentMessages();
  #history: HistoryOptions = { size: 0, ttl: 0 };
  /** Recovered ones, from before `#recent`: while they are handed out. */
  #older: readonly Message[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get position(): Position {
    return { offset: this.head, epoch: this.epoch };
  }

  /** Begins at this position, whatever was before. */
  reset({ offset, epoch }: Position, latest: Message | null): void {
    this.#recent.keepNewest(0);
    this.epoch = epoch;
    this.head = offset;
    this.latest = latest;
  }

  /** As the primary keeps them. */
  keep(history: HistoryOptions): void {
    this.#history = history;
    this.#recent.keepNewest(history.size);
  }

  append(message: Message, now: number): void {
    this.head = message.offset;
    this.latest = message;
    this.lastAt = now;
    this.#recent.push(message, now);
    this.#recent.keepNewest(this.#history.size);
    if (this.#recent.bytes > MOST_BYTES) this.#recent.keepNewest(this.#recent.length >> 1);
    this.expire(now);
  }

  /** Forgets what is too old. */
  expire(now: number): void {
    if (this.#history.ttl > 0) this.#recent.expire(now - this.#history.ttl);
  }

  get recentBytes(): number {
    return this.#recent.bytes;
  }

  /** Everything but where it is. */
  forget(): void {
    this.#recent.keepNewest(0);
  }

  /** While `work` runs also these can be found. */
  withOlder(older: readonly Message[], work: () => void): void {
    this.#older = older;
    work();
    this.#older = [];
  }

  find(offset: number): Message | undefined {
    const older = this.#older;
    return this.#recent.find(offset) ?? (older.length > 0 ? older[offset - older[0].offset] : undefined);
  }

  /** Whether everything after this offset can be found here. */
  reaches(offset: number): boolean {
    return offset === this.head || this.find(offset + 1) !== undefined;
  }
}

/** Of one channel in one worker: the primary has the rest. */
const MOST_BYTES = 1024 * 1024;
