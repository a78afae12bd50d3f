/**
 * Who holds what of the limits on concurrency: a list for each worker, so that the primary can give back what a dead
 * worker held. A hold is one in the slot's state and one entry in the worker's list. A worker may be killed between the
 * two, so the entry says beforehand what is meant, and the slot's state says who changed it last and with which of
 * its operations; whoever replaces that state first notes the operation for the one who did it. So it can always be
 * told whether the last operation of a dead worker was done.
 */
import { type Region, wordsOf } from './directory.js';
import {
  heldOf,
  holdState,
  MOST_HELD,
  MOST_WORKERS,
  SEQUENCE,
  STATE,
  sequenceOf,
  workerOf,
} from './slots.js';

/** The limit is reached, or this worker's list is full. */
export const REFUSED = -1;
/** The slot is no longer the key's: look for it again. */
export const MOVED = -2;

// Words at the head of a list, which is followed by its entries. The region begins with as many: how many entries.
const NOTED = 0; // by others: the last operation of this worker that somebody has replaced
const MEANT = 1; // by the worker: the operation that a TAKING or GIVING entry is about
const HEAD_WORDS = 16;

/** An entry: what is going on, and the slot's index halved; it is even. 0: free. */
const TAKING = 1 << 28;
const HELD = 2 << 28;
const GIVING = 3 << 28;
const SLOT = TAKING - 1;

/** Bytes for workers 1 to `workers`, each of which may hold `holds` at once. */
export function holdsBytes(workers: number, holds: number): number {
  if (!(workers >= 1 && workers <= MOST_WORKERS)) throw new RangeError(`no lists for ${workers} workers`);
  return HEAD_WORDS * 4 + (workers + 1) * listWords(holds) * 4;
}

export class Holds {
  readonly #words: Int32Array;
  readonly #listWords: number;
  readonly #worker: number;
  /** Entries of this worker that are free. */
  readonly #free: number[] = [];
  #sequence = 0;

  /**
   * `worker` is 1 or more, 0 for the primary, which holds nothing. A worker may start under the id of a dead one after
   * `releaseWorker`, not before.
   */
  constructor(region: Region, worker: number) {
    const holds = wordsOf(region)[0] as number;
    if (holds === 0) throw new Error('the lists of holds are not prepared');
    this.#words = wordsOf(region).subarray(HEAD_WORDS);
    this.#listWords = listWords(holds);
    this.#worker = worker;
    if (worker === 0) return;
    if (!((worker + 1) * this.#listWords <= this.#words.length))
      throw new RangeError(`no list for worker ${worker}`);
    const first = worker * this.#listWords + HEAD_WORDS;
    for (let at = first + holds - 1; at >= first; at--) if (this.#words[at] === 0) this.#free.push(at);
  }

  /** Once, by the process that made the segment. */
  static prepare(region: Region, holds: number): void {
    wordsOf(region)[0] = holds;
  }

  /** Notes the operation that a state shows for the worker who did it: before the state is replaced. */
  acknowledge(state: number): void {
    const worker = workerOf(state);
    if (worker === 0) return;
    const sequence = sequenceOf(state);
    const noted = worker * this.#listWords + NOTED;
    Atomics.compareExchange(this.#words, noted, (sequence - 1) & SEQUENCE, sequence);
  }

  /** One more of slot `p`, whose tag must be `tag`, if that makes no more than `most`. A token for `give`, REFUSED or MOVED. */
  take(slots: Int32Array, p: number, tag: number, most: number): number {
    const limit = Math.min(most, MOST_HELD);
    let state = Atomics.load(slots, p + STATE);
    if (Atomics.load(slots, p) !== tag) return MOVED;
    const entry = this.#free[this.#free.length - 1];
    if (heldOf(state) >= limit || entry === undefined) return REFUSED;
    const sequence = this.#mean(entry, TAKING | (p >> 1), state);
    for (;;) {
      this.acknowledge(state);
      const next = holdState(heldOf(state) + 1, this.#worker, sequence);
      if (Atomics.compareExchange(slots, p + STATE, state, next) === state) break;
      state = Atomics.load(slots, p + STATE);
      const moved = Atomics.load(slots, p) !== tag;
      if (!moved && heldOf(state) < limit) continue;
      Atomics.store(this.#words, entry, 0);
      return moved ? MOVED : REFUSED;
    }
    Atomics.store(this.#words, entry, HELD | (p >> 1));
    this.#free.pop();
    return entry;
  }

  /** Gives back what `take` gave. */
  give(slots: Int32Array, token: number): void {
    const words = this.#words;
    const held = Atomics.load(words, token);
    if (held >>> 28 !== HELD >>> 28) return;
    const p = (held & SLOT) << 1;
    const sequence = this.#mean(token, GIVING | (held & SLOT), Atomics.load(slots, p + STATE));
    this.#decrement(slots, p, sequence);
    Atomics.store(words, token, 0);
    this.#free.push(token);
  }

  /** How many this worker may still hold. */
  get room(): number {
    return this.#free.length;
  }

  /**
   * Gives back all that a worker held: by the primary, when the worker's process is certainly gone and before another
   * starts under its id. How many those were.
   */
  releaseWorker(slots: Int32Array, worker: number): number {
    const words = this.#words;
    const first = worker * this.#listWords;
    let released = 0;
    for (let entry = first + HEAD_WORDS; entry < first + this.#listWords; entry++) {
      const value = Atomics.load(words, entry);
      if (value === 0) continue;
      const p = (value & SLOT) << 1;
      if (this.#isHeld(value & ~SLOT, slots, p, worker)) {
        this.#sequence = (this.#sequence + 1) & SEQUENCE;
        this.#decrement(slots, p, this.#sequence);
        released++;
      }
      Atomics.store(words, entry, 0);
    }
    return released;
  }

  /** What a worker holds, as far as its list says: for metrics and tests. */
  heldBy(worker: number): number {
    const first = worker * this.#listWords;
    let held = 0;
    for (let entry = first + HEAD_WORDS; entry < first + this.#listWords; entry++) {
      if (Atomics.load(this.#words, entry) !== 0) held++;
    }
    return held;
  }

  /** Writes down what comes next. The number of the operation; not the one that the state shows already. */
  #mean(entry: number, value: number, state: number): number {
    const words = this.#words;
    const list = this.#worker * this.#listWords;
    let sequence = (this.#sequence + 1) & SEQUENCE;
    if (workerOf(state) === this.#worker && sequenceOf(state) === sequence)
      sequence = (sequence + 1) & SEQUENCE;
    this.#sequence = sequence;
    Atomics.store(words, list + NOTED, (sequence - 1) & SEQUENCE);
    Atomics.store(words, list + MEANT, sequence);
    Atomics.store(words, entry, value);
    return sequence;
  }

  #isHeld(what: number, slots: Int32Array, p: number, worker: number): boolean {
    if (what === HELD) return true;
    const list = worker * this.#listWords;
    const meant = Atomics.load(this.#words, list + MEANT);
    // The state first: who replaces it notes the operation before.
    const state = Atomics.load(slots, p + STATE);
    const done =
      (workerOf(state) === worker && sequenceOf(state) === meant) ||
      Atomics.load(this.#words, list + NOTED) === meant;
    return done === (what === TAKING);
  }

  #decrement(slots: Int32Array, p: number, sequence: number): void {
    for (;;) {
      const state = Atomics.load(slots, p + STATE);
      if (heldOf(state) === 0) return;
      this.acknowledge(state);
      const next = holdState(heldOf(state) - 1, this.#worker, sequence);
      if (Atomics.compareExchange(slots, p + STATE, state, next) === state) return;
    }
  }
}

function listWords(holds: number): number {
  return HEAD_WORDS * Math.ceil((HEAD_WORDS + holds) / HEAD_WORDS);
}
