/**
 * Gives a slot to a key that has none. In three steps, each one compare-and-swap of tag and state together, so that a
 * process may be killed after any of them:
 *
 *   reserve   free → RESERVED with a stamp. Check and due are written now; nobody else reads them.
 *   publish   RESERVED → PENDING with the key's tag. From here on anybody may finish it.
 *   settle    having looked, after publishing, that no other slot has the key: PENDING → in use.
 *
 * Two processes that claim slots for one key at the same time both publish before they look, so one of them sees the
 * other: the slot that comes first in the key's order stays, the other goes. A slot that stays RESERVED or PENDING for
 * a second is free.
 */
import {
  BUCKET,
  CHECK,
  coarse,
  DUE,
  EMPTY,
  GROUP_SLOTS,
  HOLD,
  heldOf,
  isStale,
  type Kind,
  PENDING,
  RESERVED,
  STATE,
  STATUS,
  stamp,
} from './slots.js';

/** `again`: somebody else was faster; look whether the key has a slot by now. */
export type Outcome = 'claimed' | 'again' | 'full';

const NONE = -1;

export class Claim {
  /** Buckets dropped since `takeEvictions`. */
  evictions = 0;
  readonly #words: Int32Array;
  readonly #pairs: BigInt64Array;
  readonly #evict: boolean;
  readonly #acknowledge: (state: number) => void;
  /** Two pairs, to be read as two BigInts: expected and new. */
  readonly #swap = new Int32Array(4);
  readonly #swapPairs = new BigInt64Array(this.#swap.buffer);
  #stamps = Math.floor(Math.random() * 0x10000);

  // The key that is served at the moment.
  #a = 0;
  #b = 0;
  #tag = 0;
  #check = 0;
  #kind: Kind = BUCKET;
  #state = 0;
  // The slot that `#choose` found, as it was then; and whether it is one to evict.
  #nothingFree = false;
  #chosenTag = 0;
  #chosenState = 0;
  #chosenDue = 0;
  #chosenCheck = 0;

  constructor(words: Int32Array, pairs: BigInt64Array, evict: boolean, acknowledge: (state: number) => void) {
    this.#words = words;
    this.#pairs = pairs;
    this.#evict = evict;
    this.#acknowledge = acknowledge;
  }

  /** `a` and `b` are the groups the key may lie in; `state` is what it begins with. */
  begin(a: number, b: number, h1: number, h2: number, kind: Kind, state: number): void {
    this.#a = a;
    this.#b = b;
    this.#tag = h1 & ~STATUS;
    this.#check = h2;
    this.#kind = kind;
    this.#state = state;
  }

  takeEvictions(): number {
    const count = this.evictions;
    this.evictions = 0;
    return count;
  }

  attempt(now: number): Outcome {
    const pending = this.#findPending();
    if (pending !== NONE) {
      this.#settle(pending, Atomics.load(this.#words, pending + STATE));
      return 'again';
    }
    const p = this.#choose(now);
    if (p === NONE) return 'full';
    if (!this.#isForTaking(p, now)) return 'again';
    const stamped = stamp(now, this.#stamps++);
    if (!this.#reserve(p, stamped, now)) return 'again';
    if (!this.#replace(p, RESERVED, stamped, this.#tag | PENDING, stamped)) return 'again';
    return this.#settle(p, stamped) ? 'claimed' : 'again';
  }

  #reserve(p: number, stamped: number, now: number): boolean {
    const status = this.#chosenTag & STATUS;
    const live = status === BUCKET && coarse(now) <= this.#chosenDue;
    // Whoever replaces the last operation on a HOLD slot first tells the one who did it.
    if (status === HOLD) this.#acknowledge(this.#chosenState);
    if (!this.#replace(p, this.#chosenTag, this.#chosenState, RESERVED, stamped)) return false;
    if (live) this.evictions++;
    // Swapped against what was there before the slot was ours: one that was stopped here for a second, and has lost the
    // slot, changes nothing when it wakes. And `due` gets another value than before, whatever that was: who still means
    // to move it on for the former key will fail.
    const due = coarse(now) + 1 === this.#chosenDue ? this.#chosenDue + 1 : coarse(now) + 1;
    if (this.#put(p + CHECK, this.#chosenCheck, this.#check) && this.#put(p + DUE, this.#chosenDue, due))
      return true;
    this.#replace(p, RESERVED, stamped, EMPTY, 0);
    return false;
  }

  #put(word: number, before: number, after: number): boolean {
    return Atomics.compareExchange(this.#words, word, before, after) === before;
  }

  /** Puts a published slot in use, or gives it up. False: look again. Any process that serves the key may call it. */
  #settle(p: number, stamped: number): boolean {
    const words = this.#words;
    const mine = this.#tag | PENDING;
    for (let i = 0; i < 2 * GROUP_SLOTS; i++) {
      const q = this.#at(i);
      if (q === p) continue;
      const tag = Atomics.load(words, q);
      const status = tag & STATUS;
      if ((tag & ~STATUS) !== this.#tag || status < PENDING) continue;
      const state = Atomics.load(words, q + STATE);
      if (Atomics.load(words, q + CHECK) !== this.#check) continue;
      if (status !== PENDING || this.#order(q) < this.#order(p)) {
        this.#replace(p, mine, stamped, EMPTY, 0);
        return false;
      }
      if (!this.#replace(q, tag, state, EMPTY, 0)) return false;
    }
    return this.#replace(p, mine, stamped, this.#tag | this.#kind, this.#state);
  }

  #findPending(): number {
    const words = this.#words;
    for (let i = 0; i < 2 * GROUP_SLOTS; i++) {
      const p = this.#at(i);
      if (Atomics.load(words, p) !== (this.#tag | PENDING)) continue;
      if (Atomics.load(words, p + CHECK) === this.#check) return p;
    }
    return NONE;
  }

  /** A slot to take: a free one in the emptier group, else the one that would be free soonest. */
  #choose(now: number): number {
    const a = this.#scan(0, now);
    const inA = this.#found;
    const b = this.#scan(GROUP_SLOTS, now);
    const inB = this.#found;
    this.#nothingFree = a + b === 0;
    if (!this.#nothingFree) return a >= b ? inA : inB;
    return this.#evict ? this.#soonest() : NONE;
  }

  /**
   * Reads the chosen slot anew, the state before `due`, and judges what it has read: that, and nothing that came after,
   * is what `#reserve` replaces.
   */
  #isForTaking(p: number, now: number): boolean {
    const words = this.#words;
    this.#chosenTag = Atomics.load(words, p);
    this.#chosenState = Atomics.load(words, p + STATE);
    this.#chosenDue = Atomics.load(words, p + DUE);
    this.#chosenCheck = Atomics.load(words, p + CHECK);
    if (this.#isFree(this.#chosenTag, this.#chosenState, this.#chosenDue, now)) return true;
    // Chosen as free and taken since: there may be others that are free, so nothing is evicted for it.
    return this.#nothingFree && (this.#chosenTag & STATUS) === BUCKET;
  }

  /** How many of a group are free; `#found` is the first. */
  #scan(first: number, now: number): number {
    const words = this.#words;
    let free = 0;
    for (let i = first; i < first + GROUP_SLOTS; i++) {
      const p = this.#at(i);
      const tag = Atomics.load(words, p);
      if (!this.#isFree(tag, Atomics.load(words, p + STATE), Atomics.load(words, p + DUE), now)) continue;
      if (free++ === 0) this.#found = p;
    }
    return free;
  }

  #found = NONE;

  #isFree(tag: number, state: number, due: number, now: number): boolean {
    const status = tag & STATUS;
    if (status === EMPTY) return true;
    if (status < BUCKET) return isStale(state, now);
    if (status === HOLD && heldOf(state) > 0) return false;
    return coarse(now) > due;
  }

  /** The bucket that will be full again before the others: dropping it forgives the least. */
  #soonest(): number {
    const words = this.#words;
    let soonest = NONE;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 2 * GROUP_SLOTS; i++) {
      const p = this.#at(i);
      if ((Atomics.load(words, p) & STATUS) !== BUCKET) continue;
      const due = Atomics.load(words, p + DUE);
      if (due >= least) continue;
      least = due;
      soonest = p;
    }
    return soonest;
  }

  #at(i: number): number {
    return i < GROUP_SLOTS ? this.#a + 2 * i : this.#b + 2 * (i - GROUP_SLOTS);
  }

  #order(p: number): number {
    return p >= this.#a && p < this.#a + 2 * GROUP_SLOTS ? p - this.#a : p - this.#b + 2 * GROUP_SLOTS;
  }

  /** Tag and state at once. BigInt: a claim is rare, and 64 bits are not to be had otherwise. */
  #replace(p: number, tag: number, state: number, newTag: number, newState: number): boolean {
    const swap = this.#swap;
    swap[0] = tag;
    swap[1] = state;
    swap[2] = newTag;
    swap[3] = newState;
    const expected = this.#swapPairs[0] as bigint;
    return Atomics.compareExchange(this.#pairs, p >> 1, expected, this.#swapPairs[1] as bigint) === expected;
  }
}
