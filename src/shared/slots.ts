/**
 * How a slot of the bucket table lies in memory. Eight slots make a group of three cache lines: in the first the eight
 * pairs of tag and state, which is all that a search reads; in the second check and due; in the third two words for
 * those who need them. A slot goes by the index of its tag, `p`; the others are at fixed distances from it.
 */

export const GROUP_SLOTS = 8;
export const GROUP_WORDS = 48;

/** `p + STATE`: what the algorithm keeps; tag and state are replaced together, as 64 bits, when a slot changes hands. */
export const STATE = 1;
/** `p + CHECK`: the second half of the key's hash. */
export const CHECK = 16;
/** `p + DUE`: the coarse time (`coarse`) after which the slot says nothing more: its bucket is full, its window over. */
export const DUE = 17;
/** `p + HASH`: in quota slots the first half of the key's hash, whole. */
export const HASH = 32;
/** `p + SPARE`: free for what synchronises with other machines. */
export const SPARE = 33;

/** The low bits of a tag; the others are the first half of the key's hash. What it leaves out decides the group. */
export const STATUS = 7;
/** Nobody's. The whole tag is 0. */
export const EMPTY = 0;
/** Somebody is writing check and due. The state is a stamp, the rest of the tag 0. */
export const RESERVED = 1;
/** Says whose it will be, but must first be the only one. The state is a stamp. */
export const PENDING = 2;
/** In use. Free again when it is past due; may be evicted. */
export const BUCKET = 3;
/** In use, state is a `HoldState`. Free again when nothing is held. */
export const HOLD = 4;
/** In use. Free again when it is past due, never evicted. */
export const QUOTA = 5;

export type Kind = typeof BUCKET | typeof HOLD | typeof QUOTA;

/** Milliseconds of one step of coarse time: Int32 of them are 17 years. */
export const COARSE_MS = 256;

/** Whole steps of coarse time at `now`, milliseconds since the epoch. */
export function coarse(now: number): number {
  return (now / COARSE_MS) | 0;
}

/** `due` for something that is over at `end`: never before, at most two steps later. Processes differ less than a step. */
export function dueAfter(end: number): number {
  return (Math.min(end / COARSE_MS, 0x7ffffffd) | 0) + 1;
}

/**
 * Stamps tell how long ago a claim began, and no two are the same: 16 bits of time in steps of 64 ms, which come round
 * after 70 minutes, and 16 bits of a counter.
 */
const STAMP_MS = 64;
/** A claim takes a microsecond. One that has not moved for a second is of a process that died or was stopped. */
const STALE_STEPS = 16;
/** Processes may be this much apart in time: one that was stopped between reading the clock and reading the stamp. */
const APART_STEPS = 80;

export function stamp(now: number, count: number): number {
  return (((now / STAMP_MS) & 0xffff) << 16) | (count & 0xffff);
}

export function isStale(stamped: number, now: number): boolean {
  const age = (((now / STAMP_MS) & 0xffff) - (stamped >>> 16)) & 0xffff;
  return age > STALE_STEPS && age < 0x10000 - APART_STEPS;
}

/**
 * The state of a HOLD slot: how many are held, and who changed that last: worker and the number of its operation.
 * From the last two the primary can tell whether a worker that was killed had done it or not.
 */
export const MOST_HELD = (1 << 14) - 1;
export const MOST_WORKERS = (1 << 10) - 1;
export const SEQUENCE = (1 << 8) - 1;

export function holdState(held: number, worker: number, sequence: number): number {
  return (held << 18) | (worker << 8) | sequence;
}

export const heldOf = (state: number): number => state >>> 18;
export const workerOf = (state: number): number => (state >>> 8) & MOST_WORKERS;
export const sequenceOf = (state: number): number => state & SEQUENCE;
