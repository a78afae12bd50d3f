/**
 * The time all processes of a gateway agree on: milliseconds since the segment was made, on the machine's monotonic
 * clock, which nobody can set. And a calendar for limits per day or month, which follows the wall clock slowly: a wall
 * clock set by an hour neither opens nor closes a limit.
 */
import { type Region, wordsOf } from './directory.js';

export const CLOCK_BYTES = 64;

// Words of the region.
const EPOCH = 0; // of process.hrtime, nanoseconds: two words
const WALL = 2; // milliseconds since 1970 at the epoch: two words
const CORRECTION = 4; // milliseconds the calendar has moved since, by following

/** The calendar goes at most this much faster or slower than time: an hour is made up for in about four days. */
const FOLLOWS = 0.01;
/** Time without a call of `follow` earns no larger step than this. */
const LONGEST_STRIDE_MS = 10_000;
/** The correction is one Int32: 24 days. */
const MOST_CORRECTION = 2 ** 31 - 1;

/** Sets the epoch: once, by the process that made the segment. `wall` in milliseconds since 1970. */
export function startClock(region: Region, wall: number = Date.now()): void {
  const words = wordsOf(region);
  writePair(words, EPOCH, process.hrtime.bigint());
  writePair(words, WALL, BigInt(Math.round(wall)));
}

export class MachineClock {
  readonly #words: Int32Array;
  /** What `performance.now()` reads at the epoch; it runs on the same clock as `process.hrtime`. */
  readonly #epoch: number;
  readonly #wallAtEpoch: number;
  #followedAt = 0;

  constructor(region: Region) {
    this.#words = wordsOf(region);
    const sinceEpoch = Number(process.hrtime.bigint() - readPair(this.#words, EPOCH)) / 1e6;
    this.#epoch = performance.now() - sinceEpoch;
    this.#wallAtEpoch = Number(readPair(this.#words, WALL));
  }

  /** Milliseconds since the epoch, with a fraction; the same in all processes to some microseconds. */
  now(): number {
    return performance.now() - this.#epoch;
  }

  /** The calendar's milliseconds since 1970 at a time of `now`. It goes back by 100 ms at most, in one `follow`. */
  calendar(now: number): number {
    return this.#wallAtEpoch + now + Atomics.load(this.#words, CORRECTION);
  }

  /** Lets the calendar follow the wall clock: by the primary alone, about once per second. */
  follow(wall: number, now: number): void {
    const most = Math.max(0, Math.min(LONGEST_STRIDE_MS, now - this.#followedAt) * FOLLOWS);
    const behind = wall - this.calendar(now);
    const step = Math.trunc(Math.max(-most, Math.min(most, behind)));
    const before = Atomics.load(this.#words, CORRECTION);
    const after = Math.max(-MOST_CORRECTION, Math.min(MOST_CORRECTION, before + step));
    Atomics.store(this.#words, CORRECTION, after);
    this.#followedAt = now;
  }
}

function writePair(words: Int32Array, at: number, value: bigint): void {
  Atomics.store(words, at, Number(BigInt.asIntN(32, value >> 32n)));
  Atomics.store(words, at + 1, Number(BigInt.asIntN(32, value)));
}

function readPair(words: Int32Array, at: number): bigint {
  return (BigInt(Atomics.load(words, at)) << 32n) | BigInt(Atomics.load(words, at + 1) >>> 0);
}
