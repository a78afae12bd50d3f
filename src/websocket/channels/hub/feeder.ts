/** What each subscriber of a channel gets: where it begins, what it has missed, and its place among those that are live. */
import type { Position } from '../../../services/channels/messages.js';
import { messageText } from '../texts.js';
import type { Channel, Subscription } from './channel.js';
import type { HubCounts } from './counts.js';
import type { Questions } from './questions.js';

export class Feeder {
  readonly #questions: Questions;
  readonly #counts: () => HubCounts;

  constructor(questions: Questions, counts: () => HubCounts) {
    this.#questions = questions;
    this.#counts = counts;
  }

  /** Answers those that wait, as far as what they want can be found here. Positions before `oldest` are lost. */
  settle(channel: Channel, oldest: number): void {
    for (const subscription of [...channel.waiting]) this.answer(subscription, oldest);
    if (channel.waiting.size > 0) this.#questions.ask(channel);
  }

  /** The same for one. */
  answer(subscription: Subscription, oldest: number): void {
    const { channel, since } = subscription;
    if (since === null) this.#beginAt(subscription, null);
    else if (since.epoch !== channel.epoch || since.offset > channel.head || since.offset < oldest) {
      this.#beginAt(subscription, false);
    } else if (channel.reaches(since.offset)) this.#resume(subscription, since);
  }

  /** It begins at the head, because it has no position, or one that is lost. */
  #beginAt(subscription: Subscription, recovered: false | null): void {
    const { channel, subscriber, greeted } = subscription;
    channel.waiting.delete(subscription);
    subscription.offset = channel.head;
    subscription.greeted = true;
    if (greeted) this.tellGap(subscription);
    else {
      if (recovered === false) this.#counts().notRecovered++;
      subscriber.subscribed(subscription, channel.position, recovered, channel.latest);
    }
    if (subscription.state !== 'over') this.#goLive(subscription);
  }

  #resume(subscription: Subscription, since: Position): void {
    const { channel, subscriber, greeted } = subscription;
    channel.waiting.delete(subscription);
    subscription.offset = since.offset;
    subscription.greeted = true;
    if (!greeted) {
      this.#counts().recovered++;
      subscriber.subscribed(subscription, since, true, null);
    }
    this.pump(subscription);
  }

  /** Sends what it has not got, as far as it can take it, and makes it live when that was all. */
  pump(subscription: Subscription): void {
    const { channel, subscriber } = subscription;
    while (subscription.state !== 'over' && subscription.offset < channel.head) {
      if (subscriber.full) return this.#wait(subscription);
      const message = channel.find(subscription.offset + 1);
      if (message === undefined) return this.#askFor(subscription);
      subscription.offset = message.offset;
      this.#counts().delivered++;
      subscriber.deliver(subscription, message, messageText(channel.name, message, channel.epoch));
    }
    if (subscription.state !== 'over') this.#goLive(subscription);
  }

  #wait(subscription: Subscription): void {
    const { subscriber } = subscription;
    subscription.state = 'behind';
    if (subscriber.behindSince > 0) return;
    subscriber.behindSince = performance.now();
    this.#counts().behind++;
  }

  /** What it lacks is no longer here: the primary may have it. */
  #askFor(subscription: Subscription): void {
    const { channel, offset } = subscription;
    subscription.state = 'waiting';
    subscription.since = { offset, epoch: channel.epoch };
    channel.waiting.add(subscription);
    this.#questions.ask(channel);
  }

  skip(subscription: Subscription): void {
    const { channel } = subscription;
    // The message before the latest: `pump` sends the latest alone.
    if (channel.latest !== null && channel.head > subscription.offset) subscription.offset = channel.head - 1;
  }

  #goLive(subscription: Subscription): void {
    const { channel, subscriber } = subscription;
    subscription.state = 'live';
    subscription.since = null;
    if (subscriber.native) {
      channel.natives++;
      subscriber.join(subscription);
    } else channel.listeners.add(subscription);
  }

  leave(subscription: Subscription): void {
    const { channel, subscriber } = subscription;
    if (subscriber.native) {
      channel.natives--;
      subscriber.part(subscription);
    } else channel.listeners.delete(subscription);
  }

  tellGap(subscription: Subscription): void {
    const { channel, subscriber } = subscription;
    this.#counts().gaps++;
    subscriber.gap(subscription, channel.position, channel.latest);
  }
}
