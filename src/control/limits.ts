/** The primary's part in limits: the memory that all workers count in, its clock, and what dead workers held. */

import type { WorkerReport } from '../bus/report.js';
import type { Config } from '../config/schema.js';
import { usesLimits, usesQuotas } from '../config/uses.js';
import type { Log } from '../observe/log.js';
import { memoryOptions } from '../services/limit-keeper.js';
import type { LimitMemory } from '../services/limits/memory.js';
import type { Segment } from '../shared/segment.js';
import type { Department } from './departments.js';
import type { LimitSync } from './limit-sync/limit-sync.js';
import type { QuotaControl } from './quotas/quota-control.js';

const FOLLOW_EVERY_MS = 1000;

export interface LimitControlOptions {
  readonly workers: number;
  readonly log: Log;
}

export class LimitControl implements Department {
  readonly #options: LimitControlOptions;
  #segment: Segment | null = null;
  #memory: LimitMemory | null = null;
  #sync: LimitSync | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** null: no limit is a quota. */
  #quotas: QuotaControl | null = null;

  constructor(options: LimitControlOptions) {
    this.#options = options;
  }

  /** For workers to open; null: there is none, each has its own. */
  path = (): string | null => this.#segment?.path ?? null;

  /** Before workers get a configuration. The memory is made once, when the first limit is configured. */
  async follow(config: Config): Promise<void> {
    if (this.#memory === null && usesLimits(config)) await this.#makeMemory(config);
    if (this.#quotas === null && usesQuotas(config)) await this.#keepQuotas(config);
    this.#quotas?.follow(config);
  }

  async #makeMemory(config: Config): Promise<void> {
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

  /** Rejects with an Error for people when the folder cannot be opened. */
  async #keepQuotas({ data }: Config): Promise<void> {
    const { log } = this.#options;
    if (this.#memory === null || data === null) {
      log.warn({}, 'memory cannot be shared: quotas are counted, but a restart forgets them');
      return;
    }
    const { QuotaControl } = await import('./quotas/quota-control.js');
    this.#quotas = new QuotaControl({ data, memory: this.#memory, log, shared: this.#sync });
  }

  /** What workers tell of quotas. */
  reported({ quotas }: WorkerReport): void {
    if (quotas.length > 0) this.#quotas?.noted(quotas);
  }

  /** null: no limit is a quota. */
  quotas = (): QuotaControl | null => this.#quotas;
  /** Where there is Redis, limits are shared with other machines, unless they say otherwise. */
  async #reach(config: Config): Promise<LimitSync | null> {
    const { redis, limiter } = config;
    if (redis === null) return null;
    const seed = await storedSeed(config);
    const { LimitSync } = await import('./limit-sync/limit-sync.js');
    const { timeout, machines } = limiter.sync;
    const { log } = this.#options;
    const sync = new LimitSync({ place: redis, timeoutMs: timeout, machines, seed, log });
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

  /** When no worker counts any more. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#quotas?.close();
    await this.#sync?.close();
    this.#segment?.close();
  }
}

/** What counts of quotas that are on disk were hashed with, where several machines count together. */
async function storedSeed(config: Config): Promise<Int32Array | null> {
  if (config.data === null || !usesQuotas(config)) return null;
  const { QuotaFile } = await import('../services/store/quotas/quota-file.js');
  const file = QuotaFile.open(config.data);
  const seed = file.sharedSeed();
  await file.close();
  return seed;
}
