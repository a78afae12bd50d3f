/**
 * Tokens of a bucket or a window in the hand of this machine. Each is in one place only: with Redis, or here. What is used is
 * reported, and as much is asked for as is likely to be used until the next time; what lies idle goes back.
 *
 * Before Redis was asked, and while it is away, the machine lives on its share; what it used before it asked is
 * reported and becomes a debt with Redis, so it is paid back.
 */
import { isUnknown, shareOf, tokensOf } from '../../services/limits/sync/leased-bucket.js';
import type { Reply, Row } from '../../services/store/limits/redis-limits.js';
import { DUE, dueAfter, HASH, SPARE, STATE } from '../../shared/slots.js';
import { type Figures, SHARED_WINDOW, wishBetween, wishOf } from '../../shared/sync-board.js';
import { change, dueAt, isStill, type Key, type Shared, type SharedSlot } from './slot.js';

/** A key is asked for so often at most, and so often at least, while it is in use. */
export const ROUND_MS = 100;
const LONGEST_ROUND_MS = 250;
/** Of a low limit every token counts, so it is asked for often: the longest round is for so many tokens in a second. */
const TOKENS_OF_LONGEST = 1000;
/** In between a round is for about so many requests: Redis works for rounds, not for requests. */
const REQUESTS_PER_ROUND = 120;
/** A bucket that is full sooner is asked for sooner: else what it earns meanwhile would have no room. */
const ROUNDS_PER_FULL = 1.6;
/** Sooner, when Redis has more than was asked for and it runs short here. */
const SHORT_MS = 20;
/** What is asked for lasts for a round, its way to Redis and back, and something for chance. */
const AHEAD = 1.6;
/** Over this time the demand is averaged. */
const MEMORY_MS = 400;
/** Nobody wants it: tokens go back after this time. */
const IDLE_MS = 300;
/** Where there is nothing, others may give something back. */
const LONGEST_WAIT_MS = 1000;

const MOST_TOKENS = 2 ** 30 - 1;

export class Lease implements SharedSlot {
  readonly key: Key;
  readonly #shared: Shared;
  readonly #figures: Figures;
  /** Tokens in a millisecond, and the most there are at once: a bucket too small for one round's tokens holds those. */
  readonly #perMs: number;
  readonly #most: number;
  /** Used without having been given by Redis, and not reported yet; what an unknown slot has used comes on top. */
  #owed = 0;
  #unknown: boolean;
  /** Tokens with Redis, when it was last asked. */
  #left: number;
  #wish: number;
  /** Tokens wanted in a millisecond, on average; what was seen when that was looked at last. */
  #demand = 0;
  #seen: number;
  #lookedAt: number;
  #touchedAt: number;
  #nextAt: number;
  #saturated = false;
  /** What was at hand after Redis was asked, and when that was. */
  #held = 0;
  #settledAt = 0;
  #sent: { state: number; unknown: boolean; want: number } | null = null;
  /** Coming back: what there is with Redis at most. */
  #atMost: number | null = null;
  /** Part of a token that is earned alone. */
  #earned = 0;
  #earnedAt = 0;

  constructor(shared: Shared, key: Key, figures: Figures, now: number) {
    this.#shared = shared;
    this.key = key;
    this.#figures = figures;
    this.#perMs = figures.count / figures.periodMs;
    this.#most = Math.min(MOST_TOKENS, Math.max(figures.burst, Math.ceil(this.#perMs * AHEAD * ROUND_MS)));
    const { words } = shared.table;
    const state = Atomics.load(words, key.p + STATE);
    this.#unknown = isUnknown(state);
    this.#left = this.#unknown ? figures.burst : Atomics.load(words, key.p + SPARE);
    this.#wish = wishOf(Atomics.load(words, key.p + HASH));
    this.#seen = this.#unknown ? 0 : tokensOf(state);
    this.#lookedAt = now - SHORT_MS;
    this.#touchedAt = now;
    this.#nextAt = now;
    this.#earnedAt = now;
  }

  touch(now: number): void {
    this.#touchedAt = now;
    if (this.#saturated || this.#nextAt <= now) return;
    // More is used than was to be expected, and Redis has some.
    const tokens = tokensOf(Atomics.load(this.#shared.table.words, this.key.p + STATE));
    if (4 * tokens <= this.#held) this.#nextAt = Math.min(this.#nextAt, this.#settledAt + SHORT_MS);
  }

  row(now: number): Row | null {
    // What lies idle is not for the next round to give back, others want it.
    const isDue = now >= this.#nextAt || (this.#held > 1 && now - this.#touchedAt > IDLE_MS);
    if (this.#sent !== null || !isDue) return null;
    const state = this.#read();
    if (state === null) return null;
    this.#look(state, now);
    const tokens = tokensOf(state);
    const used = this.#unknown ? tokens : this.#owed;
    const want = this.#want(tokens, now);
    if (used === 0 && want === 0 && this.#atMost === null) {
      this.#nextAt = now + ROUND_MS;
      return null;
    }
    this.#sent = { state, unknown: this.#unknown, want };
    const { h1, h2 } = this.key;
    const { count, periodMs, kind } = this.#figures;
    const start = this.#atMost === null ? Math.max(0, this.#left) : -1 - this.#atMost;
    const idle = now - this.#touchedAt > IDLE_MS;
    // For a round, as those who ask seldom ask for more.
    const demand = idle ? 0 : Math.round(this.#demand * this.#roundMs() * 1e3) / 1e3;
    return {
      h1,
      h2,
      kind: kind === SHARED_WINDOW ? 'w' : 'b',
      count,
      periodMs,
      cap: this.#most,
      used,
      want,
      demand,
      start,
    };
  }

  settle({ given, left, hintMs }: Reply, now: number): boolean {
    const sent = this.#sent;
    this.#sent = null;
    this.#atMost = null;
    if (sent === null) return false;
    const before = tokensOf(sent.state);
    const tokens = Math.max(-MOST_TOKENS, Math.min(MOST_TOKENS, (sent.unknown ? 0 : before) + given));
    const isOurs = change(this.#shared, this.key, (state) => {
      // Past its time a worker has begun it anew.
      if (isUnknown(state) !== sent.unknown) return null;
      const moved = sent.unknown ? before - tokensOf(state) : tokensOf(state) - before;
      return (tokens + moved) * 2;
    });
    if (!isOurs) {
      this.#begin();
      return false;
    }
    this.#unknown = false;
    this.#owed = 0;
    this.#seen += sent.unknown ? tokens + before : given;
    this.#left = left;
    this.#held = tokens;
    this.#settledAt = now;
    Atomics.store(
      this.#shared.table.words,
      this.key.p + SPARE,
      Math.max(-MOST_TOKENS, Math.min(MOST_TOKENS, left)),
    );
    this.#remember(now + Math.max(0, this.#figures.burst - left) / this.#perMs);
    const { random } = this.#shared;
    const short = sent.want > 0 && given < sent.want;
    this.#saturated = short && left < sent.want * this.#shared.board.machines;
    if (this.#saturated) {
      // Whoever comes first when there is a token gets it: chance decides who that is.
      const wait = Math.min(LONGEST_WAIT_MS, Math.max(this.#roundMs(), hintMs));
      this.#nextAt = now + wait * (1 + 0.1 * random()) + SHORT_MS * random();
    } else if (short) this.#nextAt = now + SHORT_MS;
    else this.#nextAt = now + this.#roundMs() * (0.9 + 0.2 * random());
    return given !== 0 || sent.unknown;
  }

  giveUp(): void {
    this.#sent = null;
  }

  /** Until the whole bucket, or the share, is full again, debts included: then whoever has forgotten the key knows as much. */
  #remember(until: number): void {
    const { table } = this.#shared;
    const due = Atomics.load(table.words, this.key.p + DUE);
    if (isStill(this.#shared, this.key)) table.extend(this.key.p, due, dueAfter(until));
  }

  /** Its part of what there was: what it holds, and of what was with Redis its share. */
  goAway(now: number): void {
    this.#sent = null;
    this.#saturated = false;
    this.#earned = 0;
    this.#earnedAt = now;
    const machines = this.#shared.board.machines;
    const share = shareOf(this.#figures, machines);
    const rest = Math.floor(Math.max(0, this.#left) / machines);
    change(this.#shared, this.key, (state) => {
      if (isUnknown(state)) return Math.max(0, share - tokensOf(state)) * 2;
      const tokens = tokensOf(state);
      return Math.max(tokens, Math.min(share, tokens + rest)) * 2;
    });
    this.#unknown = false;
    this.#left = 0;
    Atomics.store(this.#shared.table.words, this.key.p + SPARE, 0);
  }

  alone(now: number): void {
    const state = this.#read();
    if (state === null) return;
    if (this.#unknown) this.goAway(now);
    const { machines } = this.#shared.board;
    const share = shareOf(this.#figures, machines);
    this.#earned += ((now - this.#earnedAt) * this.#perMs) / machines;
    this.#earnedAt = now;
    const missing = Math.max(0, share - tokensOf(Atomics.load(this.#shared.table.words, this.key.p + STATE)));
    this.#remember(now + (missing * machines) / this.#perMs);
    const whole = Math.floor(this.#earned);
    if (whole < 1) return;
    this.#earned -= whole;
    const least = Math.max(share, Math.ceil((this.#perMs / machines) * AHEAD * ROUND_MS));
    change(this.#shared, this.key, (now_) => {
      if (isUnknown(now_)) return null;
      const tokens = tokensOf(now_);
      return Math.max(tokens, Math.min(least, tokens + whole)) * 2;
    });
  }

  /** The tokens in the hand are no longer Redis' idea: they are reported as used, and of the rest there is no more than its part. */
  comeBack(now: number): void {
    const state = this.#read();
    if (state === null || this.#unknown) return;
    const tokens = Math.max(0, tokensOf(state));
    const part = Math.min(1, tokens / shareOf(this.#figures, this.#shared.board.machines));
    this.#atMost = Math.floor(this.#figures.burst * part);
    this.#owed = tokens;
    this.#seen = tokens;
    this.#nextAt = now;
  }

  isDone(now: number): boolean {
    if (this.#sent !== null || now - this.#touchedAt < IDLE_MS) return false;
    const state = this.#read();
    if (state === null || now > dueAt(this.#shared, this.key)) return true;
    if (this.#shared.board.away)
      return tokensOf(state) >= shareOf(this.#figures, this.#shared.board.machines);
    return (
      !this.#unknown && this.#owed === 0 && tokensOf(state) > 0 && this.#want(tokensOf(state), now) === 0
    );
  }

  /** The state; null: the slot is another's. */
  #read(): number | null {
    const state = Atomics.load(this.#shared.table.words, this.key.p + STATE);
    if (!isStill(this.#shared, this.key)) return null;
    if (isUnknown(state) && !this.#unknown) this.#begin();
    return state;
  }

  /** A worker has begun the slot anew: all that was known of it is over. */
  #begin(): void {
    this.#unknown = true;
    this.#owed = 0;
    this.#seen = 0;
    this.#left = this.#figures.burst;
  }

  /** How much is wanted: what was used, and what was refused. */
  #look(state: number, now: number): void {
    const tokens = this.#unknown ? -tokensOf(state) : tokensOf(state);
    const wish = wishOf(Atomics.load(this.#shared.table.words, this.key.p + HASH));
    const wanted = Math.max(0, this.#seen - tokens) + wishBetween(this.#wish, wish);
    const passed = Math.max(1, now - this.#lookedAt);
    this.#demand += (wanted / passed - this.#demand) * (1 - Math.exp(-passed / MEMORY_MS));
    this.#seen = tokens;
    this.#wish = wish;
    this.#lookedAt = now;
  }

  #roundMs(): number {
    const byRate = LONGEST_ROUND_MS * Math.min(1, (1000 * this.#perMs) / TOKENS_OF_LONGEST);
    const longest = Math.min(byRate, this.#figures.burst / this.#perMs / ROUNDS_PER_FULL);
    return Math.max(ROUND_MS, Math.min(longest, REQUESTS_PER_ROUND / this.#demand));
  }

  /** Tokens to ask for; less than 0: to give back. */
  #want(tokens: number, now: number): number {
    const held = this.#unknown ? 0 : tokens;
    const idle = now - this.#touchedAt > IDLE_MS;
    // Where there is plenty, some of it is kept at hand for whoever comes in a crowd.
    const free = Math.max(0, this.#left) + (idle ? held : 0);
    const spare = Math.floor(free / (2 * this.#shared.board.machines));
    const target = idle
      ? Math.min(this.#most, Math.max(1, spare))
      : Math.min(this.#most, Math.max(1, Math.ceil(this.#demand * AHEAD * this.#roundMs()), spare));
    if (held < target) {
      // Enough is at hand for now: no need to ask for every single one.
      if (!this.#unknown && held > target / 2 && !this.#saturated) return 0;
      return target - held;
    }
    return held > 2 * target + 1 || (idle && held > target) ? target - held : 0;
  }
}
