/**
 * A rate that several machines share, as one machine counts it: tokens in the hand of this machine. It may use
 * those that it holds and no others; where they come from, and that they are those of a bucket or a window, is the
 * business of the primary, which asks Redis for more and takes back what is not needed (control/limit-sync/).
 *
 * The state is the number of tokens, doubled, and in the lowest bit whether the primary does not know the slot yet. Until it
 * does, the number is what was used, and a machine may use its share of a full bucket: nobody waits for Redis.
 */
import { type BucketTable, NONE } from '../../../shared/bucket-table.js';
import { BUCKET, coarse, DUE, dueAfter, HASH, SPARE, STATE } from '../../../shared/slots.js';
import {
  type Figures,
  LIMIT_ID,
  SHARED_WINDOW,
  type SyncBoard,
  wishFor,
} from '../../../shared/sync-board.js';
import { noRoom } from '../algorithms/token-bucket.js';
import { type Algorithm, type Decision, NEVER } from '../decision.js';

/** Nothing used, unknown to the primary. */
export const UNKNOWN = 1;
/** A slot lives at least so long after it was used last: for the primary to see it. */
const LEAST_LIFE_MS = 3_000;
/** When to come back where nothing better is known: the primary asks Redis about ten times in a second. */
const NEXT_ROUND_MS = 100;

export const isUnknown = (state: number): boolean => (state & 1) === UNKNOWN;
export const tokensOf = (state: number): number => state >> 1;

/** What a machine may use of a limit before it has asked, and when it cannot ask: its share of a full bucket, one at least. */
export function shareOf({ burst }: Figures, machines: number): number {
  return Math.max(1, Math.ceil(burst / machines));
}

export class LeasedBucket implements Algorithm {
  readonly quota: number;
  readonly windowSeconds: number;
  readonly #table: BucketTable;
  readonly #board: SyncBoard;
  readonly #figures: Figures;
  readonly #id: number;

  /** Throws a RangeError when the board has no room for another limit. */
  constructor(table: BucketTable, board: SyncBoard, figures: Figures) {
    this.#table = table;
    this.#board = board;
    this.#figures = figures;
    this.#id = board.register(figures);
    this.quota = figures.count;
    this.windowSeconds = figures.periodMs / 1000;
  }

  peek(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean {
    const { words } = this.#table;
    const p = this.#table.find(h1, h2);
    let state = UNKNOWN;
    if (p !== NONE) {
      state = Atomics.load(words, p + STATE);
      const due = Atomics.load(words, p + DUE);
      if (!this.#table.holds(p, h1, BUCKET) || coarse(now) > due) state = UNKNOWN;
    }
    this.#tell(d, i, p, state);
    if (this.#allows(state, cost)) return true;
    if (p !== NONE) this.#wish(p, cost);
    this.#wait(d, p, state, cost);
    return false;
  }

  take(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean {
    if (cost > this.#figures.burst) return this.peek(d, i, h1, h2, cost, now);
    const table = this.#table;
    const { words } = table;
    const price = 2 * Math.ceil(cost);
    let p = table.find(h1, h2);
    for (;;) {
      if (p === NONE) p = table.obtain(h1, h2, BUCKET, UNKNOWN, now);
      if (p === NONE) return noRoom(d);
      const state = Atomics.load(words, p + STATE);
      const due = Atomics.load(words, p + DUE);
      if (!table.holds(p, h1, BUCKET)) {
        p = NONE;
        continue;
      }
      if (coarse(now) > due && state !== UNKNOWN) {
        // What it says is of long ago. First forget it, then a later `due`, then the tokens.
        Atomics.compareExchange(words, p + STATE, state, UNKNOWN);
        continue;
      }
      if (!table.extend(p, due, dueAfter(now + this.#lifeMs(state, cost)))) continue;
      if (!this.#allows(state, cost)) {
        this.#wish(p, cost);
        this.#tell(d, i, p, state);
        this.#wait(d, p, state, cost);
        return false;
      }
      const next = isUnknown(state) ? state + price : state - price;
      if (Atomics.compareExchange(words, p + STATE, state, next) !== state) continue;
      this.#name(p);
      this.#board.mark(p);
      d.slots[i] = p;
      this.#tell(d, i, p, next);
      return true;
    }
  }

  refund(d: Decision, i: number, h1: number, cost: number, now: number): void {
    const { words } = this.#table;
    const p = d.slots[i] as number;
    const price = 2 * Math.ceil(cost);
    for (;;) {
      const state = Atomics.load(words, p + STATE);
      if (coarse(now) > Atomics.load(words, p + DUE) || !this.#table.holds(p, h1, BUCKET)) return;
      const next = isUnknown(state) ? Math.max(UNKNOWN, state - price) : state + price;
      if (Atomics.compareExchange(words, p + STATE, state, next) !== state) continue;
      this.#board.mark(p);
      return;
    }
  }

  #allows(state: number, cost: number): boolean {
    const tokens = tokensOf(state);
    if (isUnknown(state)) return tokens + cost <= shareOf(this.#figures, this.#board.machines);
    return tokens >= cost;
  }

  /**
   * A machine that forgets the key may use its share of a full bucket again: not before it has earned what it used. Of a
   * slot that the primary knows, that follows from what Redis says (control/limit-sync/lease.ts).
   */
  #lifeMs(state: number, cost: number): number {
    const { kind, count, periodMs } = this.#figures;
    if (kind === SHARED_WINDOW) return LEAST_LIFE_MS + 2 * periodMs;
    if (!isUnknown(state)) return LEAST_LIFE_MS;
    return LEAST_LIFE_MS + ((tokensOf(state) + cost) * this.#board.machines * periodMs) / count;
  }

  /** Says which limit the slot is of. Nobody else writes the number, and the primary passes over slots without one. */
  #name(p: number): void {
    const { words } = this.#table;
    if ((Atomics.load(words, p + HASH) & LIMIT_ID) !== this.#id) Atomics.store(words, p + HASH, this.#id);
  }

  /** Somebody was refused: the primary is told how much he wanted. */
  #wish(p: number, cost: number): void {
    this.#name(p);
    Atomics.add(this.#table.words, p + HASH, wishFor(cost));
    this.#board.mark(p);
  }

  /** Tokens that the key has left: those here, and those that the others had left when Redis was asked. */
  #left(p: number, state: number): number {
    const { burst } = this.#figures;
    const tokens = tokensOf(state);
    if (isUnknown(state)) return burst - tokens;
    return tokens + Atomics.load(this.#table.words, p + SPARE);
  }

  #tell(d: Decision, i: number, p: number, state: number): void {
    const { burst, count, periodMs } = this.#figures;
    const left = Math.max(0, Math.min(burst, this.#left(p, state)));
    d.remaining[i] = left;
    d.resetMs[i] = ((burst - left) * periodMs) / count;
  }

  #wait(d: Decision, p: number, state: number, cost: number): void {
    const { burst, count, periodMs } = this.#figures;
    if (cost > burst) d.wait(NEVER);
    else d.wait(Math.max(NEXT_ROUND_MS, ((cost - this.#left(p, state)) * periodMs) / count));
  }
}
