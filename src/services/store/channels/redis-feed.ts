/**
 * What other machines say through Redis, by name: one connection that only listens, made again when it broke. What was said
 * meanwhile is lost here; whoever listens is told to look.
 */
import type { Redis } from 'ioredis';
import { RedisLink, type RedisPlace } from '../redis/redis-link.js';
import { StoreFault } from '../store-fault.js';

export interface FeedEvents {
  onText(name: string, text: string): void;
  /** Something of these names may have been missed; from now on nothing is. */
  onBack(names: readonly string[]): void;
  /** Nothing is heard any more; once, until `onBack`. */
  onLost(reason: string): void;
}

const ANSWER_WITHIN_MS = 2000;
const PING_EVERY_MS = 3000;
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1000;
/** Names in one command. */
const NAMES_AT_ONCE = 500;

interface Wanted {
  /** Resolves when nothing is missed from then on. */
  readonly heard: Promise<void>;
  settled: boolean;
  settle(error: Error | null): void;
}

export class RedisFeed {
  readonly #link: RedisLink;
  readonly #events: FeedEvents;
  readonly #wanted = new Map<string, Wanted>();
  /** Asked for with the next command. */
  #fresh: string[] = [];
  /** null: not connected. */
  #redis: Redis | null = null;
  #connecting = false;
  #lost = false;
  #retryMs = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;
  readonly #pings: NodeJS.Timeout;
  #closed = false;

  constructor(place: RedisPlace, events: FeedEvents) {
    this.#link = new RedisLink(place, ANSWER_WITHIN_MS);
    this.#events = events;
    this.#pings = setInterval(() => this.#ping(), PING_EVERY_MS).unref();
  }

  /** From now on, as soon as that is possible. Resolves when it is so; rejects with a StoreFault when it is not. */
  want(name: string): Promise<void> {
    return (this.#wanted.get(name) ?? this.#add(name)).heard;
  }

  drop(name: string): void {
    if (!this.#wanted.delete(name)) return;
    // What fails here is an end of the connection, which is noticed.
    this.#redis?.unsubscribe(name).catch(() => {});
  }

  get names(): readonly string[] {
    return [...this.#wanted.keys()];
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#pings);
    this.#redis = null;
    this.#link.close();
    for (const { settle } of this.#wanted.values()) settle(new StoreFault('the store is closed'));
    this.#wanted.clear();
  }

  #add(name: string): Wanted {
    const wanted = waiting();
    this.#wanted.set(name, wanted);
    if (this.#redis === null) {
      if (!this.#lost) void this.#connect();
      return wanted;
    }
    if (this.#fresh.length === 0 && !this.#connecting) setImmediate(() => void this.#ask());
    this.#fresh.push(name);
    return wanted;
  }

  async #connect(): Promise<void> {
    if (this.#connecting || this.#closed) return;
    this.#connecting = true;
    try {
      await this.#link.use(async (redis) => {
        redis.on('message', (name: string, text: string) => {
          if (this.#redis === redis && this.#wanted.has(name)) this.#events.onText(name, text);
        });
        redis.once('end', () => this.#ended(redis));
        // A Cluster takes another node to listen at when the one before is gone, and says nothing of what it missed.
        redis.on('-node', () => this.#moved(redis));
        this.#redis = redis;
        await this.#subscribe(redis, this.names);
      });
      this.#connecting = false;
      this.#back();
    } catch (error) {
      this.#connecting = false;
      this.#redis = null;
      const { message } = error as Error;
      for (const { settle } of this.#wanted.values()) settle(new StoreFault(message));
      this.#failed(message);
    }
  }

  /** Those that were asked for since the last turn, in one go. */
  async #ask(): Promise<void> {
    const names = this.#fresh.splice(0).filter((name) => this.#wanted.has(name));
    const redis = this.#redis;
    // Else they are among those that the next connection asks for.
    if (redis === null || this.#connecting || names.length === 0) return;
    try {
      await this.#subscribe(redis, names);
      for (const name of names) this.#wanted.get(name)?.settle(null);
    } catch {
      this.#ended(redis, 'does not answer');
    }
  }

  async #subscribe(redis: Redis, names: readonly string[]): Promise<void> {
    for (let i = 0; i < names.length; i += NAMES_AT_ONCE) {
      await redis.subscribe(...names.slice(i, i + NAMES_AT_ONCE));
    }
    if (names.length === 0) await redis.ping();
  }

  #back(): void {
    this.#lost = false;
    this.#retryMs = FIRST_RETRY_MS;
    const late = new Set(this.#fresh);
    if (late.size > 0) void this.#ask();
    const names = this.names.filter((name) => !late.has(name));
    for (const name of names) this.#wanted.get(name)?.settle(null);
    this.#events.onBack(names);
  }

  #moved(redis: Redis): void {
    if (this.#redis === redis && !this.#connecting) this.#events.onBack(this.names);
  }

  #ended(redis: Redis, why = 'has ended the connection'): void {
    if (this.#redis !== redis) return;
    this.#redis = null;
    redis.disconnect();
    if (!this.#connecting) this.#failed(`Redis at ${this.#link.address} ${why}`);
  }

  #failed(reason: string): void {
    if (this.#closed) return;
    // Whoever wants it from now on waits for the next connection.
    for (const [name, wanted] of this.#wanted) if (wanted.settled) this.#wanted.set(name, waiting());
    this.#fresh = [];
    if (!this.#lost) {
      this.#lost = true;
      this.#events.onLost(reason);
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#connect(), this.#retryMs * (0.8 + 0.4 * Math.random()));
    this.#timer.unref();
    this.#retryMs = Math.min(LAST_RETRY_MS, 2 * this.#retryMs);
  }

  /** Half-open connections say nothing by themselves. */
  #ping(): void {
    const redis = this.#redis;
    if (redis === null || this.#connecting) return;
    redis.ping().catch(() => this.#ended(redis, 'does not answer'));
  }
}

function waiting(): Wanted {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => {}); // nobody may be waiting for it
  const wanted: Wanted = {
    heard: promise,
    settled: false,
    settle(error) {
      wanted.settled = true;
      if (error === null) resolve();
      else reject(error);
    },
  };
  return wanted;
}
