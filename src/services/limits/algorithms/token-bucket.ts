/**
 * Token bucket as GCRA (ITU-T I.371): instead of tokens and the time of the last change, one time, the arrival that the
 * bucket expects in theory (TAT). It fits into one Int32, so a decision is one compare-and-swap: its unit is a part of the
 * time between two tokens, its zero the epoch, and it is compared modulo 2^32.
 *
 * That holds as long as the time in the slot is near: `due` is never before it, and a slot past due counts as full,
 * whatever time is written there.
 */
import { type BucketTable, NONE } from '../../../shared/bucket-table.js';
import { BUCKET, coarse, DUE, dueAfter, STATE } from '../../../shared/slots.js';
import { type Algorithm, type Decision, NEVER, SOON_MS } from '../decision.js';

/** Finest unit: a token is this many. */
const FINEST = 2 ** 20;
/** Half of the half of 2^32 that counts as future: room for burst, and for how long a slot outlives its bucket. */
const REACH = 2 ** 30;
/** A slot lives up to two coarse steps longer than its bucket needs; with a good margin, seconds. */
const AFTERLIFE_S = 4;

export class TokenBucket implements Algorithm {
  readonly quota: number;
  readonly windowSeconds: number;
  readonly #table: BucketTable;
  readonly #burst: number;
  /** Units of a token, of a full bucket, and of a millisecond. */
  readonly #token: number;
  readonly #full: number;
  readonly #perMs: number;

  /** `count` tokens in each `periodMs`, room for `burst` of them. */
  constructor(table: BucketTable, count: number, periodMs: number, burst: number) {
    this.#table = table;
    this.#burst = burst;
    this.quota = count;
    this.windowSeconds = periodMs / 1000;
    const perMs = count / periodMs;
    this.#token = Math.min(FINEST, Math.floor(REACH / (burst + perMs * 1000 * AFTERLIFE_S)));
    if (this.#token < 1)
      throw new RangeError(`a burst of ${burst} at ${count} per ${periodMs} ms is too much`);
    this.#full = burst * this.#token;
    this.#perMs = perMs * this.#token;
  }

  peek(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean {
    const p = this.#table.find(h1, h2);
    d.slots[i] = p;
    const ahead = p === NONE ? 0 : this.#ahead(p, h1, now);
    this.#tell(d, i, ahead);
    return this.#allows(d, ahead, cost);
  }

  /** Units until the bucket is full. */
  #ahead(p: number, h1: number, now: number): number {
    const { words } = this.#table;
    const tat = Atomics.load(words, p + STATE);
    const due = Atomics.load(words, p + DUE);
    if (!this.#table.holds(p, h1, BUCKET) || coarse(now) > due) return 0;
    return Math.max(0, (tat - ((now * this.#perMs) | 0)) | 0);
  }

  take(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean {
    // Costs beyond the burst would leave Int32.
    if (cost > this.#burst) return this.peek(d, i, h1, h2, cost, now);
    const table = this.#table;
    const { words } = table;
    const time = (now * this.#perMs) | 0;
    const price = Math.ceil(cost * this.#token);
    let p = table.findAgain(d.slots[i] as number, h1, h2);
    for (;;) {
      if (p === NONE) p = table.obtain(h1, h2, BUCKET, time, now);
      if (p === NONE) return noRoom(d);
      let tat = Atomics.load(words, p + STATE);
      const due = Atomics.load(words, p + DUE);
      if (!table.holds(p, h1, BUCKET)) {
        p = NONE;
        continue;
      }
      let ahead = (tat - time) | 0;
      if (coarse(now) > due) {
        // Full, and its time may be of any age: a near one first, then a later `due`, then the tokens.
        if (Atomics.compareExchange(words, p + STATE, tat, time) !== tat) continue;
        tat = time;
        ahead = 0;
      } else if (ahead < 0) ahead = 0;
      if (!this.#allows(d, ahead, cost)) {
        this.#tell(d, i, ahead);
        return false;
      }
      const next = (time + ahead + price) | 0;
      if (!table.extend(p, due, dueAfter(now + (ahead + price) / this.#perMs))) continue;
      if (Atomics.compareExchange(words, p + STATE, tat, next) !== tat) continue;
      d.slots[i] = p;
      this.#tell(d, i, ahead + price);
      return true;
    }
  }

  refund(d: Decision, i: number, h1: number, cost: number, now: number): void {
    const { words } = this.#table;
    const p = d.slots[i] as number;
    const price = Math.ceil(cost * this.#token);
    for (;;) {
      const tat = Atomics.load(words, p + STATE);
      // Past due it is full anyway; no longer this key's: its tokens are gone with it.
      if (coarse(now) > Atomics.load(words, p + DUE) || !this.#table.holds(p, h1, BUCKET)) return;
      if (Atomics.compareExchange(words, p + STATE, tat, (tat - price) | 0) === tat) return;
    }
  }

  #allows(d: Decision, ahead: number, cost: number): boolean {
    const excess = ahead + Math.ceil(cost * this.#token) - this.#full;
    if (excess > 0) d.wait(cost > this.#burst ? NEVER : excess / this.#perMs);
    return excess <= 0;
  }

  #tell(d: Decision, i: number, ahead: number): void {
    d.remaining[i] = Math.max(0, Math.floor((this.#full - ahead) / this.#token));
    d.resetMs[i] = ahead / this.#perMs;
  }
}

export function noRoom(d: Decision): false {
  d.noRoom = true;
  d.wait(SOON_MS);
  return false;
}
