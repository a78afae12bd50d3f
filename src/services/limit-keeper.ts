/** Limits for a worker, configuration after configuration: their counts are in memory that all workers share. */
import type { LimitConfig } from '../config/schema/limits/limits.js';
import type { Config } from '../config/schema.js';
import { usesLimits, usesQueues, usesQuotas, usesStrict } from '../config/uses.js';
import type { Log } from '../observe/log.js';
import type { Env, Stages } from '../pipeline.js';
import type { AdaptiveCounts } from './limits/adaptive/watch.js';
import type { GateEnv, LimitCounter } from './limits/gate.js';
import type { NamedLimit } from './limits/plans/named-limits.js';
import type { Queues } from './limits/queue/arrival.js';
import type { WaitCounts } from './limits/queue/limit-queue.js';
import type { QuotaNote, QuotaNotes } from './limits/quotas/notes.js';
import { withMode } from './limits/sync/mode.js';
import { PLAN } from './limits/terms.js';

export interface Limits {
  /** Stages of a route: names of configured limits, and limits of its own. */
  stages(limits: readonly (string | LimitConfig)[], route: Env['route']): Stages;
}

/** What a configuration does not change. */
type SteadyEnv = Omit<GateEnv, 'headers' | 'log' | 'queues' | 'quotas'>;

/** Counts of each limit since the last report, by name. */
export type LimitCounts = ReadonlyMap<string, LimitCounter>;

export class LimitKeeper {
  readonly #worker: number;
  readonly #counters = new Map<string, LimitCounter>();
  readonly #decided = new Map<string, AdaptiveCounts>();
  #env: SteadyEnv | null = null;
  #queues: Queues | null = null;
  #quotas: QuotaNotes | null = null;

  constructor(worker: number) {
    this.#worker = worker;
  }

  /**
   * Loads the engine if the configuration has limits; `memory` is the primary's segment, null where there is none to share.
   * Rejects when it cannot be opened.
   */
  async prepare(config: Config, memory: string | null, log: Log): Promise<Limits> {
    if (!usesLimits(config)) return NO_LIMITS;
    const { limits, limiter } = config;
    const { limitStages } = await import('./limits/gate.js');
    const { namedLimits } = await import('./limits/plans/named-limits.js');
    this.#env ??= await this.#open(config, memory);
    if (usesQueues(config)) this.#queues ??= await openQueues(this.#env);
    const moded = (named: NamedLimit) => withMode(named, config.redis !== null, memory !== null);
    const hasPlans = Object.keys(config.plans).length > 0;
    const plans = hasPlans ? new (await import('./limits/plans/plans.js')).Plans(config, moded) : null;
    if (usesQuotas(config)) this.#quotas ??= new (await import('./limits/quotas/notes.js')).QuotaNotes();
    if (usesStrict(config)) await this.#env.strict?.warm();
    const env: GateEnv = {
      ...this.#env,
      log,
      headers: limiter.headers,
      queues: this.#queues,
      quotas: this.#quotas,
    };
    return {
      stages: (listed, route) => {
        const own = namedLimits(listed, route.name, limits).map(moded);
        return limitStages(own, env, route, listed.includes(PLAN) ? plans : null);
      },
    };
  }

  /** What there is to tell of quotas since the last call. */
  takeQuotaNotes = (): readonly QuotaNote[] => this.#quotas?.take() ?? [];

  /** The primary was killed: what it has not written of quotas is written. Resolves also when that fails. */
  async rescue({ data }: Config, onFailure: (error: Error) => void): Promise<void> {
    if (this.#quotas === null || this.#env === null || data === null) return;
    try {
      const { rescueCounts } = await import('./limits/quotas/rescue.js');
      await rescueCounts(this.#env.memory, data);
    } catch (error) {
      onFailure(error as Error);
    }
  }

  report(): LimitCounts {
    this.#env?.memory.followSeed();
    const counts = new Map<string, LimitCounter>();
    for (const [name, counter] of this.#counters) {
      if (counter.admitted + counter.refused + counter.shadowed + counter.noRoom === 0) continue;
      counts.set(name, { ...counter });
      Object.assign(counter, ZERO);
    }
    return counts;
  }

  /** What waits for limits, and how waits ended since the last report, by limit. */
  reportWaits(): ReadonlyMap<string, WaitCounts> {
    return this.#queues?.room.report() ?? new Map();
  }

  /** What adaptive limits have decided about keys since the last report, by name. */
  reportAdaptive(): ReadonlyMap<string, AdaptiveCounts> {
    const decided = new Map(this.#decided);
    this.#decided.clear();
    return decided;
  }

  async #open(config: Config, path: string | null): Promise<SteadyEnv> {
    const [{ LimitMemory, limitLayout, prepareLimits }, { LimitEngine }, { createSegment, openSegment }] =
      await Promise.all([
        import('./limits/memory.js'),
        import('./limits/engine.js'),
        import('../shared/segment.js'),
      ]);
    const options = memoryOptions(config, this.#worker);
    const segment = path === null ? createSegment(limitLayout(options), { folders: [] }) : openSegment(path);
    if (path === null) prepareLimits(segment, options);
    const memory = new LimitMemory(segment, this.#worker, config.limiter.whenFull);
    return {
      memory,
      engine: new LimitEngine(memory.table, memory.holds),
      strict: await this.#asker(config),
      counter: (name) => this.#counter(name),
      decided: (name) => this.#decisions(name),
    };
  }

  #decisions(name: string): AdaptiveCounts {
    const counts = this.#decided.get(name) ?? { throttled: 0, kept: 0, released: 0 };
    this.#decided.set(name, counts);
    return counts;
  }

  /** For limits that ask Redis for each request. */
  async #asker({ redis, limiter }: Config): Promise<GateEnv['strict']> {
    if (redis === null) return null;
    const { StrictRedis } = await import('./limits/sync/strict-redis.js');
    return new StrictRedis(redis, limiter.sync.timeout);
  }

  #counter(name: string): LimitCounter {
    let counter = this.#counters.get(name);
    if (counter === undefined) {
      counter = { ...ZERO };
      this.#counters.set(name, counter);
    }
    return counter;
  }
}

async function openQueues({ memory, engine }: Pick<GateEnv, 'memory' | 'engine'>): Promise<Queues> {
  const [{ Queues }, { WaitingRoom }] = await Promise.all([
    import('./limits/queue/arrival.js'),
    import('./limits/queue/waiting-room.js'),
  ]);
  const room = new WaitingRoom(memory, engine.decision);
  return new Queues(room, engine.decision, memory.hasher(false));
}

/** What the segment has room for. */
export function memoryOptions({ limiter }: Config, workers: number) {
  const { keys, inFlight, adaptiveKeys } = limiter;
  return { keys, workers, holdsPerWorker: inFlight, adaptiveKeys };
}

const ZERO: Readonly<LimitCounter> = { admitted: 0, refused: 0, shadowed: 0, noRoom: 0 };

/** For configurations without. */
export const NO_LIMITS: Limits = {
  stages() {
    throw new Error('the configuration has no limits');
  },
};
