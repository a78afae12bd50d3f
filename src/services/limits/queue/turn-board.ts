/**
 * What workers know of each other's waiting requests. For each bucket that somebody waits for, a worker shows the turn of
 * the first of its own; who has a later one lets the other go first. How far each key of a fair queue has got is
 * common to all.
 *
 * A worker that does not look at its queues for a while, because it was killed or is busy, is not waited for; nothing of
 * what it has written must be removed by anybody.
 */
import { wordsOf } from '../../../shared/directory.js';
import { PeriodMask } from '../algorithms/counter.js';
import type { LimitMemory } from '../memory.js';
import { Marks } from './marks.js';

const WORKER_WORDS = 16;
const LOOKED_AT = 0;
const WAITING = 1;
/** Tells a worker from the one that had its id before. */
const START = 2;

/** A worker that has waiting requests looks at them at least this often. */
export const LOOK_EVERY_MS = 16;
/** One that has not for so long is not waited for. */
const ABSENT_AFTER_MS = 60;
/** For how long a turn is shown without being shown again. */
const SHOWN_MS = 5_000;

/** A turn is even; shown with this bit it is somebody's. */
const TAKEN = 1;

/** Bytes for workers 1 to `workers`. */
export function turnBoardBytes(workers: number): number {
  return (workers + 1) * WORKER_WORDS * 4;
}

/** The bucket that is waited for, as others find what is written about it. */
export interface Place {
  readonly h1: number;
  readonly h2: number;
}

const LINE_TIME = new PeriodMask();
LINE_TIME.set(0x7fff_fff1);

export class TurnBoard {
  readonly #marks: Marks;
  readonly #words: Int32Array;
  readonly #worker: number;
  readonly #workers: number;
  /** By worker: what its start makes of a place. */
  readonly #masks: PeriodMask[];

  constructor({ table, turns, worker }: LimitMemory) {
    this.#marks = new Marks(table);
    this.#words = wordsOf(turns);
    this.#worker = worker;
    this.#workers = this.#words.length / WORKER_WORDS - 1;
    this.#masks = Array.from({ length: this.#workers + 1 }, () => new PeriodMask());
    const own = worker * WORKER_WORDS;
    Atomics.store(this.#words, own + WAITING, 0);
    Atomics.store(this.#words, own + START, Math.floor(Math.random() * 2 ** 31));
  }

  /** This worker has looked at its queues, in which so many wait. */
  look(waiting: number, now: number): void {
    const own = this.#worker * WORKER_WORDS;
    Atomics.store(this.#words, own + LOOKED_AT, now | 0);
    Atomics.store(this.#words, own + WAITING, waiting);
  }

  /** Whether other workers have requests that wait, for whatever. */
  isAnybodyWaiting(now: number): boolean {
    for (let w = 1; w <= this.#workers; w++) if (this.#isWaiting(w, now)) return true;
    return false;
  }

  /** Whether other workers have requests that wait for this bucket. */
  isAwaited(place: Place, now: number): boolean {
    for (let w = 1; w <= this.#workers; w++) {
      if (this.#isWaiting(w, now) && this.#readTurn(place, w, now)) return true;
    }
    return false;
  }

  /** Whether no other worker has a turn that comes more than `slack` before this one. */
  isNext(place: Place, turn: number, slack: number, now: number): boolean {
    for (let w = 1; w <= this.#workers; w++) {
      if (!this.#isWaiting(w, now) || !this.#readTurn(place, w, now)) continue;
      if (((turn - (this.#marks.value & ~TAKEN)) | 0) > slack) return false;
    }
    return true;
  }

  /** Shows the first turn of this worker at a bucket. */
  show(place: Place, turn: number, now: number): void {
    this.#put(place, turn | TAKEN, now);
  }

  /** Nobody waits there any more. */
  withdraw(place: Place, now: number): void {
    this.#put(place, 0, now);
  }

  /** The time of a fair queue: the latest turn that was taken. `otherwise` when nobody knows. */
  timeAt({ h1, h2 }: Place, otherwise: number, now: number): number {
    const { first, second } = LINE_TIME;
    return this.#marks.read(h2 ^ first, h1 ^ second, now) ? this.#marks.value : otherwise;
  }

  setTimeAt({ h1, h2 }: Place, turn: number, forMs: number, now: number): void {
    this.#marks.raise(h2 ^ LINE_TIME.first, h1 ^ LINE_TIME.second, turn, forMs, now);
  }

  /** The next turn of a key. `otherwise` when nobody knows. */
  turnOf(key: Place, otherwise: number, now: number): number {
    return this.#marks.read(key.h1, key.h2, now) ? this.#marks.value : otherwise;
  }

  setTurnOf(key: Place, turn: number, forMs: number, now: number): void {
    this.#marks.raise(key.h1, key.h2, turn, forMs, now);
  }

  #put({ h1, h2 }: Place, value: number, now: number): void {
    const mask = this.#maskOf(this.#worker);
    this.#marks.put(h2 ^ mask.first, h1 ^ mask.second, value, SHOWN_MS, now);
  }

  #isWaiting(worker: number, now: number): boolean {
    if (worker === this.#worker) return false;
    const at = worker * WORKER_WORDS;
    if (Atomics.load(this.#words, at + WAITING) === 0) return false;
    return ((now - Atomics.load(this.#words, at + LOOKED_AT)) | 0) < ABSENT_AFTER_MS;
  }

  #readTurn({ h1, h2 }: Place, worker: number, now: number): boolean {
    const mask = this.#maskOf(worker);
    return this.#marks.read(h2 ^ mask.first, h1 ^ mask.second, now) && (this.#marks.value & TAKEN) === TAKEN;
  }

  #maskOf(worker: number): PeriodMask {
    const mask = this.#masks[worker] as PeriodMask;
    mask.set(Atomics.load(this.#words, worker * WORKER_WORDS + START));
    return mask;
  }
}
