/**
 * A count in a slot. Windows and quotas have one for each key and period: the period is part of the hash, so that
 * a new period begins with a new slot and nothing must be set to zero, which could not be done at the same time.
 */
import { type BucketTable, NONE } from '../../../shared/bucket-table.js';
import type { SlotMarks } from '../../../shared/slot-marks.js';
import { coarse, DUE, dueAfter, HASH, type Kind, QUOTA, SPARE, STATE } from '../../../shared/slots.js';
import type { SyncBoard } from '../../../shared/sync-board.js';

/** The count would pass the most; nothing was added. */
export const OVER = -1;
export const NO_ROOM = -2;

export const MOST_COUNT = 2 ** 32 - 1;

/** What a period makes of a hash: both halves are XORed with one of these. */
export class PeriodMask {
  first = 0;
  second = 0;
  #period = Number.NaN;

  set(period: number): void {
    if (period === this.#period) return;
    this.#period = period;
    this.first = mixed(period, 0x9e3779b1);
    this.second = mixed(period, 0x85ebca77);
  }
}

export class Counter {
  readonly #table: BucketTable;
  readonly #kind: Kind;
  readonly #marks: SlotMarks | null;
  /** Where several machines count together. The word SPARE is then what Redis knew last. */
  readonly #board: SyncBoard | null;
  /** The slot that was counted in last: for a refund. */
  slot = NONE;
  /** The count that `add` met or made. */
  count = 0;

  /** `marks`: where changes are noted, for counts that are kept elsewhere, too. */
  constructor(
    table: BucketTable,
    kind: Kind,
    marks: SlotMarks | null = null,
    board: SyncBoard | null = null,
  ) {
    this.#table = table;
    this.#kind = kind;
    this.#marks = marks;
    this.#board = board;
  }

  read(h1: number, h2: number): number {
    const table = this.#table;
    const p = table.find(h1, h2);
    if (p === NONE) return 0;
    const count = Atomics.load(table.words, p + STATE) >>> 0;
    return table.holds(p, h1, this.#kind) ? count : 0;
  }

  /** Adds, unless that makes more than `most`. `end`: when the count has no meaning any more. */
  add(h1: number, h2: number, cost: number, most: number, end: number, now: number): number {
    const table = this.#table;
    const { words } = table;
    const until = Math.max(dueAfter(end), coarse(now) + 1);
    for (;;) {
      let p = table.find(h1, h2);
      this.count = 0;
      if (p === NONE && cost > most) return OVER;
      if (p === NONE) p = table.obtain(h1, h2, this.#kind, 0, now);
      if (p === NONE) return NO_ROOM;
      const state = Atomics.load(words, p + STATE);
      const due = Atomics.load(words, p + DUE);
      if (!table.holds(p, h1, this.#kind)) continue;
      this.count = state >>> 0;
      if (this.count + cost > (this.#board?.away ? this.#share(p, most) : most)) return OVER;
      if (!table.extend(p, due, until)) continue;
      if (this.#kind === QUOTA && Atomics.load(words, p + HASH) !== h1) {
        if (this.#board !== null) Atomics.store(words, p + SPARE, 0);
        Atomics.store(words, p + HASH, h1);
      }
      if (Atomics.compareExchange(words, p + STATE, state, (state + cost) | 0) !== state) continue;
      if (this.#marks !== null) this.#marks.mark(p);
      this.slot = p;
      this.count += cost;
      this.#board?.mark(p);
      return this.count;
    }
  }

  /** Redis is away: this machine's part of what was left when it was last asked. */
  #share(p: number, most: number): number {
    const known = Atomics.load(this.#table.words, p + SPARE) >>> 0;
    return known + Math.ceil(Math.max(0, most - known) / (this.#board as SyncBoard).machines);
  }

  /** Takes back what was added to slot `p` for this key. */
  subtract(p: number, h1: number, cost: number): void {
    const { words } = this.#table;
    for (;;) {
      const state = Atomics.load(words, p + STATE);
      if (!this.#table.holds(p, h1, this.#kind)) return;
      const less = Math.max(0, (state >>> 0) - cost);
      if (Atomics.compareExchange(words, p + STATE, state, less | 0) !== state) continue;
      if (this.#marks !== null) this.#marks.mark(p);
      this.#board?.mark(p);
      return;
    }
  }
}

/** The finaliser of MurmurHash3: a bijection, so periods never meet. The hash it is XORed to is the secret part. */
function mixed(period: number, salt: number): number {
  let h = Math.imul((period % 2 ** 32) | 0, salt);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
