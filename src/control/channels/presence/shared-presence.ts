/**
 * Who is on which channel, over all machines: each tells Redis of its own members, again and again, and hears of the others.
 * One that dies is forgotten after `LIFE_MS`, as soon as another one speaks. While Redis is away only the members of this
 * machine are known, and nobody hears of any coming or going; afterwards everything is told.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../../observe/log.js';
import {
  MEMBERS_AT_ONCE,
  type Member,
  type Newcomer,
  type PresencePage,
} from '../../../services/channels/presence.js';
import { RedisFeed } from '../../../services/store/channels/redis-feed.js';
import {
  presenceFeedOf,
  RedisPresence,
  type StoredMember,
} from '../../../services/store/channels/redis-presence.js';
import type { RedisPlace } from '../../../services/store/redis/redis-link.js';
import { Attendance } from './attendance.js';
import { memberIn, merged, textOf } from './member-text.js';
import type { OnPresence, PresenceBook } from './presence-book.js';

/** A dead machine's members are gone after both together. */
const BEAT_MS = 3000;
const LIFE_MS = 9000;
/** Channels that are told of at the same time. */
const AT_ONCE = 100;
/** After a failure it is not tried again with each change, nor for each question. */
const REST_MS = 500;
const CLOSE_WITHIN_MS = 1000;

export interface SharedPresenceOptions {
  readonly place: RedisPlace;
  readonly onPresence: OnPresence;
  readonly log: Log;
}

export class SharedPresence implements PresenceBook {
  readonly #options: SharedPresenceOptions;
  readonly #attendance: Attendance;
  readonly #store: RedisPresence;
  readonly #feed: RedisFeed;
  readonly #beats: NodeJS.Timeout;
  /** By what is listened to. */
  readonly #watched = new Map<string, string>();
  /** Ids of members that Redis is to hear of. */
  readonly #news = new Map<string, Set<string>>();
  readonly #telling = new Map<string, Promise<void>>();
  #restUntil = 0;
  #isAway = false;
  #isDeaf = false;

  constructor(options: SharedPresenceOptions) {
    this.#options = options;
    this.#attendance = new Attendance((channel, id) => this.#changed(channel, id));
    this.#store = new RedisPresence(options.place, randomBytes(8).toString('hex'), LIFE_MS);
    this.#feed = new RedisFeed(options.place, {
      onText: (name, text) => this.#heard(name, text),
      onBack: () => void this.#back(),
      onLost: () => {
        this.#isDeaf = true;
      },
    });
    this.#beats = setInterval(() => void this.#beat(), BEAT_MS).unref();
  }

  join(channel: string, worker: number, socket: string, who: Newcomer, graceMs: number): void {
    this.#attendance.join(channel, worker, socket, who, graceMs);
  }

  leave(channel: string, worker: number, socket: string): void {
    this.#attendance.leave(channel, worker, socket);
  }

  workerGone(worker: number): void {
    this.#attendance.workerGone(worker);
  }

  async list(channel: string, after: string, limit: number): Promise<PresencePage> {
    try {
      if (performance.now() < this.#restUntil) throw new Error('Redis is away');
      // Whoever has just joined finds itself.
      await this.#telling.get(channel);
      const { total, members } = await this.#store.list(channel, after, limit + 1);
      const known = merged(members);
      const some = known.slice(0, limit);
      const next = known.length > limit ? (some.at(-1)?.id ?? null) : null;
      return { members: some, total, next, partial: false };
    } catch {
      return { ...this.#attendance.list(channel, after, limit), partial: true };
    }
  }

  async watch(channel: string): Promise<void> {
    const feed = presenceFeedOf(channel);
    this.#watched.set(feed, channel);
    // While Redis is away: what was missed is told as a whole when it is back.
    await this.#feed.want(feed).catch(ignore);
  }

  unwatch(channel: string): void {
    const feed = presenceFeedOf(channel);
    if (this.#watched.delete(feed)) this.#feed.drop(feed);
  }

  async close(): Promise<void> {
    clearInterval(this.#beats);
    this.#feed.close();
    const leaving = this.#attendance.channels.map((channel) => this.#leave(channel).catch(ignore));
    await Promise.race([Promise.all(leaving), sleep(CLOSE_WITHIN_MS, null, { ref: false })]);
    this.#attendance.close();
    this.#store.close();
  }

  async #leave(channel: string): Promise<void> {
    await this.#telling.get(channel);
    if (this.#news.has(channel)) await this.#tell(channel);
    await this.#store.leave(channel, this.#attendance.grace(channel));
  }

  #changed(channel: string, id: string): void {
    const news = this.#news.get(channel) ?? new Set<string>();
    this.#news.set(channel, news.add(id));
    this.#tellSoon(channel);
  }

  /** What happens in one turn is told at once. */
  #tellSoon(channel: string): void {
    if (this.#telling.has(channel) || performance.now() < this.#restUntil) return;
    const telling = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#tell(channel))
      .finally(() => {
        this.#telling.delete(channel);
        if (this.#news.has(channel)) this.#tellSoon(channel);
      });
    this.#telling.set(channel, telling);
  }

  /** Never rejects. Without news it says that the members are still there. */
  async #tell(channel: string): Promise<void> {
    const ids = this.#news.get(channel) ?? new Set<string>();
    this.#news.delete(channel);
    try {
      const changes = [...ids].map((id) => this.#textOf(channel, id));
      const agrees = await this.#store.change(channel, changes, this.#attendance.count(channel));
      if (!agrees) await this.#tellAll(channel);
      this.#answered();
    } catch (error) {
      const news = this.#news.get(channel) ?? new Set<string>();
      for (const id of ids) news.add(id);
      if (news.size > 0) this.#news.set(channel, news);
      this.#failed(error as Error);
    }
  }

  /** Redis has lost something, or this machine was taken for dead. */
  async #tellAll(channel: string): Promise<void> {
    const own = await this.#store.own(channel);
    const members = [...this.#attendance.members(channel)].map((member) => ({
      id: member.id,
      text: textOf(member),
    }));
    const surplus = own.filter((id) => this.#attendance.member(channel, id) === null);
    await this.#store.change(channel, [...members, ...surplus.map((id) => ({ id, text: '' }))], -1);
  }

  async #beat(): Promise<void> {
    const channels = [...new Set([...this.#attendance.channels, ...this.#news.keys()])];
    for (let i = 0; i < channels.length; i += AT_ONCE) {
      this.#restUntil = 0;
      const some = channels.slice(i, i + AT_ONCE);
      for (const channel of some) this.#tellSoon(channel);
      await Promise.all(some.map((channel) => this.#telling.get(channel)));
      if (this.#isAway) return;
    }
  }

  async #back(): Promise<void> {
    if (!this.#isDeaf) return;
    this.#isDeaf = false;
    await this.#beat();
    for (const channel of [...this.#watched.values()]) {
      const page = await this.list(channel, '', MEMBERS_AT_ONCE);
      if (!page.partial) this.#options.onPresence(channel, { event: 'sync', page });
    }
  }

  #heard(name: string, text: string): void {
    const channel = this.#watched.get(name);
    const [, event, json = ''] = /^\{"event":"(join|leave)","member":(\{.*\})\}$/s.exec(text) ?? [];
    const member = memberIn(json);
    if (channel === undefined || member === null) return;
    if (event === 'join' || event === 'leave') this.#options.onPresence(channel, { event, member });
  }

  #textOf(channel: string, id: string): StoredMember {
    const member: Member | null = this.#attendance.member(channel, id);
    return { id, text: member === null ? '' : textOf(member) };
  }

  #answered(): void {
    if (this.#isAway) this.#options.log.info({}, 'presence: members on other machines are known again');
    this.#isAway = false;
  }

  #failed({ message }: Error): void {
    this.#restUntil = performance.now() + REST_MS;
    if (!this.#isAway)
      this.#options.log.warn({ reason: message }, 'presence: members on other machines are not known');
    this.#isAway = true;
  }
}

function ignore(): void {}
