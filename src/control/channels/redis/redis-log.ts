/**
 * The log of channels that all machines share: kept in Redis, heard by every machine that follows the channel. While Redis
 * is away nothing can be published or subscribed anew, which is said at once; what is open stays open, and is told
 * afterwards what it missed, or that it missed something.
 */
import type { Log } from '../../../observe/log.js';
import { feedOf, type Publication, RedisChannels } from '../../../services/store/channels/redis-channels.js';
import { RedisFeed } from '../../../services/store/channels/redis-feed.js';
import type { RedisPlace } from '../../../services/store/redis/redis-link.js';
import { StoreFault } from '../../../services/store/store-fault.js';
import {
  type ChannelLog,
  type ChannelState,
  type HistoryOptions,
  LogUnavailable,
  type Message,
  NO_ROOM_FOR_CHANNELS,
  type OnMessage,
  type Position,
  type Recovery,
} from '../log.js';
import { AppendBatches } from './append-batches.js';
import { FollowedChannel, type Reading } from './followed-channel.js';

export interface RedisLogOptions {
  readonly place: RedisPlace;
  readonly onMessage: OnMessage;
  readonly log: Log;
  /** Channels with subscribers on this machine. Absent: no bound. */
  readonly maxChannels?: number;
}

/** After a failure nobody waits for the next one: for so long everything is refused at once. */
const REFUSE_MS = 250;
/** Now and then it is looked whether something was missed, and Redis is told that the channel is in use. */
const LOOK_EVERY_MS = 2000;
const LOOKS_AT_ONCE = 200;
/** After a connection is back, channels that are read at the same time. */
const READS_AT_ONCE = 100;
/** A log that is lost just then is read again. */
const MOST_READS = 3;
/** Channels that were spoken on, for lists. */
const MOST_NAMES = 10_000;
/** Where Redis is and what it says is for the log. */
const FOR_CLIENTS = 'channels are not available for now: try again';
const NO_HISTORY: HistoryOptions = { size: 0, ttl: 0 };

interface Followed {
  readonly channel: FollowedChannel;
  readonly feed: string;
}

export class RedisLog implements ChannelLog {
  /** Since the start: messages told late, and gaps that could not be filled. */
  readonly counts = { healed: 0, gaps: 0, failures: 0 };
  readonly #options: RedisLogOptions;
  readonly #store: RedisChannels;
  readonly #feed: RedisFeed;
  readonly #followed = new Map<string, Followed>();
  readonly #channels = new Map<string, string>();
  readonly #spoken = new Set<string>();
  readonly #batches: AppendBatches;
  readonly #looks: NodeJS.Timeout;
  #toLookAt: string[] = [];
  #maxChannels: number;
  #refuseUntil = 0; // 0: all is well
  #isTrying = false;
  #isLost = false;
  /** As it was said. */
  #isAway = false;

  constructor(options: RedisLogOptions) {
    this.#options = options;
    this.#maxChannels = options.maxChannels ?? Number.POSITIVE_INFINITY;
    this.#store = new RedisChannels(options.place);
    this.#feed = new RedisFeed(options.place, {
      onText: (name, text) => this.#heard(name, text),
      onBack: (names) => void this.#healAll(names),
      onLost: (reason) => this.#lost(reason),
    });
    this.#batches = new AppendBatches((channel, texts, history) =>
      this.appendAll(
        channel,
        texts.map((data) => ({ entry: '', data })),
        history,
      ),
    );
    this.#looks = setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  async append(channel: string, data: string, history: HistoryOptions): Promise<Position> {
    return await this.#batches.add(channel, data, history);
  }

  /** The same for several, none of them twice that come from the stream of publications. */
  async appendAll(channel: string, messages: readonly Publication[], history: HistoryOptions) {
    const appended = await this.#attempt(() => this.#store.append(channel, messages, history));
    this.#spoken.delete(channel);
    this.#spoken.add(channel);
    if (this.#spoken.size > MOST_NAMES)
      for (const first of this.#spoken) return this.#forget(first, appended);
    return appended;
  }

  async recover(
    channel: string,
    since: Position | null,
    history: HistoryOptions,
    answer: (recovery: Recovery) => void,
  ): Promise<void> {
    for (let i = 0; i < MOST_READS; i++) {
      const followed = this.#followed.get(channel);
      if (followed === undefined) return answer(recoveryOf(await this.#read(channel, since, null, history)));
      await this.#feed.want(followed.feed).catch(asUnavailable);
      const tail: Message[] = [];
      followed.channel.record(tail);
      try {
        const reading = await this.#read(channel, since, followed.channel.at, history);
        await followed.channel.reach(reading.head);
        const { at } = followed.channel;
        // Lost, or no longer followed, just now.
        if (this.#followed.get(channel) !== followed || at?.epoch !== reading.head.epoch) continue;
        return answer(recoveryOf(extended(reading, at, tail)));
      } finally {
        followed.channel.stopRecording(tail);
      }
    }
    throw new LogUnavailable(FOR_CLIENTS);
  }

  /** Whether other machines are heard, and can be spoken to. */
  get connected(): boolean {
    return !this.#isLost && this.#refuseUntil === 0;
  }

  follow(channel: string): void {
    if (this.#followed.has(channel)) return;
    if (this.#followed.size >= this.#maxChannels) throw new LogUnavailable(NO_ROOM_FOR_CHANNELS);
    const feed = feedOf(channel);
    const { onMessage } = this.#options;
    this.#followed.set(channel, {
      feed,
      channel: new FollowedChannel({
        tell: (message, epoch) => onMessage(channel, message, epoch),
        read: (since, heard) => this.#read(channel, since, heard, NO_HISTORY),
        onHealed: (messages, whole) => {
          if (whole) this.counts.healed += messages;
          else this.counts.gaps++;
        },
      }),
    });
    this.#channels.set(feed, channel);
    this.#feed.want(feed).catch(ignore);
  }

  /** Another bound from now on: those that are followed stay. */
  resize(maxChannels: number): void {
    this.#maxChannels = maxChannels;
  }

  unfollow(channel: string): void {
    const followed = this.#followed.get(channel);
    if (followed === undefined) return;
    this.#followed.delete(channel);
    this.#channels.delete(followed.feed);
    this.#feed.drop(followed.feed);
  }

  async look(channel: string): Promise<ChannelState | null> {
    const found = await this.#attempt(() => this.#store.look(channel));
    if (found === null) return null;
    const { epoch, offset, kept } = found;
    return { head: { epoch, offset }, kept };
  }

  /** Followed or lately spoken on here; other machines may know more. */
  async names(): Promise<readonly string[]> {
    return [...new Set([...this.#followed.keys(), ...this.#spoken])];
  }

  async close(): Promise<void> {
    clearInterval(this.#looks);
    this.#followed.clear();
    this.#channels.clear();
    this.#feed.close();
    this.#store.close();
  }

  #heard(name: string, text: string): void {
    const channel = this.#channels.get(name);
    const [, epoch, offset, data] = /^(\S+) (\d+) (.*)$/s.exec(text) ?? [];
    // Anybody may say something there: what is no message is none.
    if (channel === undefined || epoch === undefined || offset === undefined || data === undefined) return;
    this.#followed.get(channel)?.channel.take({ offset: Number(offset), data }, epoch);
  }

  async #read(
    channel: string,
    since: Position | null,
    heard: Position | null,
    history: HistoryOptions,
  ): Promise<Reading> {
    return await this.#attempt(() => this.#store.read(channel, since, heard, history));
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isTrying || performance.now() < this.#refuseUntil) throw new LogUnavailable(FOR_CLIENTS);
    // After a failure one finds out for all the others.
    const isTry = this.#refuseUntil > 0;
    this.#isTrying = isTry;
    try {
      const result = await work();
      if (isTry) {
        this.#refuseUntil = 0;
        this.#tellBack();
      }
      return result;
    } catch (error) {
      if (!(error instanceof StoreFault)) throw error;
      this.counts.failures++;
      this.#refuseUntil = performance.now() + REFUSE_MS;
      this.#tellAway(error.message);
      throw new LogUnavailable(FOR_CLIENTS);
    } finally {
      if (isTry) this.#isTrying = false;
    }
  }

  #lost(reason: string): void {
    this.#isLost = true;
    this.#tellAway(reason);
  }

  #tellAway(reason: string): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.#options.log.warn({ reason }, 'channels: Redis is away: nothing can be published or subscribed to');
  }

  #tellBack(): void {
    if (!this.#isAway || this.#isLost || this.#refuseUntil > 0) return;
    this.#isAway = false;
    this.#options.log.info({}, 'channels: Redis is back');
  }

  async #healAll(names: readonly string[]): Promise<void> {
    this.#refuseUntil = 0;
    this.#isLost = false;
    this.#tellBack();
    const channels = names.flatMap((name) => this.#channels.get(name) ?? []);
    for (let i = 0; i < channels.length; i += READS_AT_ONCE)
      await this.#heal(channels.slice(i, i + READS_AT_ONCE));
  }

  /** What cannot be read now is read when the connection is back, or looked at later. */
  async #heal(channels: readonly string[]): Promise<void> {
    await Promise.all(channels.map((channel) => this.#followed.get(channel)?.channel.heal().catch(ignore)));
  }

  #look(): void {
    if (this.#toLookAt.length === 0) this.#toLookAt = [...this.#followed.keys()];
    void this.#heal(this.#toLookAt.splice(0, LOOKS_AT_ONCE));
  }

  #forget<T>(name: string, result: T): T {
    this.#spoken.delete(name);
    return result;
  }
}

/** With what was told while it was read. */
function extended(reading: Reading, at: Position, tail: readonly Message[]): Reading {
  const { head } = reading;
  if (at.offset === head.offset) return reading;
  const later = tail.filter(({ offset }) => offset > head.offset);
  const latest = later.at(-1) ?? reading.latest;
  // There was too much for one reading: what was told meanwhile comes with the rest.
  const read = reading.missed.at(-1);
  if (reading.whole && read !== undefined && read.offset < head.offset)
    return { ...reading, head: at, latest };
  const isWhole = reading.whole && later.length === at.offset - head.offset;
  return {
    head: at,
    oldest: isWhole ? reading.oldest : at.offset,
    whole: isWhole,
    missed: isWhole ? [...reading.missed, ...later] : [],
    latest,
  };
}

function recoveryOf({ head, oldest, whole, missed, latest }: Reading): Recovery {
  return { head, oldest, recovered: whole, missed: whole ? missed : [], latest };
}

function asUnavailable(): never {
  throw new LogUnavailable(FOR_CLIENTS);
}

function ignore(): void {}
