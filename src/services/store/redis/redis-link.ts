/** A connection to Redis that is made when it is needed, and again when it broke. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisPlace } from '../../../config/schema/redis.js';
import { StoreFault } from '../store-fault.js';

export type { RedisPlace };

const CONNECT_WITHIN_MS = 2000;

export class RedisLink {
  readonly #place: RedisPlace;
  readonly #answerWithinMs: number;
  #redis: Redis | null = null;
  #connecting: Promise<Redis> | null = null;
  #closed = false;

  constructor(place: RedisPlace, answerWithinMs: number) {
    this.#place = place;
    this.#answerWithinMs = answerWithinMs;
  }

  /**
   * Runs commands. Rejects with a StoreFault, unlike the errors of the library, which carry the commands.
   * What was sent may have been carried out even so.
   */
  async use<T>(commands: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      return await commands(await this.#connected());
    } catch (error) {
      if (error instanceof StoreFault) throw error;
      // Slow, stopped or half-open: the next one begins afresh.
      this.#drop();
      throw new StoreFault(`Redis at ${this.address} ${whyNot(error)}`);
    }
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  #connected(): Promise<Redis> {
    if (this.#closed) return Promise.reject(new StoreFault('the store is closed'));
    if (this.#redis?.status === 'ready') return Promise.resolve(this.#redis);
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = null;
    });
    return this.#connecting;
  }

  async #connect(): Promise<Redis> {
    this.#drop();
    // All of this is rare, so never compiled: milliseconds of work, during which requests would wait if it were done at once.
    await nextTurn();
    if (this.#closed) throw new StoreFault('the store is closed');
    const redis = client(this.#place, this.#answerWithinMs);
    this.#redis = redis;
    // `connect()` itself only says that the connection is closed.
    const { promise, reject } = Promise.withResolvers<never>();
    redis.on('error', reject);
    promise.catch(() => {});
    // A server that loads its data, or that only seems to listen, would be waited for without end.
    const timer = setTimeout(() => reject(new Error('connect timed out')), CONNECT_WITHIN_MS);
    const connecting = redis.connect();
    connecting.catch(() => {});
    await Promise.race([promise, connecting]).finally(() => clearTimeout(timer));
    return redis;
  }

  #drop(): void {
    this.#redis?.disconnect();
    this.#redis = null;
  }

  /** Without user and password. */
  get address(): string {
    const place = this.#place;
    if (typeof place !== 'string') {
      const nodes = 'cluster' in place ? place.cluster : place.sentinels;
      return nodes.map(({ host, port }) => `${host}:${port}`).join(', ');
    }
    const { hostname, port } = new URL(place);
    return `${hostname}:${port || 6379}`;
  }
}

/** A Cluster has the same commands, as long as all keys of one are on one node. */
function client(place: RedisPlace, answerWithinMs: number): Redis {
  const options: RedisOptions = {
    lazyConnect: true,
    connectTimeout: CONNECT_WITHIN_MS,
    commandTimeout: answerWithinMs,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: () => null,
  };
  if (typeof place === 'string') return new Redis(place, options);
  const { username, password, tls } = place;
  const login = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: {} }),
  };
  if ('sentinels' in place) {
    const { sentinels, name, db, sentinelPassword } = place;
    const toSentinels = {
      ...(sentinelPassword !== undefined && { sentinelPassword }),
      enableTLSForSentinelMode: tls,
    };
    return new Redis({
      ...options,
      ...login,
      ...toSentinels,
      sentinels: [...sentinels],
      name,
      db,
      sentinelRetryStrategy: () => null,
    });
  }
  return new Cluster([...place.cluster], {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: () => null,
    slotsRefreshTimeout: CONNECT_WITHIN_MS,
    // A slot that moves, or whose node has just become the master: asked again a few times, quickly.
    maxRedirections: 4,
    retryDelayOnFailover: 50,
    retryDelayOnClusterDown: 50,
    redisOptions: {
      connectTimeout: CONNECT_WITHIN_MS,
      commandTimeout: answerWithinMs,
      maxRetriesPerRequest: 0,
      ...login,
    },
  }) as unknown as Redis;
}

function whyNot(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') return 'cannot be reached: the connection is refused';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'cannot be reached: the name is not known';
  if (/WRONGPASS|NOAUTH/.test(message)) return 'wants another user or password';
  if (/^NOPERM/.test(message)) return 'does not allow this user what is needed';
  if (/^(OOM|MISCONF|READONLY|LOADING|BUSY)\b/.test(message))
    return `takes no writes: ${message.split(' ', 1)[0]}`;
  if (/^(MOVED|CROSSSLOT)\b/.test(message)) return 'is part of a Cluster: list its nodes under redis.cluster';
  if (/timed? ?out/i.test(message)) return 'does not answer in time';
  return 'cannot be reached';
}
