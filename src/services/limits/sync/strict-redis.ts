import { randomBytes } from 'node:crypto';
import type { RedisPlace } from '../../../config/schema/redis.js';
import type { RedisLimits, Reply, Row } from '../../store/limits/redis-limits.js';
import type { StrictAsker } from './strict-gate.js';

/** A worker's own way to Redis, loaded with the first request that asks: most configurations have none that does. */
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

  async #open(): Promise<RedisLimits> {
    const { RedisLimits } = await import('../../store/limits/redis-limits.js');
    return new RedisLimits(this.#place, randomBytes(8).toString('hex'), this.timeoutMs);
  }
}
