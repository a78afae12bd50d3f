import { randomBytes } from 'node:crypto';
import type { RedisPlace } from '../../../config/schema/redis.js';
import type { RedisLimits, Reply, Row } from '../../store/limits/redis-limits.js';
import type { StrictAsker } from './strict-gate.js';

/** What a configuration waits for at most before it is in force. */
const WARM_WITHIN_MS = 500;

/** A worker's own way to Redis: most configurations have no limit that needs it. */
export class StrictRedis implements StrictAsker {
  readonly timeoutMs: number;
  readonly #place: RedisPlace;
  #redis: Promise<RedisLimits> | null = null;

  constructor(place: RedisPlace, timeoutMs: number) {
    this.#place = place;
    this.timeoutMs = timeoutMs;
  }

  async round(rows: readonly Row[]): Promise<Reply[]> {
    this.#redis ??= this.#open();
    return await (await this.#redis).round(rows);
  }

  /** Loads what is needed and connects, so that the first request need not. A Redis that is away is not waited for. */
  async warm(): Promise<void> {
    this.#redis ??= this.#open();
    const late = new Promise((resolve) => setTimeout(resolve, WARM_WITHIN_MS).unref());
    await Promise.race([(await this.#redis).connect().catch(() => {}), late]);
  }

  async #open(): Promise<RedisLimits> {
    const { RedisLimits } = await import('../../store/limits/redis-limits.js');
    return new RedisLimits(this.#place, randomBytes(8).toString('hex'), this.timeoutMs);
  }
}
