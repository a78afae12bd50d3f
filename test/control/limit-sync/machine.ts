/** One machine in this process: its table and its primary's part, with a real Redis. */
import { onTestFinished } from 'vitest';
import type { LimitConfig } from '../../../src/config/schema/limits/limits.ts';
import { limit } from '../../../src/config/schema/limits/limits.ts';
import { LimitSync } from '../../../src/control/limit-sync/limit-sync.ts';
import { createLog } from '../../../src/observe/log.ts';
import { type Decider, LimitEngine } from '../../../src/services/limits/engine.ts';
import { Limit } from '../../../src/services/limits/limit.ts';
import {
  LimitMemory,
  limitLayout,
  type MemoryOptions,
  prepareLimits,
} from '../../../src/services/limits/memory.ts';
import { type QuotaDump, restoreQuotas } from '../../../src/services/limits/quota-dump.ts';
import { createSegment } from '../../../src/shared/segment.ts';
import { SMALL } from '../../shared/memory.ts';

export class Machine {
  readonly sync: LimitSync;
  readonly memory: LimitMemory;
  readonly #engine: LimitEngine;
  readonly #hashes = new Int32Array(2);

  private constructor(sync: LimitSync, wall: number, options: MemoryOptions, dump?: QuotaDump) {
    this.sync = sync;
    const segment = createSegment(limitLayout(options), { folders: [] });
    prepareLimits(segment, options, wall);
    this.memory = new LimitMemory(segment, 1, 'reject-new');
    this.#engine = new LimitEngine(this.memory.table, this.memory.holds);
    if (dump !== undefined) restoreQuotas(this.memory, dump, this.memory.clock.now());
    sync.start(this.memory);
  }

  static async open(url: string, dump?: QuotaDump, options = SMALL): Promise<Machine> {
    const log = createLog({ write: () => {} }, 'silent', {});
    const sync = new LimitSync({ place: url, timeoutMs: 500, machines: 1, log });
    await sync.reach();
    onTestFinished(() => sync.close());
    return new Machine(sync, sync.wall(), options, dump);
  }

  /** Decides about one request of this limit, again and again. */
  under(definition: Record<string, unknown>) {
    const { algorithm, max, per, ...others } = definition;
    const config =
      algorithm === 'quota'
        ? ({
            ...limit.parse({ by: ['ip'], rate: '1/s', ...others }),
            rate: undefined,
            algorithm,
            max,
            per,
          } as LimitConfig)
        : limit.parse({ by: ['ip'], ...definition } as Parameters<typeof limit.parse>[0]);
    const variant = new Limit('shared', { ...config, mode: 'synced' }, this.memory).variant([]);
    return () => {
      const { hasher, salt } = variant;
      hasher.begin(salt);
      hasher.text('alice');
      hasher.end(this.#hashes, 0);
      const now = this.memory.clock.now();
      const decision = this.#engine.decide([variant as Decider], this.#hashes, Float64Array.of(1), now);
      return { admitted: decision.admitted, remaining: decision.remaining[0]!, hold: decision.holds[0]! };
    };
  }

  release(hold: number): void {
    this.#engine.release(hold);
  }
}

export const times = <T>(count: number, action: () => T): T[] => Array.from({ length: count }, action);
export const admitted = (all: { admitted: boolean }[]) => all.filter((one) => one.admitted).length;
