/**
 * A circuit breaker that all processes share. One word holds its state and when that began; every change is one
 * compare-and-swap of it, so exactly one process makes it, and a process may be killed between any two instructions.
 *
 *   closed     calls pass and are counted. Too many failed or slow ones in the window: open.
 *   open       nothing passes for `openFor`; then half-open, by whoever looks next: a request, or the primary.
 *   half-open  `probes` calls pass. One fails: open. All succeed: recovering.
 *   recovering a growing share passes for `rampUp`, or few at once, and is counted. Then closed.
 *
 * A call carries the word it began under: what becomes of it counts in that very phase, or not at all.
 */
import { breakerClock as clock, Probes } from './probes.js';
import { SlidingWindow, WINDOW_WORDS } from './window.js';

export interface BreakerOptions {
  /** Milliseconds. */
  readonly window: number;
  /** Calls in the window before anything is concluded. */
  readonly minimum: number;
  /** Shares of the calls, 0 to 1. 0: not looked at. */
  readonly failureRatio: number;
  readonly slowRatio: number;
  readonly openFor: number;
  /** Calls that pass when half-open. */
  readonly probes: number;
  /** Milliseconds. 0: closed at once. */
  readonly rampUp: number;
  /** Milliseconds after which a probe that nobody has heard of is given up: its process was killed. */
  readonly patience: number;
}

export const CLOSED = 0;
export const OPEN = 1;
export const HALF_OPEN = 2;
export const RECOVERING = 3;
export type BreakerState = typeof CLOSED | typeof OPEN | typeof HALF_OPEN | typeof RECOVERING;

/** By state. */
export const STATE_NAMES = ['closed', 'open', 'half-open', 'recovering'] as const;

/** What became of a call. */
export const GOOD = 0;
export const BAD = 1;
/** Good, but it took too long. */
export const SLOW = 2;
/** Nothing can be said of it. */
export const UNKNOWN = 3;
export type Result = typeof GOOD | typeof BAD | typeof SLOW | typeof UNKNOWN;

/** A ticket of no phase: outside of what a word can hold. */
export const NO_TICKET = 2 ** 31;

// Words.
const STATE = 0;
/** See `Probes`. */
const PROBES = 1;
/** How often each state began: for the primary, which tells. By state, from here on. */
const BEGAN = 4;
const WINDOW = BEGAN + 4;
/** From the first word of an endpoint, or of a service. */
export const ENDPOINT_BREAKER_AT = 32;
export const SERVICE_BREAKER_AT = 0;
export const BREAKER_WORDS = WINDOW + WINDOW_WORDS;

/** Of the calls, when the recovery begins. */
const FIRST_SHARE = 0.1;

const stateOf = (word: number) => (word & 3) as BreakerState;

export class Breaker {
  readonly options: BreakerOptions;
  /** Of the last call that `begin` let through. */
  ticket = NO_TICKET;
  readonly #words: Int32Array;
  readonly #first: number;
  readonly #window: SlidingWindow;
  readonly #probes: Probes;
  readonly #now: () => number;
  readonly #inFlight: () => number;
  readonly #onBlocked: ((blocked: boolean) => void) | null;

  /**
   * `inFlight`: calls under way in all processes. `onBlocked` is told, after each change, whether calls are refused: it
   * may be told the same twice.
   */
  constructor(
    words: Int32Array,
    first: number,
    options: BreakerOptions,
    now: () => number,
    inFlight: () => number,
    onBlocked: ((blocked: boolean) => void) | null = null,
  ) {
    this.#words = words;
    this.#first = first;
    this.options = options;
    this.#now = now;
    this.#inFlight = inFlight;
    this.#onBlocked = onBlocked;
    this.#window = new SlidingWindow(words, first + WINDOW, options.window);
    this.#probes = new Probes(words, first + STATE, first + PROBES, options.probes);
  }

  get state(): BreakerState {
    return stateOf(Atomics.load(this.#words, this.#first + STATE));
  }

  /** Whether a call may be tried now. A guess: `begin` decides. */
  admits(): boolean {
    const word = Atomics.load(this.#words, this.#first + STATE);
    return (word & 3) === CLOSED || this.#admitsIn(this.#moveOn(word));
  }

  /** Whether a call that could go elsewhere should: a recovery goes on. */
  hesitates(): boolean {
    const word = Atomics.load(this.#words, this.#first + STATE);
    return (word & 3) === RECOVERING && !this.#admitsIn(word);
  }

  /** A call begins, and ends with `end` and the ticket. False: it must not; no `end` then. */
  begin(): boolean {
    const word = Atomics.load(this.#words, this.#first + STATE);
    this.ticket = word;
    return (word & 3) === CLOSED || this.#beginIn(this.#moveOn(word));
  }

  /** The answer to a call has begun, and well so far. */
  answered(ticket: number): void {
    if ((ticket & 3) === HALF_OPEN) this.#probes.answered(ticket);
  }

  end(ticket: number, result: Result): void {
    if (Atomics.load(this.#words, this.#first + STATE) !== ticket) return;
    if ((ticket & 3) === HALF_OPEN) return this.#settle(ticket, result);
    if (result === UNKNOWN) return;
    const now = this.#now();
    this.#window.add(now, result === BAD, result === SLOW);
    if (result !== GOOD && this.#isTooMuch(now)) this.#change(ticket, OPEN, now);
  }

  /** Milliseconds until calls pass again; 0: they do, or may. */
  remaining(): number {
    const word = Atomics.load(this.#words, this.#first + STATE);
    if (stateOf(word) !== OPEN) return 0;
    return Math.max(0, this.options.openFor - clock.since(word >>> 2, this.#now()));
  }

  /** Milliseconds since the state began; null: it has always been so. */
  age(): number | null {
    const word = Atomics.load(this.#words, this.#first + STATE);
    return word === 0 ? null : clock.since(word >>> 2, this.#now());
  }

  counts() {
    return this.#window.sum(this.#now());
  }

  /** How often a state has begun since the breaker is. */
  began(state: BreakerState): number {
    return Atomics.load(this.#words, this.#first + BEGAN + state);
  }

  /** What is due by time alone, and what a killed process left half done. */
  tend(): void {
    const word = this.#moveOn(Atomics.load(this.#words, this.#first + STATE));
    if (stateOf(word) === HALF_OPEN) this.#probes.recall(word, this.#inFlight);
    this.#publish();
  }

  /** As new: no breaker is wanted any more. */
  static reset(words: Int32Array, first: number): void {
    for (let i = 0; i < BREAKER_WORDS; i++) Atomics.store(words, first + i, 0);
  }

  // ------------------------------------------------------------------------------------------------------------

  /** Makes the change that time alone brings. Gives the word that holds now. */
  #moveOn(word: number): number {
    const { openFor, rampUp, patience } = this.options;
    const state = stateOf(word);
    if (state === CLOSED) return word;
    const now = this.#now();
    const age = clock.since(word >>> 2, now);
    if (state === OPEN) return age < openFor ? word : this.#halfOpen(word, now);
    if (state === RECOVERING) return age < rampUp ? word : this.#change(word, CLOSED, now);
    // Killed after its probe was the last to succeed.
    if (this.#probes.isDone(word)) return this.#recover(word, now);
    const waiting = this.#probes.waitingMs(word, now);
    // Answers without an end, such as event streams, are good probes as well.
    if (waiting >= openFor && this.#probes.haveAnswered(word)) return this.#recover(word, now);
    return waiting < patience ? word : this.#halfOpen(word, now);
  }

  #admitsIn(word: number): boolean {
    switch (stateOf(word)) {
      case CLOSED:
        return true;
      case OPEN:
        return false;
      case HALF_OPEN:
        return !this.#probes.isFull(word);
      default: {
        const share = clock.since(word >>> 2, this.#now()) / this.options.rampUp;
        // Few at once are no stampede.
        return Math.random() < Math.max(FIRST_SHARE, share) || this.#inFlight() < this.options.probes;
      }
    }
  }

  #beginIn(word: number): boolean {
    this.ticket = word;
    if (stateOf(word) === OPEN) return false;
    if (stateOf(word) !== HALF_OPEN) return true;
    const taken = this.#probes.take(word, this.#now());
    if (taken) this.#publish();
    return taken;
  }

  /** A probe has come to its end. */
  #settle(word: number, result: Result): void {
    const now = this.#now();
    if (result === BAD || result === SLOW) {
      this.#change(word, OPEN, now);
      return;
    }
    this.#probes.settle(word, result === GOOD);
    if (this.#probes.isDone(word)) this.#recover(word, now);
    else this.#publish();
  }

  #isTooMuch(now: number): boolean {
    const { minimum, failureRatio, slowRatio } = this.options;
    const { calls, failed, slow } = this.#window.sum(now);
    if (calls < minimum) return false;
    return (
      (failureRatio > 0 && failed > 0 && failed >= failureRatio * calls) ||
      (slowRatio > 0 && slow > 0 && slow >= slowRatio * calls)
    );
  }

  /** Also from half-open to half-open, when probes are given up. */
  #halfOpen(word: number, now: number): number {
    this.#probes.empty(word);
    return this.#change(word, HALF_OPEN, now);
  }

  #recover(word: number, now: number): number {
    this.#window.clear();
    return this.#change(word, this.options.rampUp > 0 ? RECOVERING : CLOSED, now);
  }

  /** Gives the word that holds then: ours, or that of whoever was faster. */
  #change(word: number, state: BreakerState, now: number): number {
    const next = (clock.at(now) << 2) | state;
    const found = Atomics.compareExchange(this.#words, this.#first + STATE, word, next);
    if (found !== word) return found;
    Atomics.add(this.#words, this.#first + BEGAN + state, 1);
    this.#publish();
    return next;
  }

  /** Says whether calls are refused, until that is still true afterwards. */
  #publish(): void {
    if (this.#onBlocked === null) return;
    for (;;) {
      const word = Atomics.load(this.#words, this.#first + STATE);
      const probes = this.#probes.word;
      const state = stateOf(word);
      this.#onBlocked(state === OPEN || (state === HALF_OPEN && this.#probes.isFull(word)));
      if (Atomics.load(this.#words, this.#first + STATE) === word && this.#probes.word === probes) return;
    }
  }
}
