/** A connection to Redis that is made when it is needed, and again when it broke. */
import { Redis } from 'ioredis';
import { StoreFault } from './store-fault.js';

const CONNECT_WITHIN_MS = 2000;

export class RedisLink {
  readonly #url: string;
  readonly #answerWithinMs: number;
  #redis: Redis | null = null;
  #connecting: Promise<Redis> | null = null;
  #closed = false;

  constructor(url: string, answerWithinMs: number) {
    this.#url = url;
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
      throw new StoreFault(`Redis at ${this.#address()} ${whyNot(error)}`);
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
    const redis = new Redis(this.#url, {
      lazyConnect: true,
      connectTimeout: CONNECT_WITHIN_MS,
      commandTimeout: this.#answerWithinMs,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      retryStrategy: () => null,
    });
    this.#redis = redis;
    // `connect()` itself only says that the connection is closed.
    const { promise, reject } = Promise.withResolvers<never>();
    redis.on('error', reject);
    promise.catch(() => {});
    await Promise.race([promise, redis.connect()]);
    return redis;
  }

  #drop(): void {
    this.#redis?.disconnect();
    this.#redis = null;
  }

  /** Without user and password. */
  #address(): string {
    const { hostname, port } = new URL(this.#url);
    return `${hostname}:${port || 6379}`;
  }
}

function whyNot(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') return 'cannot be reached: the connection is refused';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'cannot be reached: the name is not known';
  if (/WRONGPASS|NOAUTH/.test(message)) return 'wants another user or password';
  if (/^NOPERM/.test(message)) return 'does not allow this user what is needed';
  if (/^(OOM|MISCONF|READONLY|LOADING|BUSY)\b/.test(message))
    return `takes no writes: ${message.split(' ', 1)[0]}`;
  if (/timed? ?out/i.test(message)) return 'does not answer in time';
  return 'cannot be reached';
}
