/**
 * The channels of a worker. The primary tells messages and answers in one order, so what a client has missed and what
 * follows meet without a hole. A message is written once, and the listener hands it to all subscribers of the channel. Whoever
 * does not keep up is taken off, and gets what it missed when it reads again.
 */
import type {
  ChannelAnswer,
  ChannelAsk,
  ChannelNews,
  Message,
  Position,
  Recovery,
} from '../../../services/channels/messages.js';
import { messageText } from '../texts.js';
import { Channel, type Subscriber, Subscription } from './channel.js';
import { type HubCounts, noCounts } from './counts.js';
import { Feeder } from './feeder.js';
import { Questions } from './questions.js';

export interface HubEnv {
  /** To the primary, in order. */
  ask(asks: readonly ChannelAsk[]): void;
  /** To all sockets that have joined the channel. */
  publish(channel: string, text: string): void;
}

/** Bytes that may be published before it is looked who does not keep up: in all, a client can get no more than these. */
const LOOK_EVERY_BYTES = 64 * 1024;
const ASK_AGAIN_MS = 1000;
/** What a worker keeps of all channels together: the primary has the rest. */
const MOST_RECENT_BYTES = 32 * 1024 * 1024;

export class ChannelHub {
  readonly #env: HubEnv;
  readonly #channels = new Map<string, Channel>();
  readonly #questions: Questions;
  readonly #feeder: Feeder;
  #unlooked = 0;
  /** Those on which something was published since it was looked. */
  readonly #published = new Set<Channel>();
  #subscriptions = 0;
  #counts = noCounts();

  constructor(env: HubEnv) {
    this.#env = env;
    this.#questions = new Questions((asks) => env.ask(asks));
    this.#feeder = new Feeder(this.#questions, () => this.#counts);
  }

  subscribe(subscriber: Subscriber, name: string, since: Position | null, id: string): Subscription {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = new Channel(name);
      this.#channels.set(name, channel);
    }
    channel.expire(performance.now());
    return new Subscription(subscriber, channel, since, id);
  }

  /** From here on it hears of it; the subscriber knows its subscription by now. */
  begin(subscription: Subscription): void {
    const { channel } = subscription;
    this.#subscriptions++;
    channel.subscriptions.add(subscription);
    channel.waiting.add(subscription);
    if (channel.state === 'open') this.#feeder.answer(subscription, 0);
    if (channel.waiting.has(subscription)) this.#questions.ask(channel);
  }

  end(subscription: Subscription): void {
    const { channel, state } = subscription;
    if (state === 'over') return;
    if (state === 'live') this.#feeder.leave(subscription);
    subscription.state = 'over';
    this.#subscriptions--;
    channel.waiting.delete(subscription);
    channel.subscriptions.delete(subscription);
    this.#close(channel);
  }

  /** What the primary says, in its order. */
  take(news: readonly ChannelNews[]): void {
    for (const one of news) {
      if ('message' in one) this.#hear(one.channel, one.epoch, one.message);
      else if ('answer' in one) this.#answered(one);
      else if ('refused' in one) this.#refused(one.refused, one.why);
      else this.#tear(this.#channels.get(one.torn));
    }
    if (this.#unlooked >= LOOK_EVERY_BYTES) this.#lookForSlow();
  }

  /** The client reads again. */
  catchUp(subscriber: Subscriber): void {
    if (subscriber.behindSince === 0) return;
    for (const subscription of [...subscriber.subscriptions.values()]) {
      if (subscription.state !== 'behind') continue;
      if (subscriber.full) return;
      if (subscriber.conflates) this.#feeder.skip(subscription);
      this.#feeder.pump(subscription);
    }
    for (const { state } of subscriber.subscriptions.values()) if (state === 'behind') return;
    subscriber.behindSince = 0;
    this.#counts.caughtUp++;
  }

  /** Of those that are not slow by what was published alone, and forgets what is too old; now and then. False: there is nobody. */
  look(now: number): boolean {
    this.#lookForSlow();
    let bytes = 0;
    for (const channel of this.#channels.values()) {
      channel.expire(now);
      bytes += channel.recentBytes;
      if (bytes > MOST_RECENT_BYTES) channel.forget();
    }
    return this.#channels.size > 0;
  }

  report(): HubCounts {
    const counts = { ...this.#counts, subscriptions: this.#subscriptions, channels: this.#channels.size };
    this.#counts = noCounts();
    return counts;
  }

  // messages -------------------------------------------------------------------------------------------------------

  #hear(name: string, epoch: string, message: Message): void {
    const channel = this.#channels.get(name);
    if (channel === undefined || channel.state !== 'open') return;
    if (epoch !== channel.epoch || message.offset > channel.head + 1) return this.#tear(channel);
    if (message.offset === channel.head + 1) this.#deliver(channel, message);
  }

  #deliver(channel: Channel, message: Message): void {
    channel.append(message, performance.now());
    const text = messageText(channel.name, message, channel.epoch);
    channel.messages++;
    channel.bytes += text.length;
    if (channel.natives > 0) {
      this.#env.publish(channel.name, text);
      this.#counts.delivered += channel.natives;
      this.#unlooked += text.length;
      this.#published.add(channel);
    }
    for (const subscription of channel.listeners) {
      const { subscriber } = subscription;
      subscription.offset = message.offset;
      this.#counts.delivered++;
      subscriber.deliver(subscription, message, text);
      if (subscriber.full) this.#fallBehind(subscriber);
    }
  }

  #lookForSlow(): void {
    this.#unlooked = 0;
    for (const channel of this.#published) {
      for (const { state, subscriber } of channel.subscriptions) {
        if (state === 'live' && subscriber.full) this.#fallBehind(subscriber);
      }
    }
    this.#published.clear();
  }

  /** Everything up to the head is on its way to it: nothing more is sent until it reads. */
  #fallBehind(subscriber: Subscriber): void {
    if (subscriber.behindSince === 0) {
      subscriber.behindSince = performance.now();
      this.#counts.behind++;
    }
    for (const subscription of subscriber.subscriptions.values()) {
      if (subscription.state !== 'live') continue;
      this.#feeder.leave(subscription);
      subscription.state = 'behind';
      subscription.offset = subscription.channel.head;
    }
  }

  // the primary ----------------------------------------------------------------------------------------------------

  #answered({ answer, recovery, history }: ChannelAnswer): void {
    const asked = this.#questions.answered(answer);
    if (asked === null) return;
    const { channel, since } = asked;
    channel.keep(history);
    const last = recovery.missed.at(-1);
    channel.isLong = !channel.isLong && last !== undefined && last.offset < recovery.head.offset;
    if (channel.state === 'opening') {
      channel.reset(recovery.head, recovery.latest);
      channel.state = 'open';
    } else if (!this.#mended(channel, since, recovery)) return this.#questions.ask(channel);
    const older = recovery.recovered ? recovery.missed : [];
    channel.withOlder(older, () => this.#feeder.settle(channel, recovery.oldest));
    this.#close(channel);
  }

  /** False: it is still torn, because the question was about something else. */
  #mended(channel: Channel, since: Position | null, { recovered, missed, head, latest }: Recovery): boolean {
    const fits = head.epoch === channel.epoch && head.offset === channel.head;
    if (channel.state === 'open' && fits) return true;
    channel.state = 'torn';
    if (since === null || since.epoch !== channel.epoch || since.offset > channel.head) return false;
    if (recovered && head.epoch === channel.epoch) {
      for (const message of missed) if (message.offset > channel.head) this.#deliver(channel, message);
      // There was too much for one answer.
      if (channel.head < head.offset) return false;
      channel.state = 'open';
      return true;
    }
    if (since.offset < channel.head) return false;
    channel.reset(head, latest);
    channel.state = 'open';
    for (const subscription of [...channel.subscriptions]) {
      if (subscription.state === 'waiting') continue;
      subscription.offset = channel.head;
      this.#feeder.tellGap(subscription);
    }
    return true;
  }

  #refused(id: number, why: string): void {
    const channel = this.#questions.answered(id)?.channel;
    if (channel === undefined) return;
    for (const subscription of [...channel.waiting]) {
      if (subscription.greeted) continue;
      this.end(subscription);
      subscription.subscriber.refused(subscription, why);
    }
    const wanted = channel.waiting.size > 0 || (channel.state === 'torn' && channel.subscriptions.size > 0);
    if (wanted) setTimeout(() => this.#askAgain(channel), ASK_AGAIN_MS).unref();
  }

  #askAgain(channel: Channel): void {
    if (channel.waiting.size > 0 || (channel.state === 'torn' && channel.subscriptions.size > 0))
      this.#questions.ask(channel);
  }

  #tear(channel: Channel | undefined): void {
    if (channel === undefined || channel.state !== 'open') return;
    channel.state = 'torn';
    this.#questions.ask(channel);
  }

  /** Nobody is subscribed any more: the primary need not tell of it. */
  #close(channel: Channel): void {
    if (channel.subscriptions.size > 0 || channel.asked !== null) return;
    if (!this.#channels.delete(channel.name)) return;
    this.#published.delete(channel);
    this.#questions.leave(channel);
  }
}
