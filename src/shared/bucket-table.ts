/**
 * One table for the state of all limits, in memory that all processes share, changed by compare-and-swap alone: there
 * is no lock that a killed process could keep. A key may lie in either of two groups of eight slots. See
 * docs/decisions/0010-bucket-table.md for every interleaving.
 *
 * Whoever changes a slot reads its state first, then `due`, then the tag (`holds`), and then replaces the state
 * it has read. As tag and state change hands together, a replaced state proves that the slot was the key's.
 */
import { Claim } from './claim.js';
import { type Region, wordsOf } from './directory.js';
import {
  BUCKET,
  CHECK,
  coarse,
  DUE,
  GROUP_SLOTS,
  GROUP_WORDS,
  HOLD,
  heldOf,
  type Kind,
  QUOTA,
  STATE,
  STATUS,
} from './slots.js';

/** What to do with a new key when all 16 slots it may take are in use. */
export type FullPolicy = 'evict-oldest' | 'reject-new';

export interface TableCounts {
  /** Slots taken for a key that had none. */
  claimed: number;
  /** Buckets that were dropped for another key, the one that would have been full soonest. */
  evicted: number;
  /** Times that a key found no room. */
  rejected: number;
}

/** No slot. */
export const NONE = -1;

const HEADER_WORDS = 16;
const CLAIMED = 0;
const EVICTED = 1;
const REJECTED = 2;
const SEEDS = 3;
const SEED_WORDS = 4;

/** With two groups to choose from, three slots for two keys keep nearly every key from finding both groups full. */
const SLOTS_PER_KEY = 1.5;
/** An even number of groups in each eighth of the table. */
const EIGHTHS = 16;
/** Groups are found by 32 bits, and slots numbered by 28. */
const MOST_GROUPS = 2 ** 23;

/** Bytes of a table with room for this many keys at once. */
export function tableBytes(keys: number): number {
  const groups = EIGHTHS * Math.max(1, Math.ceil((keys * SLOTS_PER_KEY) / GROUP_SLOTS / EIGHTHS));
  if (!(groups <= MOST_GROUPS)) throw new RangeError(`no table has room for ${keys} keys`);
  return (HEADER_WORDS + groups * GROUP_WORDS) * 4;
}

export class BucketTable {
  /** All words of the table, for those who keep their state in a slot. */
  readonly words: Int32Array;
  readonly groups: number;
  readonly #header: Int32Array;
  readonly #claim: Claim;

  /** `policy` may differ between processes: each follows its own. */
  constructor(region: Region, policy: FullPolicy, acknowledge: (state: number) => void) {
    this.#header = wordsOf(region).subarray(0, HEADER_WORDS);
    const offset = region.offset + HEADER_WORDS * 4;
    this.groups = EIGHTHS * Math.floor((region.bytes / 4 - HEADER_WORDS) / GROUP_WORDS / EIGHTHS);
    this.words = new Int32Array(region.buffer, offset, this.groups * GROUP_WORDS);
    const pairs = new BigInt64Array(region.buffer, offset, this.words.length / 2);
    this.#claim = new Claim(this.words, pairs, policy === 'evict-oldest', acknowledge);
  }

  /** Of two words each: for the keys of this start, and for those of quotas, which outlive it. */
  seeds(): { start: Int32Array; durable: Int32Array } {
    const at = (first: number) =>
      Int32Array.from({ length: 2 }, (_, i) => Atomics.load(this.#header, first + i));
    return { start: at(SEEDS), durable: at(SEEDS + 2) };
  }

  /** Before the first key: by the process that made the segment. Four words. */
  setSeeds(words: Int32Array): void {
    for (let i = 0; i < SEED_WORDS; i++) Atomics.store(this.#header, SEEDS + i, words[i] as number);
  }

  /** The slot of a key, or NONE. It may be past due. */
  find(h1: number, h2: number): number {
    const a = this.#firstGroup(h1);
    const found = this.#findIn(a, h1, h2);
    return found !== NONE ? found : this.#findIn(this.#secondGroup(h1, h2, a), h1, h2);
  }

  #findIn(group: number, h1: number, h2: number): number {
    const end = group + 2 * GROUP_SLOTS;
    for (let p = group; p < end; p += 2) if (this.#isAt(p, h1, h2)) return p;
    return NONE;
  }

  /** The slot of a key that was at `p` a moment ago; NONE: it is not known where. */
  findAgain(p: number, h1: number, h2: number): number {
    return p !== NONE && this.#isAt(p, h1, h2) ? p : this.find(h1, h2);
  }

  #isAt(p: number, h1: number, h2: number): boolean {
    const tag = Atomics.load(this.words, p);
    if ((tag ^ h1) >>> 3 !== 0 || (tag & STATUS) < BUCKET) return false;
    return Atomics.load(this.words, p + CHECK) === h2;
  }

  /** The slot of a key, a new one with this state if it has none. NONE: there is no room, and that is counted. */
  obtain(h1: number, h2: number, kind: Kind, state: number, now: number): number {
    const found = this.find(h1, h2);
    if (found !== NONE) return found;
    const claim = this.#claim;
    const a = this.#firstGroup(h1);
    claim.begin(a, this.#secondGroup(h1, h2, a), h1, h2, kind, state);
    for (;;) {
      const outcome = claim.attempt(now);
      if (outcome === 'claimed') Atomics.add(this.#header, CLAIMED, 1);
      if (claim.evictions > 0) Atomics.add(this.#header, EVICTED, claim.takeEvictions());
      const slot = this.find(h1, h2);
      if (slot !== NONE) return slot;
      if (outcome === 'full') {
        Atomics.add(this.#header, REJECTED, 1);
        return NONE;
      }
    }
  }

  /** Whether a slot is in use, and by the key with this first half of a hash. */
  holds(p: number, h1: number, kind: Kind): boolean {
    return Atomics.load(this.words, p) === ((h1 & ~STATUS) | kind);
  }

  /** Moves `due` of a slot on, never back. False: the slot changed, look again. `before` is what was read. */
  extend(p: number, before: number, due: number): boolean {
    return due <= before || Atomics.compareExchange(this.words, p + DUE, before, due) === before;
  }

  counts(): TableCounts {
    const at = (word: number) => Atomics.load(this.#header, word) >>> 0;
    return { claimed: at(CLAIMED), evicted: at(EVICTED), rejected: at(REJECTED) };
  }

  /** The part of the slots that is in use, 0 to 1, judged by at most `groups` of them. */
  occupancy(now: number, groups = 4096): number {
    const step = Math.max(1, Math.floor(this.groups / groups));
    let slots = 0;
    let used = 0;
    for (let group = 0; group < this.groups; group += step) {
      const first = group * GROUP_WORDS;
      for (let p = first; p < first + 2 * GROUP_SLOTS; p += 2) {
        slots++;
        if (this.inUse(p, now)) used++;
      }
    }
    return used / slots;
  }

  inUse(p: number, now: number): boolean {
    const status = Atomics.load(this.words, p) & STATUS;
    if (status < BUCKET) return false;
    if (status === HOLD && heldOf(Atomics.load(this.words, p + STATE)) > 0) return true;
    return coarse(now) <= Atomics.load(this.words, p + DUE);
  }

  /** Every quota in use, slot by slot. */
  *quotas(now: number): Iterable<number> {
    for (let group = 0; group < this.groups; group++) {
      const first = group * GROUP_WORDS;
      for (let p = first; p < first + 2 * GROUP_SLOTS; p += 2) {
        if ((Atomics.load(this.words, p) & STATUS) === QUOTA && this.inUse(p, now)) yield p;
      }
    }
  }

  /**
   * What the tag leaves out of `h1` says which eighth of the table the key lies in. So keys with the same tag and check
   * that differ in nothing else never meet: all 64 bits are told apart.
   */
  #firstGroup(h1: number): number {
    return Math.floor((((h1 << 29) | (h1 >>> 3)) >>> 0) * (this.groups / 2 ** 32)) * GROUP_WORDS;
  }

  #secondGroup(h1: number, h2: number, first: number): number {
    const group = Math.floor((((h1 << 29) | (h2 >>> 3)) >>> 0) * (this.groups / 2 ** 32));
    return (group * GROUP_WORDS === first ? group ^ 1 : group) * GROUP_WORDS;
  }
}
