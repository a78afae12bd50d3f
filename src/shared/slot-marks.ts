/**
 * One bit for each slot of the bucket table: its state has changed since somebody last took note. Whoever keeps counts
 * elsewhere looks at these bits, 2 per 24 bytes of slot, instead of at the slots.
 *
 * A slot is marked after its state was changed, and a mark is taken before the state is read: what is read has all that
 * was changed before the mark. A process that is killed between the two leaves a change that waits for the next one.
 */
import { type Region, wordsOf } from './directory.js';
import { GROUP_SLOTS, GROUP_WORDS } from './slots.js';

/** Bytes of the marks for a table of so many bytes, in two kinds. */
export function marksBytes(tableBytes: number): number {
  return 2 * wordsFor(tableBytes) * 4;
}

/** An even number of words, for `aligned` regions. */
function wordsFor(tableBytes: number): number {
  return 2 * Math.ceil((tableBytes / 4 / GROUP_WORDS) * (GROUP_SLOTS / 64));
}

export class SlotMarks {
  readonly #words: Int32Array;

  /** `kind` 0 or 1: two sets of marks lie in the region. */
  constructor(region: Region, kind: 0 | 1) {
    const all = wordsOf(region);
    const half = all.length / 2;
    this.#words = all.subarray(kind * half, (kind + 1) * half);
  }

  get words(): number {
    return this.#words.length;
  }

  mark(p: number): void {
    const group = (p / GROUP_WORDS) | 0;
    const slot = group * GROUP_SLOTS + ((p - group * GROUP_WORDS) >>> 1);
    const bit = 1 << (slot & 31);
    const word = slot >>> 5;
    if ((Atomics.load(this.#words, word) & bit) === 0) Atomics.or(this.#words, word, bit);
  }

  /**
   * Takes marks from the word `from` on, until about `most` slots are gathered in `into`. Gives back the word to go on
   * with; `words` when it was the last.
   */
  take(from: number, most: number, into: number[]): number {
    const words = this.#words;
    let word = from;
    for (; word < words.length && into.length < most; word++) {
      if (Atomics.load(words, word) === 0) continue;
      let bits = Atomics.exchange(words, word, 0);
      while (bits !== 0) {
        const slot = word * 32 + (31 - Math.clz32(bits & -bits));
        into.push((slot >>> 3) * GROUP_WORDS + 2 * (slot & (GROUP_SLOTS - 1)));
        bits &= bits - 1;
      }
    }
    return word;
  }
}
