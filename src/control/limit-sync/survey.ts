/**
 * Goes through the table, a part at a time, for counts of quotas that Redis has had: what Redis has lost, it learns from the machines, also of
 * keys that nobody uses at the moment.
 */
import { GROUP_SLOTS, GROUP_WORDS, QUOTA, SPARE, STATUS } from '../../shared/slots.js';
import type { Shared } from './slot.js';

/** About half a millisecond, so a table for a million keys takes half a second. */
const GROUPS_AT_ONCE = 8_000;
/** These keep Redis busy for about two milliseconds in each round. */
const MOST_AT_ONCE = 200;

export class Survey {
  readonly #shared: Shared;
  #p: number;
  readonly #end: number;

  constructor(shared: Shared) {
    this.#shared = shared;
    this.#end = shared.table.groups * GROUP_WORDS;
    this.#p = this.#end;
  }

  get isOver(): boolean {
    return this.#p >= this.#end;
  }

  begin(): void {
    this.#p = 0;
  }

  /** The next slots; fewer than `most` where rounds are small, as Redis is slow. */
  next(now: number, most: number): number[] {
    const { table } = this.#shared;
    const found: number[] = [];
    const end = Math.min(this.#end, this.#p + GROUPS_AT_ONCE * GROUP_WORDS);
    const enough = Math.min(most, MOST_AT_ONCE);
    while (this.#p < end && found.length < enough) {
      const p = this.#p;
      this.#p += 2;
      if (this.#p % GROUP_WORDS === 2 * GROUP_SLOTS) this.#p += GROUP_WORDS - 2 * GROUP_SLOTS;
      // What Redis has never had is marked, or counted by this machine alone.
      const isQuota = (Atomics.load(table.words, p) & STATUS) === QUOTA;
      if (isQuota && table.inUse(p, now) && Atomics.load(table.words, p + SPARE) !== 0) found.push(p);
    }
    return found;
  }
}
