/**
 * What workers and the primary tell each other about limits that several machines share: which slots have changed, what
 * the figures of a limit are, how many machines there are. All of it is words that are set or added to, one at a time, so
 * a process that is killed between two leaves nothing half done but a mark, which `takeMarks` finds by looking everywhere.
 */
import { type Region, wordsOf } from './directory.js';
import { GROUP_SLOTS, GROUP_WORDS } from './slots.js';

/** The figures of one limit, as every process must know them. */
export interface Figures {
  readonly kind: SharedKind;
  /** Tokens in a period, the most of a window or a quota, or the most in flight. */
  readonly count: number;
  readonly periodMs: number;
  /** Tokens in a full bucket; the same as `count` where there is no bucket. */
  readonly burst: number;
}

export const SHARED_BUCKET = 1;
export const SHARED_WINDOW = 2;
export const SHARED_QUOTA = 3;
export const SHARED_HOLD = 4;
export type SharedKind =
  | typeof SHARED_BUCKET
  | typeof SHARED_WINDOW
  | typeof SHARED_QUOTA
  | typeof SHARED_HOLD;

// Words at the head.
const ANY = 0; // something is marked
const MACHINES = 1; // known, this one included
const AWAY = 2; // Redis does not answer
const SEED = 3; // two words
const HEADER_WORDS = 16;

/** A limit's figures: how far the entry is, kind, count, period, burst. */
const ENTRY_WORDS = 8;
const FREE = 0;
const WRITING = 1;
const WRITTEN = 2;

/** Numbers of limits fit beside what a slot counts: see `WISH`. 0 is none. */
const ID_BITS = 12;
export const LIMIT_ID = (1 << ID_BITS) - 1;
const MOST_LIMITS = LIMIT_ID;

/** In slots of shared limits the word HASH is the limit's number and, above it, how much was refused so far. */
const WISH_BITS = 32 - ID_BITS;
const MOST_WISH = 1 << (WISH_BITS - 3);

export const wishOf = (word: number): number => word >>> ID_BITS;
export const wishBetween = (before: number, after: number): number =>
  (after - before) & ((1 << WISH_BITS) - 1);
/** To be added to the word. */
export const wishFor = (cost: number): number => Math.min(Math.ceil(cost), MOST_WISH) << ID_BITS;

/** Bytes for a table with so many groups. */
export function boardBytes(groups: number): number {
  const words = Math.ceil((groups * GROUP_SLOTS) / 32);
  const all = HEADER_WORDS + MOST_LIMITS * ENTRY_WORDS + words + Math.ceil(words / 32);
  return 8 * Math.ceil(all / 2);
}

export class SyncBoard {
  readonly #words: Int32Array;
  readonly #entries: Int32Array;
  /** One bit for each slot, and one for each word of those. */
  readonly #marks: Int32Array;
  readonly #summary: Int32Array;

  constructor(region: Region, groups: number) {
    const words = wordsOf(region);
    const first = HEADER_WORDS + MOST_LIMITS * ENTRY_WORDS;
    const marks = Math.ceil((groups * GROUP_SLOTS) / 32);
    this.#words = words;
    this.#entries = words.subarray(HEADER_WORDS, first);
    this.#marks = words.subarray(first, first + marks);
    this.#summary = words.subarray(first + marks);
  }

  /** How many machines share the limits, as far as this one knows: 1 or more. */
  get machines(): number {
    return Math.max(1, Atomics.load(this.#words, MACHINES));
  }

  set machines(count: number) {
    Atomics.store(this.#words, MACHINES, count);
  }

  /** Redis does not answer: this machine has its share and no more. */
  get away(): boolean {
    return Atomics.load(this.#words, AWAY) !== 0;
  }

  set away(away: boolean) {
    Atomics.store(this.#words, AWAY, away ? 1 : 0);
  }

  /** What hashes of shared keys are made with: the same on all machines, once Redis has been reached. */
  get seed(): Int32Array {
    return Int32Array.of(Atomics.load(this.#words, SEED), Atomics.load(this.#words, SEED + 1));
  }

  set seed(seed: Int32Array) {
    for (let i = 0; i < 2; i++) Atomics.store(this.#words, SEED + i, seed[i] as number);
  }

  /** The number of a limit with these figures, the same in all processes. Throws a RangeError when there are too many. */
  register({ kind, count, periodMs, burst }: Figures): number {
    const entries = this.#entries;
    const figures = [kind, count, periodMs, burst];
    for (let id = 1; id <= MOST_LIMITS; id++) {
      const at = (id - 1) * ENTRY_WORDS;
      const state = Atomics.compareExchange(entries, at, FREE, WRITING);
      if (state === FREE) {
        for (let i = 0; i < 4; i++) Atomics.store(entries, at + 1 + i, figures[i] as number);
        Atomics.store(entries, at, WRITTEN);
        return id;
      }
      if (state !== WRITTEN) continue; // being written, maybe by a process that died
      if (figures.every((figure, i) => Atomics.load(entries, at + 1 + i) === figure)) return id;
    }
    throw new RangeError(`more than ${MOST_LIMITS} limits are shared with other machines since the start`);
  }

  figures(id: number): Figures | null {
    const at = (id - 1) * ENTRY_WORDS;
    if (id < 1 || id > MOST_LIMITS || Atomics.load(this.#entries, at) !== WRITTEN) return null;
    const [kind, count, periodMs, burst] = this.#entries.subarray(at + 1, at + 5) as unknown as number[];
    return { kind: kind as SharedKind, count: count!, periodMs: periodMs!, burst: burst! };
  }

  /** Slot `p` has changed: after the change, so that whoever takes the mark sees it. */
  mark(p: number): void {
    const slot = slotNumber(p);
    const word = slot >>> 5;
    const bit = 1 << (slot & 31);
    if ((Atomics.load(this.#marks, word) & bit) !== 0) return;
    Atomics.or(this.#marks, word, bit);
    const summaryBit = 1 << (word & 31);
    if ((Atomics.load(this.#summary, word >>> 5) & summaryBit) === 0)
      Atomics.or(this.#summary, word >>> 5, summaryBit);
    if (Atomics.load(this.#words, ANY) === 0) Atomics.store(this.#words, ANY, 1);
  }

  /**
   * Every slot that was marked, once: by the primary. `everywhere`: also those whose worker was killed before the mark could
   * be found.
   */
  takeMarks(visit: (p: number) => void, everywhere: boolean): void {
    if (Atomics.exchange(this.#words, ANY, 0) === 0 && !everywhere) return;
    const summary = this.#summary;
    for (let i = 0; i < summary.length; i++) {
      let words = everywhere ? -1 : Atomics.load(summary, i);
      if (words === 0) continue;
      words |= Atomics.exchange(summary, i, 0);
      for (; words !== 0; words &= words - 1) {
        this.#takeWord(32 * i + 31 - Math.clz32(words & -words), visit);
      }
    }
  }

  #takeWord(word: number, visit: (p: number) => void): void {
    if (word >= this.#marks.length || Atomics.load(this.#marks, word) === 0) return;
    for (let bits = Atomics.exchange(this.#marks, word, 0); bits !== 0; bits &= bits - 1) {
      visit(indexOf(32 * word + 31 - Math.clz32(bits & -bits)));
    }
  }
}

/** Slots are numbered from 0, group by group. */
export function slotNumber(p: number): number {
  const group = (p / GROUP_WORDS) | 0;
  return group * GROUP_SLOTS + ((p - group * GROUP_WORDS) >> 1);
}

function indexOf(slot: number): number {
  return Math.floor(slot / GROUP_SLOTS) * GROUP_WORDS + 2 * (slot % GROUP_SLOTS);
}

/** The first half of a key's hash: what the tag leaves out is the eighth of the table that the slot lies in. */
export function firstHalf(p: number, tag: number, groups: number): number {
  return (tag & ~7) | Math.floor((((p / GROUP_WORDS) | 0) * 8) / groups);
}
