/**
 * The algorithm `adaptive`: counts what each key does, has it judged against its own past window by window, and throttles it to
 * the floor for a while when it is far off. Counts and past are in shared memory: it does not matter which worker a key's
 * connections are with. One worker closes a window, for all.
 */
import type { BucketTable } from '../../../shared/bucket-table.js';
import {
  ERRORS,
  NO_PROFILE,
  PAST,
  PAST_NUMBERS,
  type ProfileTable,
  REQUESTS,
  UNTIL,
  WINDOW,
} from '../../../shared/profile-table.js';
import { TokenBucket } from '../algorithms/token-bucket.js';
import type { Algorithm, Decision } from '../decision.js';
import type { AdaptiveOptions } from './options.js';
import { type Opinion, type Scorer, WINDOW_MS, type WindowOfKey } from './scorer.js';
import { scorers } from './scorers.js';

/** Something was decided about a key; told with the exchange that brought it about. */
export interface AdaptiveEvent {
  readonly limit: string;
  /** `throttled`; `kept` so when its time was over, because it is still far off; `released`. */
  readonly decision: 'throttled' | 'kept' | 'released';
  readonly h1: number;
  readonly h2: number;
  readonly opinion: Readonly<Opinion>;
}

/** What the adaptive limits of a process work with. */
export interface AdaptiveBook {
  readonly profiles: ProfileTable;
  /** Decisions that nobody has told yet. */
  readonly events: AdaptiveEvent[];
}

export class Adaptive implements Algorithm {
  /** The floor. Clients are not told: it is not what holds for them, as long as they stay what they are. */
  readonly quota: number;
  readonly windowSeconds: number;
  readonly untold = true;
  readonly #name: string;
  readonly #book: AdaptiveBook;
  readonly #floor: TokenBucket;
  readonly #scorer: Scorer;
  readonly #windows: number;
  /** A floor of other figures counts in other buckets. */
  readonly #mask: number;
  readonly #past = new Float32Array(PAST_NUMBERS);
  readonly #window: WindowOfKey = { requests: 0, errors: 0, idle: 0 };
  readonly #opinion: Opinion = { signal: null, score: 0, now: 0, usual: 0, deviation: 0, threshold: 0 };
  // Of the request at hand: `take` follows `peek` for the same one, which counts once.
  #h1 = 0;
  #h2 = 0;
  #now = -1;
  #throttled = false;

  constructor(name: string, options: AdaptiveOptions, book: AdaptiveBook, table: BucketTable) {
    const { floor, scorer, windows } = options;
    this.quota = floor.count;
    this.windowSeconds = floor.periodMs / 1000;
    this.#name = name;
    this.#book = book;
    this.#floor = new TokenBucket(table, floor.count, floor.periodMs, floorBurst(floor));
    this.#scorer = scorers[scorer](options);
    this.#windows = windows;
    this.#mask = Math.imul(floor.count, 0x9e3779b1) ^ Math.imul(floor.periodMs, 0x85ebca6b);
  }

  peek(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean {
    if (!this.#meet(h1, h2, now)) return this.#pass(d, i);
    return this.#floor.peek(d, i, h1 ^ this.#mask, h2 ^ this.#mask, cost, now);
  }

  take(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean {
    if (!this.#meet(h1, h2, now)) return this.#pass(d, i);
    return this.#floor.take(d, i, h1 ^ this.#mask, h2 ^ this.#mask, cost, now);
  }

  refund(d: Decision, i: number, h1: number, cost: number, now: number): void {
    if (d.slots[i] !== NO_PROFILE) this.#floor.refund(d, i, h1 ^ this.#mask, cost, now);
  }

  /** A request of this key has ended badly. */
  failed(h1: number, h2: number): void {
    const { profiles } = this.#book;
    const p = profiles.find(h1, h2);
    if (p !== NO_PROFILE) Atomics.add(profiles.words, p + ERRORS, 1);
  }

  /** Counts the request; whether its key is throttled. */
  #meet(h1: number, h2: number, now: number): boolean {
    if (now === this.#now && h1 === this.#h1 && h2 === this.#h2) return this.#throttled;
    this.#now = now;
    this.#h1 = h1;
    this.#h2 = h2;
    const { profiles } = this.#book;
    const { words } = profiles;
    const window = 1 + Math.floor(now / WINDOW_MS);
    const p = profiles.obtain(h1, h2, window);
    this.#throttled = false;
    if (p === NO_PROFILE) return false;
    const counted = Atomics.load(words, p + WINDOW);
    if (counted < window && Atomics.compareExchange(words, p + WINDOW, counted, window) === counted) {
      this.#close(p, counted, window, h1, h2);
    }
    Atomics.add(words, p + REQUESTS, 1);
    this.#throttled = Atomics.load(words, p + UNTIL) > window;
    return this.#throttled;
  }

  #close(p: number, counted: number, window: number, h1: number, h2: number): void {
    const { words, numbers } = this.#book.profiles;
    const over = this.#window;
    over.requests = Atomics.exchange(words, p + REQUESTS, 0);
    over.errors = Atomics.exchange(words, p + ERRORS, 0);
    over.idle = window - counted - 1;
    const past = this.#past;
    for (let i = 0; i < PAST_NUMBERS; i++) past[i] = numbers[p + PAST + i] as number;
    this.#scorer.judge(past, over, this.#opinion);
    for (let i = 0; i < PAST_NUMBERS; i++) numbers[p + PAST + i] = past[i] as number;

    const until = Atomics.load(words, p + UNTIL);
    if (until > window || (until === 0 && this.#opinion.signal === null)) return;
    const isOff = this.#opinion.signal !== null;
    Atomics.store(words, p + UNTIL, isOff ? window + this.#windows : 0);
    const decision = !isOff ? 'released' : until === 0 ? 'throttled' : 'kept';
    this.#book.events.push({ limit: this.#name, decision, h1, h2, opinion: { ...this.#opinion } });
  }

  #pass(d: Decision, i: number): true {
    d.slots[i] = NO_PROFILE;
    d.remaining[i] = this.quota;
    d.resetMs[i] = 0;
    return true;
  }
}

/** A second of the floor at once, at least one. */
function floorBurst({ count, periodMs }: AdaptiveOptions['floor']): number {
  return Math.max(1, Math.ceil((count / periodMs) * 1000));
}
