/**
 * Whether an endpoint is put out because requests to it have failed, and for how long. One word holds that, how often it
 * was put out lately and when the state began; every change is one compare-and-swap, so exactly one process makes it.
 */
import { EJECTED, type EndpointTable, UNAVAILABLE } from '../endpoint-table.js';
import { StepClock } from './step-clock.js';

export interface EjectionOptions {
  /** Failures in a row. 0: not looked at. Answers with 5xx, and requests without an answer. */
  readonly consecutive5xx: number;
  /** Requests without an answer. */
  readonly consecutiveErrors: number;
  /** Milliseconds: times the number of ejections lately, up to the second. */
  readonly baseEjection: number;
  readonly maxEjection: number;
  /** Calls and failures are counted, for who compares endpoints. */
  readonly counted: boolean;
}

/** Why it was put out. */
export const CAUSES = ['consecutive 5xx', 'consecutive errors', 'success rate'] as const;
const BY_5XX = 0;
const BY_ERRORS = 1;
export const BY_SUCCESS_RATE = 2;
export type Cause = 0 | 1 | 2;

const TRUSTED = 0;
const OUT = 1;
/** Back: takes one request at a time, and is trusted or put out again by the first result. */
const ON_TRIAL = 2;
const VIEWS = ['trusted', 'ejected', 'on trial'] as const;

// Words from the endpoint's first on; docs/decisions/0019.
export const EJECTION_AT = 16;
/** 2 bits of state, 6 of how often, 24 of when. */
const STATE = EJECTION_AT;
/** In a row: 16 bits of requests without an answer, 16 of those and 5xx. */
const IN_A_ROW = EJECTION_AT + 1;
const EJECTIONS = EJECTION_AT + 2;
const CAUSE = EJECTION_AT + 3;
const CALLS = EJECTION_AT + 4;
const FAILURES = EJECTION_AT + 5;
/** Microseconds to the head of an answer, moving mean. */
const LATENCY = EJECTION_AT + 6;
const WORDS = 7;

/** Of times in words. */
const GRAIN_MS = 64;
const clock = new StepClock(GRAIN_MS, 24);
const MOST_TIMES = 63;
const ERROR = 1 << 16;
const LOW = 0xffff;

const timesOf = (word: number) => (word >>> 2) & MOST_TIMES;
const pack = (state: number, times: number, step: number) => (step << 8) | (times << 2) | state;

export class Ejection {
  readonly #table: EndpointTable;
  readonly #words: Int32Array;
  readonly #first: number;
  readonly #slot: number;
  readonly #options: EjectionOptions;
  readonly #now: () => number;
  readonly #mayEject: (slot: number) => boolean;

  /** `mayEject`: enough others are left. Asked before, and once more after. */
  constructor(
    table: EndpointTable,
    slot: number,
    options: EjectionOptions,
    now: () => number,
    mayEject: (slot: number) => boolean,
  ) {
    this.#table = table;
    this.#words = table.words;
    this.#first = table.endpointAt(slot);
    this.#slot = slot;
    this.#options = options;
    this.#now = now;
    this.#mayEject = mayEject;
  }

  // what becomes of requests -------------------------------------------------------------------------------------

  succeeded(): void {
    const words = this.#words;
    const first = this.#first;
    if (Atomics.load(words, first + IN_A_ROW) !== 0) Atomics.store(words, first + IN_A_ROW, 0);
    const word = Atomics.load(words, first + STATE);
    if ((word & 3) === ON_TRIAL) this.#swap(word, TRUSTED, timesOf(word), this.#now());
    if (this.#options.counted) Atomics.add(words, first + CALLS, 1);
  }

  get isOut(): boolean {
    return (Atomics.load(this.#words, this.#first + STATE) & 3) === OUT;
  }

  /** It was asked all the same, as the last resort or in a panic, and answered `tookMs` later. */
  isWellAfterAll(tookMs: number): void {
    const word = Atomics.load(this.#words, this.#first + STATE);
    if ((word & 3) !== OUT || this.cause === BY_SUCCESS_RATE) return;
    const now = this.#now();
    // What began before it was put out says nothing new.
    if (clock.since(word >>> 8, now) > tookMs + GRAIN_MS) this.#swap(word, TRUSTED, timesOf(word), now);
  }

  /** `answered`: with a status from 500. */
  failed(answered: boolean): void {
    if (this.#options.counted) {
      Atomics.add(this.#words, this.#first + CALLS, 1);
      Atomics.add(this.#words, this.#first + FAILURES, 1);
    }
    const word = Atomics.load(this.#words, this.#first + STATE);
    // What began before it was put out says nothing new.
    if ((word & 3) === OUT) return;
    const { consecutive5xx, consecutiveErrors } = this.#options;
    const inARow = this.#countInARow(answered);
    const on5xx = consecutive5xx > 0 && (inARow & LOW) >= consecutive5xx;
    const onErrors = consecutiveErrors > 0 && inARow >>> 16 >= consecutiveErrors;
    const again = (word & 3) === ON_TRIAL && (answered ? consecutive5xx > 0 : true);
    if (on5xx || onErrors || again) this.#eject(word, !onErrors && (on5xx || answered) ? BY_5XX : BY_ERRORS);
  }

  tookMs(ms: number): void {
    const at = this.#first + LATENCY;
    const before = this.#words[at] as number;
    const us = ms * 1000;
    this.#words[at] = before === 0 ? us : before + (us - before) / 8;
  }

  // what others decide -------------------------------------------------------------------------------------------

  /** For a reason that is found elsewhere. True: it is out now, by this. */
  eject(cause: Cause): boolean {
    const word = Atomics.load(this.#words, this.#first + STATE);
    return (word & 3) !== OUT && this.#eject(word, cause);
  }

  /** On trial, and something is under way there: others first. */
  hesitates(): boolean {
    if ((Atomics.load(this.#words, this.#first + STATE) & 3) !== ON_TRIAL) return false;
    return this.#table.inFlightAt(this.#slot) > 0;
  }

  /** What is due by time alone, and what a killed process left half done. */
  tend(): void {
    const word = Atomics.load(this.#words, this.#first + STATE);
    const state = word & 3;
    if (state === TRUSTED) {
      if ((Atomics.load(this.#words, this.#first + UNAVAILABLE) & EJECTED) !== 0) this.#publish();
      return;
    }
    const now = this.#now();
    const since = clock.since(word >>> 8, now);
    if (state === OUT && since >= this.#termMs(word)) this.#swap(word, ON_TRIAL, timesOf(word), now);
    // Nobody has tried it for long, or what is under way never ends.
    else if (state === ON_TRIAL && since >= this.#options.baseEjection)
      this.#swap(word, TRUSTED, timesOf(word), now);
    else this.#publish();
  }

  /** Lets it come back before its time. */
  release(): void {
    const word = Atomics.load(this.#words, this.#first + STATE);
    if ((word & 3) === OUT) this.#swap(word, ON_TRIAL, timesOf(word), this.#now());
  }

  reset(): void {
    for (let i = 0; i < WORDS; i++) Atomics.store(this.#words, this.#first + EJECTION_AT + i, 0);
    this.#table.mark(this.#slot, EJECTED, false);
  }

  // what there is to see -----------------------------------------------------------------------------------------

  get view(): (typeof VIEWS)[number] {
    return VIEWS[Atomics.load(this.#words, this.#first + STATE) & 3] as (typeof VIEWS)[number];
  }

  /** Milliseconds until it comes back; 0: it is not out. */
  remaining(): number {
    const word = Atomics.load(this.#words, this.#first + STATE);
    if ((word & 3) !== OUT) return 0;
    return Math.max(0, this.#termMs(word) - clock.since(word >>> 8, this.#now()));
  }

  get ejections(): number {
    return Atomics.load(this.#words, this.#first + EJECTIONS);
  }

  get cause(): Cause {
    return Atomics.load(this.#words, this.#first + CAUSE) as Cause;
  }

  get counts() {
    return {
      calls: Atomics.load(this.#words, this.#first + CALLS) >>> 0,
      failures: Atomics.load(this.#words, this.#first + FAILURES) >>> 0,
    };
  }

  /** Milliseconds; 0: nothing is known. */
  get latencyMs(): number {
    return (this.#words[this.#first + LATENCY] as number) / 1000;
  }

  // ------------------------------------------------------------------------------------------------------------

  #countInARow(answered: boolean): number {
    const at = this.#first + IN_A_ROW;
    for (;;) {
      const before = Atomics.load(this.#words, at);
      const low = Math.min(LOW, (before & LOW) + 1);
      const high = answered ? 0 : Math.min(0x7fff, (before >>> 16) + 1);
      const after = high * ERROR + low;
      if (Atomics.compareExchange(this.#words, at, before, after) === before) return after;
    }
  }

  #eject(word: number, cause: Cause): boolean {
    if (!this.#mayEject(this.#slot)) return false;
    const now = this.#now();
    const times = Math.min(MOST_TIMES, this.#timesLately(word, now) + 1);
    if (!this.#swap(word, OUT, times, now)) return false;
    const words = this.#words;
    Atomics.store(words, this.#first + IN_A_ROW, 0);
    // Others may have been put out in the same moment: one too many comes back.
    if (!this.#mayEject(this.#slot)) {
      const mine = pack(OUT, times, clock.at(now));
      this.#swap(mine, word & 3, timesOf(word), now);
      return false;
    }
    Atomics.store(words, this.#first + CAUSE, cause);
    Atomics.add(words, this.#first + EJECTIONS, 1);
    return true;
  }

  /** One is forgiven for each `baseEjection` without trouble. */
  #timesLately(word: number, now: number): number {
    const times = timesOf(word);
    if ((word & 3) !== TRUSTED || times === 0) return times;
    return Math.max(0, times - Math.floor(clock.since(word >>> 8, now) / this.#options.baseEjection));
  }

  #termMs(word: number): number {
    const { baseEjection, maxEjection } = this.#options;
    return Math.min(maxEjection, baseEjection * timesOf(word));
  }

  #swap(word: number, state: number, times: number, now: number): boolean {
    const next = pack(state, times, clock.at(now));
    if (Atomics.compareExchange(this.#words, this.#first + STATE, word, next) !== word) return false;
    this.#publish();
    return true;
  }

  /** Sets or clears the bit that balancers read, until it is still true afterwards. */
  #publish(): void {
    for (;;) {
      const word = Atomics.load(this.#words, this.#first + STATE);
      this.#table.mark(this.#slot, EJECTED, (word & 3) === OUT);
      if (Atomics.load(this.#words, this.#first + STATE) === word) return;
    }
  }
}
