/**
 * Several machines with real tables, workers' decisions and ledgers in one process, over a Redis that is a few lines of TypeScript
 * with a clock of the test. The script that the real one runs is compared with these lines in script.test.ts.
 */
import { Ledger, type Round } from '../../../src/control/limit-sync/ledger.ts';
import { Decision } from '../../../src/services/limits/decision.ts';
import { LimitMemory } from '../../../src/services/limits/memory.ts';
import { LeasedBucket } from '../../../src/services/limits/sync/leased-bucket.ts';
import type { Reply, Row } from '../../../src/services/store/limits/redis-limits.ts';
import { type Figures, SHARED_BUCKET } from '../../../src/shared/sync-board.ts';
import { plainSegment } from '../../shared/memory.ts';

interface Level {
  level: number;
  at: number;
  demands: Map<number, { demand: number; at: number }>;
}

/** What `SYNC_SCRIPT` does with buckets. */
export class ModelRedis {
  rounds = 0;
  readonly #keys = new Map<string, Level>();

  run(machine: number, rows: readonly Row[], now: number): Reply[] {
    this.rounds++;
    return rows.map((row) => this.#one(machine, row, now));
  }

  /** Restarted without its data. */
  lose(): void {
    this.#keys.clear();
  }

  #one(machine: number, row: Row, now: number): Reply {
    const { count, periodMs, cap, used, want, demand, start } = row;
    const most = start < 0 ? -1 - start : null;
    const name = `${row.h1}/${row.h2}`;
    const key = this.#keys.get(name) ?? { level: most ?? start, at: now, demands: new Map() };
    this.#keys.set(name, key);
    let level = Math.min(cap, key.level + (Math.max(0, now - key.at) * count) / periodMs);
    if (most !== null) level = Math.min(level, most);
    level -= used;
    let sum = 0;
    for (const [other, one] of key.demands) if (other !== machine && now - one.at < 1000) sum += one.demand;
    const part = demand + sum > 0 ? demand / (demand + sum) : 1;
    const given =
      want <= 0
        ? want
        : Math.max(
            0,
            Math.min(want, Math.floor(level), Math.max(1, Math.floor(level * Math.min(1, 3 * part)))),
          );
    key.level = Math.min(cap, level - given);
    key.at = now;
    key.demands.set(machine, { demand, at: now });
    const hintMs = key.level < 1 ? Math.ceil(((1 - key.level) * periodMs) / count) : 0;
    return { given, left: Math.floor(key.level), hintMs };
  }
}

const KEY: [h1: number, h2: number] = [0x12345678, 0x9abcdef];

export class ModelMachine {
  admitted = 0;
  refused = 0;
  readonly memory: LimitMemory;
  readonly ledger: Ledger;
  readonly bucket: LeasedBucket;
  readonly #number: number;
  readonly #decision = new Decision();
  #flying: { round: Round; replies: Reply[]; at: number } | null = null;

  constructor(number: number, figures: Omit<Figures, 'kind'>, machines: number, random: () => number) {
    this.#number = number;
    this.memory = new LimitMemory(plainSegment(), 1, 'reject-new');
    this.memory.board.machines = machines;
    this.ledger = new Ledger(this.memory.table, this.memory.board, random);
    this.bucket = new LeasedBucket(this.memory.table, this.memory.board, { kind: SHARED_BUCKET, ...figures });
  }

  ask(now: number, cost = 1): boolean {
    this.#decision.begin(1);
    const admitted = this.bucket.take(this.#decision, 0, ...KEY, cost, now);
    if (admitted) this.admitted += cost;
    else this.refused += cost;
    return admitted;
  }

  /** Each 10 ms. Redis answers after `latency`; null: it is away. */
  tick(redis: ModelRedis | null, now: number, latency = 2): void {
    const { ledger, memory } = this;
    if (this.#flying !== null) {
      if (now < this.#flying.at) return;
      ledger.settle(this.#flying.round, this.#flying.replies, now);
      this.#flying = null;
    }
    if (redis === null && !memory.board.away) ledger.goAway(now);
    if (redis !== null && memory.board.away) ledger.comeBack(now);
    const round = ledger.collect(now, 1_000);
    if (redis === null || round.rows.length === 0) return;
    this.#flying = { round, replies: redis.run(this.#number, round.rows, now), at: now + latency };
  }
}
