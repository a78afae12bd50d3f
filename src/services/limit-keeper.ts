/** Limits for a worker, configuration after configuration: their counts are in memory that all workers share. */
import type { LimitConfig } from '../config/schema/limits.js';
import type { Config } from '../config/schema.js';
import type { Env, Stages } from '../pipeline.js';
import type { GateEnv, LimitCounter } from './limits/gate.js';

export interface Limits {
  /** Stages of a route: names of configured limits, and limits of its own. */
  stages(limits: readonly (string | LimitConfig)[], route: Env['route']): Stages;
}

/** Counts of each limit since the last report, by name. */
export type LimitCounts = ReadonlyMap<string, LimitCounter>;

export class LimitKeeper {
  readonly #worker: number;
  readonly #counters = new Map<string, LimitCounter>();
  #env: Omit<GateEnv, 'headers'> | null = null;

  constructor(worker: number) {
    this.#worker = worker;
  }

  /**
   * Loads the engine if the configuration has limits; `memory` is the primary's segment, null where there is none to share.
   * Rejects when it cannot be opened.
   */
  async prepare(config: Config, memory: string | null): Promise<Limits> {
    if (!usesLimits(config)) return NO_LIMITS;
    const { limits, limiter } = config;
    const { limitStages } = await import('./limits/gate.js');
    this.#env ??= await this.#open(config, memory);
    if (usesStrict(config)) await this.#env.strict?.warm();
    const env: GateEnv = { ...this.#env, headers: limiter.headers };
    const moded = (limit: LimitConfig) => ({ ...limit, mode: modeOf(limit, config, memory) });
    return {
      stages: (listed, route) =>
        limitStages(
          listed.map((one, index) =>
            typeof one === 'string'
              ? { name: one, config: moded(limits[one]) }
              : { name: `${route.name}/${index + 1}`, config: moded(one) },
          ),
          env,
          route,
        ),
    };
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

  async #open(config: Config, path: string | null): Promise<Omit<GateEnv, 'headers'>> {
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
    };
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

export function usesLimits({ defaults, routes }: Config): boolean {
  return [defaults, ...routes.map(({ filters }) => filters)].some(
    ({ limit }) => limit !== undefined && limit.length > 0,
  );
}

/** Without Redis, which a reload does not bring, and without memory for the primary to see, each machine counts alone. */
function modeOf(
  { mode = 'synced' }: LimitConfig,
  { redis }: Config,
  memory: string | null,
): LimitConfig['mode'] {
  if (redis === null) return 'local';
  return memory === null && mode === 'synced' ? 'local' : mode;
}

function usesStrict({ defaults, routes, limits }: Config): boolean {
  return [defaults, ...routes.map(({ filters }) => filters)].some(({ limit = [] }) =>
    limit.some((one) => (typeof one === 'string' ? limits[one] : one).mode === 'strict'),
  );
}

/** What the segment has room for. */
export function memoryOptions({ limiter }: Config, workers: number) {
  return { keys: limiter.keys, workers, holdsPerWorker: limiter.inFlight };
}

const ZERO: Readonly<LimitCounter> = { admitted: 0, refused: 0, shadowed: 0, noRoom: 0 };

/** For configurations without. */
export const NO_LIMITS: Limits = {
  stages() {
    throw new Error('the configuration has no limits');
  },
};
