/**
 * The probes of a half-open breaker: how many are under way in all processes, and how many have succeeded. One word, which
 * names the phase it is for: what it says of another one is nothing.
 */
import { StepClock } from './machine-time.js';

/** The clock of a breaker's words. */
export const breakerClock = new StepClock(4, 30);

// 18 bits of when the phase began, 7 of probes under way, 7 of those that succeeded.
const PHASE = ~0x3fff;
const COUNT = 0x7f;
const ONE_UNDER_WAY = 1 << 7;

const underWay = (counts: number) => (counts >>> 7) & COUNT;
const succeeded = (counts: number) => counts & COUNT;
const nothingIn = (state: number) => ((state >>> 2) << 14) & PHASE;
const isOf = (counts: number, state: number) => counts !== 0 && (counts & PHASE) === nothingIn(state);

export class Probes {
  readonly #words: Int32Array;
  readonly #state: number;
  readonly #at: number;
  readonly #takenAt: number;
  readonly #answered: number;
  readonly #most: number;

  /** `state`: where the breaker's state lies. `at`: three words for these counts. */
  constructor(words: Int32Array, state: number, at: number, most: number) {
    this.#words = words;
    this.#state = state;
    this.#at = at;
    this.#takenAt = at + 1;
    this.#answered = at + 2;
    this.#most = most;
  }

  get word(): number {
    return Atomics.load(this.#words, this.#at);
  }

  isFull(state: number): boolean {
    const counts = this.word;
    return isOf(counts, state) && underWay(counts) + succeeded(counts) >= this.#most;
  }

  isDone(state: number): boolean {
    const counts = this.word;
    return isOf(counts, state) && succeeded(counts) >= this.#most;
  }

  /** The last one was let through this long ago, in milliseconds, and some have not come back; 0: all have. */
  waitingMs(state: number, now: number): number {
    const counts = this.word;
    if (!isOf(counts, state) || underWay(counts) === 0) return 0;
    // The time of the last one may still be that of a former phase: it is written after the count.
    const taken = breakerClock.since(Atomics.load(this.#words, this.#takenAt), now);
    return Math.min(taken, breakerClock.since(state >>> 2, now));
  }

  /** Before another phase begins: whoever is about to count for the former one finds that it is over. */
  empty(state: number): void {
    const before = this.word;
    if (Atomics.load(this.#words, this.#state) === state)
      Atomics.compareExchange(this.#words, this.#at, before, 0);
  }

  /** One more is under way. False: no more may be, or the phase is over. */
  take(state: number, now: number): boolean {
    const words = this.#words;
    for (;;) {
      const before = this.word;
      // In this order: a later phase empties the counts before it begins.
      if (Atomics.load(words, this.#state) !== state) return false;
      const counts = isOf(before, state) ? before : nothingIn(state);
      if (underWay(counts) + succeeded(counts) >= this.#most) return false;
      if (Atomics.compareExchange(words, this.#at, before, counts + ONE_UNDER_WAY) !== before) continue;
      Atomics.store(words, this.#takenAt, breakerClock.at(now));
      return Atomics.load(words, this.#state) === state;
    }
  }

  /** The answer to one has begun, and well. */
  answered(state: number): void {
    for (;;) {
      const before = Atomics.load(this.#words, this.#answered);
      if (Atomics.load(this.#words, this.#state) !== state) return;
      const counts = isOf(before, state) ? before : nothingIn(state);
      if (succeeded(counts) >= this.#most) return;
      if (Atomics.compareExchange(this.#words, this.#answered, before, counts + 1) === before) return;
    }
  }

  /** The answers to all have begun well, whether they have come to an end or not. */
  haveAnswered(state: number): boolean {
    const counts = Atomics.load(this.#words, this.#answered);
    return isOf(counts, state) && succeeded(counts) >= this.#most;
  }

  /** One has come back. */
  settle(state: number, good: boolean): void {
    for (;;) {
      const before = this.word;
      if (!isOf(before, state) || underWay(before) === 0) return;
      const after = before - ONE_UNDER_WAY + (good ? 1 : 0);
      if (Atomics.compareExchange(this.#words, this.#at, before, after) === before) return;
    }
  }

  /** Gives up those of processes that were killed: no more can be under way than there are calls. */
  recall(state: number, inFlight: () => number): void {
    const before = this.word;
    if (!isOf(before, state)) return;
    const lost = underWay(before) - inFlight();
    if (lost > 0) Atomics.compareExchange(this.#words, this.#at, before, before - lost * ONE_UNDER_WAY);
  }
}
