/** The primary's part in limits: the memory that all workers count in, its clock, and what dead workers held. */
import type { Config } from '../config/schema.js';
import type { Log } from '../observe/log.js';
import { memoryOptions, usesLimits } from '../services/limit-keeper.js';
import type { LimitMemory } from '../services/limits/memory.js';
import type { Segment } from '../shared/segment.js';
import type { LimitSync } from './limit-sync/limit-sync.js';

const FOLLOW_EVERY_MS = 1000;

export interface LimitControlOptions {
  readonly workers: number;
  readonly log: Log;
}

export class LimitControl {
  readonly #options: LimitControlOptions;
  #segment: Segment | null = null;
  #memory: LimitMemory | null = null;
  #sync: LimitSync | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LimitControlOptions) {
    this.#options = options;
  }

  /** For workers to open; null: there is none, each has its own. */
  path = (): string | null => this.#segment?.path ?? null;

  /** Before workers get a configuration. The memory is made once, when the first limit is configured. */
  async follow(config: Config): Promise<void> {
    if (this.#memory !== null || !usesLimits(config)) return;
    const { workers, log } = this.#options;
    const [{ LimitMemory, limitLayout, prepareLimits }, { createSegment }] = await Promise.all([
      import('../services/limits/memory.js'),
      import('../shared/segment.js'),
    ]);
    const options = memoryOptions(config, workers);
    const segment = createSegment(limitLayout(options));
    if (!segment.shared) {
      if (workers > 1)
        log.warn(
          { reason: segment.reason },
          'memory cannot be shared: limits count in each worker by itself',
        );
      if (config.redis !== null)
        log.warn({ reason: segment.reason }, 'memory cannot be shared: limits count on this machine alone');
      return;
    }
    this.#sync = await this.#reach(config);
    prepareLimits(segment, options, this.#sync?.wall());
    this.#segment = segment;
    this.#memory = new LimitMemory(segment, 0, config.limiter.whenFull);
    this.#timer = setInterval(
      () => this.#memory?.clock.follow(this.#sync?.wall() ?? Date.now(), this.#memory.clock.now()),
      FOLLOW_EVERY_MS,
    );
    this.#timer.unref();
    this.#sync?.start(this.#memory);
  }

  /** Where there is Redis, limits are shared with other machines, unless they say otherwise. */
  async #reach({ redis, limiter }: Config): Promise<LimitSync | null> {
    if (redis === null) return null;
    const { LimitSync } = await import('./limit-sync/limit-sync.js');
    const { timeout, machines } = limiter.sync;
    const { log } = this.#options;
    const sync = new LimitSync({ place: redis, timeoutMs: timeout, machines, log });
    await sync.reach();
    return sync;
  }

  /** How limits are shared with other machines; null: they are not. */
  syncCounts = () => this.#sync?.counts ?? null;

  /** A worker has died: what it held is free before another takes its place. */
  workerGone(id: number): void {
    this.#memory?.releaseWorker(id);
  }

  /** Keys in the table, and what it had to turn away, since the start. */
  counts = () => this.#memory?.table.counts() ?? null;

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sync?.close();
    this.#segment?.close();
  }
}
