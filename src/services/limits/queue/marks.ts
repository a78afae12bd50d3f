/**
 * Numbers of 32 bits that workers tell each other, in slots of the table of buckets: each under the hash of what it is
 * about, forgotten by itself some time after it was last written. They go round; which of two is later is told by their
 * difference.
 */
import { type BucketTable, NONE } from '../../../shared/bucket-table.js';
import { BUCKET, coarse, DUE, dueAfter, STATE } from '../../../shared/slots.js';

export class Marks {
  readonly #table: BucketTable;
  /** What `read` has found. A number of its own, as no value says that there is none. */
  value = 0;

  constructor(table: BucketTable) {
    this.#table = table;
  }

  /** False: there is none. */
  read(h1: number, h2: number, now: number): boolean {
    const table = this.#table;
    const p = table.find(h1, h2);
    if (p === NONE) return false;
    const value = Atomics.load(table.words, p + STATE);
    if (coarse(now) > Atomics.load(table.words, p + DUE) || !table.holds(p, h1, BUCKET)) return false;
    this.value = value;
    return true;
  }

  /** Writes what only this process writes. */
  put(h1: number, h2: number, value: number, forMs: number, now: number): void {
    this.#write(h1, h2, value, forMs, now, false);
  }

  /** Writes it unless something later is there. */
  raise(h1: number, h2: number, value: number, forMs: number, now: number): void {
    this.#write(h1, h2, value, forMs, now, true);
  }

  /** A table without room takes nothing: then each worker goes by what it knows itself. */
  #write(h1: number, h2: number, value: number, forMs: number, now: number, keepsLater: boolean): void {
    const table = this.#table;
    const { words } = table;
    for (;;) {
      const p = table.obtain(h1, h2, BUCKET, value, now);
      if (p === NONE) return;
      const before = Atomics.load(words, p + STATE);
      const due = Atomics.load(words, p + DUE);
      if (!table.holds(p, h1, BUCKET)) continue;
      const isLater = keepsLater && coarse(now) <= due && ((before - value) | 0) > 0;
      if (!isLater && Atomics.compareExchange(words, p + STATE, before, value) !== before) continue;
      const until = dueAfter(now + forMs);
      // Not at each write: what is there lasts for at least half the time.
      if (due > coarse(now + forMs / 2) || table.extend(p, due, until)) return;
    }
  }
}
