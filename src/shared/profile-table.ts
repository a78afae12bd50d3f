/**
 * What is known of the past of keys, in memory that all processes share: a fixed number of slots, one cache line each, eight of
 * which make a group; a key may lie in one group only. Counts are added to with `Atomics`; the rest of a slot is written
 * by whoever has closed its window, which is decided by one compare-and-swap. What a process that is killed in between leaves
 * behind is a window that was not learnt from. Two processes that see a key for the first time at once may give it two slots: one
 * of them is found from then on, the other is forgotten as the oldest.
 */
import { type Region, wordsOf } from './directory.js';

export const NO_PROFILE = -1;

/** Words of a slot, from its first: the second it counts in, and what it has counted. */
export const WINDOW = 0;
export const REQUESTS = 1;
export const ERRORS = 2;
/** The window in which it is free again; 0: it is free. */
export const UNTIL = 3;
/** Numbers of the scorer, Float32. The first one says for how many windows the key is known. */
export const PAST = 4;
export const PAST_NUMBERS = 12;

const SLOT_WORDS = 16;
const GROUP_SLOTS = 8;
const HEADER_WORDS = 16;
const EVICTED = 0;
const UNTRACKED = 1;
/** Tags that are no key's. The check of a reserved slot is the window in which it was reserved. */
const EMPTY = 0;
const RESERVED = 1;
/** A process needs microseconds for a slot it has reserved. */
const STALE_WINDOWS = 2;
/** Room to choose: three slots for two keys. */
const SLOTS_PER_KEY = 1.5;
/** A key that is known for long outlives one that is new by as many seconds, at most. */
const LONGEST_GRACE = 900;

export interface ProfileCounts {
  /** Profiles that made room for others. */
  readonly evicted: number;
  /** Times that a key found no room: every slot it may take is of a key that is throttled. */
  readonly untracked: number;
}

export function profileBytes(keys: number): number {
  const groups = Math.max(1, Math.ceil((keys * SLOTS_PER_KEY) / GROUP_SLOTS));
  return (HEADER_WORDS + groups * GROUP_SLOTS * (2 + SLOT_WORDS)) * 4;
}

export class ProfileTable {
  /** All slots. A slot goes by the index of its first word. */
  readonly words: Int32Array;
  readonly numbers: Float32Array;
  readonly #header: Int32Array;
  /** Tag and check of each slot: those of a group are one cache line. */
  readonly #tags: Int32Array;
  readonly #pairs: BigInt64Array;
  readonly #groups: number;
  /** Expected and new, to be read as two BigInts. */
  readonly #swap = new Int32Array(4);
  readonly #swapPairs = new BigInt64Array(this.#swap.buffer);

  constructor(region: Region) {
    this.#header = wordsOf(region).subarray(0, HEADER_WORDS);
    this.#groups = Math.floor((region.bytes / 4 - HEADER_WORDS) / (GROUP_SLOTS * (2 + SLOT_WORDS)));
    const tagsAt = region.offset + HEADER_WORDS * 4;
    const slots = this.#groups * GROUP_SLOTS;
    this.#tags = new Int32Array(region.buffer, tagsAt, 2 * slots);
    this.#pairs = new BigInt64Array(region.buffer, tagsAt, slots);
    this.words = new Int32Array(region.buffer, tagsAt + 8 * slots, slots * SLOT_WORDS);
    this.numbers = new Float32Array(region.buffer, tagsAt + 8 * slots, slots * SLOT_WORDS);
  }

  /** The slot of a key, or NO_PROFILE. */
  find(h1: number, h2: number): number {
    const tag = tagOf(h1);
    const first = this.#firstOf(h1);
    const tags = this.#tags;
    for (let i = first; i < first + GROUP_SLOTS; i++) {
      if (Atomics.load(tags, 2 * i) === tag && Atomics.load(tags, 2 * i + 1) === h2) return i * SLOT_WORDS;
    }
    return NO_PROFILE;
  }

  /** The slot of a key; a new one, all zero but for its window, if it has none. `window`: the one that runs. */
  obtain(h1: number, h2: number, window: number): number {
    for (let tries = 0; tries < GROUP_SLOTS; tries++) {
      const found = this.find(h1, h2);
      if (found !== NO_PROFILE) return found;
      const i = this.#choose(this.#firstOf(h1), window);
      if (i === NO_PROFILE) break;
      const tag = Atomics.load(this.#tags, 2 * i);
      const check = Atomics.load(this.#tags, 2 * i + 1);
      if (!this.#replace(i, tag, check, RESERVED, window)) continue;
      const p = i * SLOT_WORDS;
      for (let word = 0; word < SLOT_WORDS; word++) Atomics.store(this.words, p + word, 0);
      Atomics.store(this.words, p + WINDOW, window);
      if (tag !== EMPTY && tag !== RESERVED) Atomics.add(this.#header, EVICTED, 1);
      if (this.#replace(i, RESERVED, window, tagOf(h1), h2)) return p;
    }
    Atomics.add(this.#header, UNTRACKED, 1);
    return NO_PROFILE;
  }

  counts(): ProfileCounts {
    return {
      evicted: Atomics.load(this.#header, EVICTED) >>> 0,
      untracked: Atomics.load(this.#header, UNTRACKED) >>> 0,
    };
  }

  #firstOf(h1: number): number {
    return Math.floor((h1 >>> 0) * (this.#groups / 2 ** 32)) * GROUP_SLOTS;
  }

  /**
   * A slot to take: an empty one, else that of the key that was seen longest ago. Who is known for long counts as seen
   * later, so that a flood of new keys drives out itself first; who is throttled stays.
   */
  #choose(first: number, window: number): number {
    let oldest = NO_PROFILE;
    let least = Number.POSITIVE_INFINITY;
    for (let i = first; i < first + GROUP_SLOTS; i++) {
      const tag = Atomics.load(this.#tags, 2 * i);
      if (tag === EMPTY) return i;
      if (tag === RESERVED) {
        if (window - Atomics.load(this.#tags, 2 * i + 1) > STALE_WINDOWS) return i;
        continue;
      }
      const p = i * SLOT_WORDS;
      if (Atomics.load(this.words, p + UNTIL) > window) continue;
      const known = Math.min(LONGEST_GRACE, this.numbers[p + PAST] as number);
      const seen = Atomics.load(this.words, p + WINDOW) + known;
      if (seen >= least) continue;
      least = seen;
      oldest = i;
    }
    return oldest;
  }

  #replace(i: number, tag: number, check: number, newTag: number, newCheck: number): boolean {
    this.#swap[0] = tag;
    this.#swap[1] = check;
    this.#swap[2] = newTag;
    this.#swap[3] = newCheck;
    const [expected, wanted] = this.#swapPairs as unknown as [bigint, bigint];
    return Atomics.compareExchange(this.#pairs, i, expected, wanted) === expected;
  }
}

/** Never one of the two that are no key's. */
function tagOf(h1: number): number {
  return h1 === EMPTY || h1 === RESERVED ? h1 | 2 : h1;
}
