/** The part of the segment that limits live in: laid out and prepared by the primary, opened by each process. */
import { randomBytes } from 'node:crypto';
import { BucketTable, type FullPolicy, tableBytes } from '../../shared/bucket-table.js';
import { CLOCK_BYTES, MachineClock, startClock } from '../../shared/clock.js';
import type { Layout, Region } from '../../shared/directory.js';
import { Holds, holdsBytes } from '../../shared/holds.js';
import { ProfileTable, profileBytes } from '../../shared/profile-table.js';
import type { Segment } from '../../shared/segment.js';
import { marksBytes, SlotMarks } from '../../shared/slot-marks.js';
import { GROUP_WORDS } from '../../shared/slots.js';
import { boardBytes, SyncBoard } from '../../shared/sync-board.js';
import type { AdaptiveBook } from './adaptive/adaptive.js';
import { KeyHasher, type KeySalt } from './key-hash.js';
import { turnBoardBytes } from './queue/turn-board.js';

export interface MemoryOptions {
  /** Keys there must be room for at once. */
  readonly keys: number;
  /** Workers have the ids 1 to this. */
  readonly workers: number;
  /** Requests under limits on concurrency that one worker may have in flight, each limit counted. */
  readonly holdsPerWorker: number;
  /** Keys whose past there must be room for; 0 or absent: there are no adaptive limits. */
  readonly adaptiveKeys?: number;
}

const PROFILES = 'profiles';

/** The regions limits need: for `createSegment`, with those of others. */
export function limitLayout({ keys, workers, holdsPerWorker, adaptiveKeys = 0 }: MemoryOptions): Layout {
  const buckets = tableBytes(keys);
  return {
    clock: CLOCK_BYTES,
    buckets,
    holds: holdsBytes(workers, holdsPerWorker),
    turns: turnBoardBytes(workers),
    marks: marksBytes(buckets),
    sync: boardBytes(Math.floor(buckets / 4 / GROUP_WORDS)),
    ...(adaptiveKeys > 0 && { [PROFILES]: profileBytes(adaptiveKeys) }),
  };
}

/** Once, by the primary, before any process opens the memory. `wall` in milliseconds since 1970. */
export function prepareLimits(segment: Segment, { holdsPerWorker }: MemoryOptions, wall = Date.now()): void {
  startClock(segment.region('clock'), wall);
  Holds.prepare(segment.region('holds'), holdsPerWorker);
  const table = new BucketTable(segment.region('buckets'), 'reject-new', () => {});
  table.setSeeds(randomWords());
  new SyncBoard(segment.region('sync'), table.groups).seed = randomWords().subarray(0, 2);
}

/** What one process works with. */
export class LimitMemory {
  readonly clock: MachineClock;
  readonly table: BucketTable;
  readonly holds: Holds;
  /** What workers tell each other of those who wait: for a `TurnBoard`. */
  readonly turns: Region;
  readonly worker: number;
  readonly #segment: Segment;
  #adaptive: AdaptiveBook | null = null;
  /** Slots of quotas by the calendar, and of rolling ones, that have changed and are not on disk. */
  readonly calendar: SlotMarks;
  readonly rolling: SlotMarks;
  /** For limits that several machines share. */
  readonly board: SyncBoard;
  readonly #hasher: KeyHasher;
  #durable: { seed: Int32Array; hasher: KeyHasher };
  #sharedSeed: Int32Array = new Int32Array(2);
  #sharedSalts: { readonly figures: string; readonly salt: WeakRef<KeySalt> }[] = [];

  /** `worker` as in the environment of the process, from 1; 0 for the primary. */
  constructor(segment: Segment, worker: number, policy: FullPolicy) {
    this.clock = new MachineClock(segment.region('clock'));
    this.holds = new Holds(segment.region('holds'), worker);
    this.turns = segment.region('turns');
    this.worker = worker;
    this.table = new BucketTable(segment.region('buckets'), policy, (state) => this.holds.acknowledge(state));
    this.#segment = segment;
    this.calendar = new SlotMarks(segment.region('marks'), 0);
    this.rolling = new SlotMarks(segment.region('marks'), 1);
    this.board = new SyncBoard(segment.region('sync'), this.table.groups);
    const { start, durable } = this.table.seeds();
    this.#hasher = new KeyHasher(start);
    this.#durable = { seed: durable, hasher: new KeyHasher(durable) };
  }

  /** For adaptive limits. Throws when the segment was made without room for them. */
  get adaptive(): AdaptiveBook {
    this.#adaptive ??= { profiles: new ProfileTable(this.#segment.region(PROFILES)), events: [] };
    return this.#adaptive;
  }

  /** For keys of quotas with a seed that outlives the gateway, for all others with one of this start. */
  hasher(durable: boolean): KeyHasher {
    if (!durable) return this.#hasher;
    // The primary may have found the one of earlier starts since this process opened the memory.
    const seed = this.table.seeds().durable;
    if (seed.some((word, i) => word !== this.#durable.seed[i])) {
      this.#durable = { seed, hasher: new KeyHasher(seed) };
    }
    return this.#durable.hasher;
  }

  /** For keys that are the same on all machines. What it makes of `figures` follows the seed: see `followSeed`. */
  sharedHasher(figures: string): { readonly hasher: KeyHasher; readonly salt: KeySalt } {
    this.followSeed();
    this.#sharedSeed = this.board.seed;
    const hasher = new KeyHasher(this.#sharedSeed);
    const salt = hasher.salt(figures);
    this.#sharedSalts = this.#sharedSalts.filter((one) => one.salt.deref() !== undefined);
    this.#sharedSalts.push({ figures, salt: new WeakRef(salt) });
    return { hasher, salt };
  }

  /** A machine that began without Redis had a seed of its own: once it has that of all, its workers take it, too. */
  followSeed(): void {
    const { seed } = this.board;
    if (this.#sharedSalts.length === 0 || seed.every((word, i) => word === this.#sharedSeed[i])) return;
    this.#sharedSeed = seed;
    const hasher = new KeyHasher(seed);
    for (const { figures, salt } of this.#sharedSalts) salt.deref()?.set(hasher.salt(figures));
  }

  /** Takes the seed of a dump: by the primary, before any worker has a quota. */
  adoptDurableSeed(seed: Int32Array): void {
    const { start } = this.table.seeds();
    this.table.setSeeds(Int32Array.of(...start, ...seed));
  }

  /** Gives back what a dead worker held: by the primary, before another starts under its id. */
  releaseWorker(id: number): number {
    return this.holds.releaseWorker(this.table.words, id);
  }
}

function randomWords(): Int32Array {
  const bytes = randomBytes(16);
  return Int32Array.from({ length: 4 }, (_, i) => bytes.readInt32LE(4 * i));
}
