/** Room for requests in flight: of the most there may be, so many are this machine's for the next three seconds. */
import { packRoom } from '../../services/limits/sync/shared-concurrency.js';
import type { Reply, Row } from '../../services/store/limits/redis-limits.js';
import { HASH, heldOf, SPARE, STATE } from '../../shared/slots.js';
import { type Figures, wishBetween, wishOf } from '../../shared/sync-board.js';
import { ROUND_MS } from './lease.js';
import { isStill, type Key, type Shared, type SharedSlot } from './slot.js';

/** Redis forgets the room of a machine that has not spoken for so long. */
const FORGET_MS = 3_000;
/** Room that is in use is confirmed about so often. */
const CONFIRM_MS = 500;

export class Room implements SharedSlot {
  readonly key: Key;
  readonly #shared: Shared;
  readonly #figures: Figures;
  #wish: number;
  #room = 0;
  #touched = true;
  #waiting = false;
  #isBack = false;
  #nextAt = 0;
  #settledAt = 0;

  constructor(shared: Shared, key: Key, figures: Figures) {
    this.#shared = shared;
    this.key = key;
    this.#figures = figures;
    this.#wish = wishOf(Atomics.load(shared.table.words, key.p + HASH));
  }

  touch(): void {
    this.#touched = true;
    this.#nextAt = Math.min(this.#nextAt, this.#settledAt + ROUND_MS);
  }

  row(now: number): Row | null {
    if (this.#waiting || now < this.#nextAt) return null;
    const held = this.#held();
    if (held === null || (!this.#touched && held === 0 && this.#room === 0)) return null;
    const { words } = this.#shared.table;
    const wish = wishOf(Atomics.load(words, this.key.p + HASH));
    const refused = wishBetween(this.#wish, wish);
    this.#wish = wish;
    // Some more than is in use, for those who come before the next round.
    const some = held + Math.max(1, Math.ceil(held / 4)) + refused;
    const inUse = held > 0 || this.#touched;
    const { count } = this.#figures;
    // Nobody else wants any of it.
    const want = !inUse ? 0 : this.#shared.board.machines === 1 ? count : some;
    this.#isBack = !inUse;
    this.#touched = false;
    this.#waiting = true;
    const { h1, h2 } = this.key;
    return {
      h1,
      h2,
      kind: 'h',
      count,
      periodMs: FORGET_MS,
      cap: 0,
      used: 0,
      want: Math.min(count, want),
      demand: 0,
      start: 0,
    };
  }

  settle({ given }: Reply, now: number): boolean {
    this.#waiting = false;
    this.#settledAt = now;
    this.#nextAt = now + (this.#touched ? ROUND_MS : CONFIRM_MS);
    const changed = given !== this.#room;
    this.#room = given;
    // What was given back is forgotten: who comes next has the share of a machine that has not asked.
    const since = this.#isBack ? now - 2 * FORGET_MS : now;
    if (this.#held() !== null)
      Atomics.store(this.#shared.table.words, this.key.p + SPARE, packRoom(given, this.key.h2, since));
    return changed;
  }

  giveUp(): void {
    this.#waiting = false;
    this.#touched = true;
  }

  goAway(): void {
    this.giveUp();
  }

  /** The workers notice by themselves that what they were told is old. */
  alone(): void {}

  comeBack(now: number): void {
    this.#touched = true;
    this.#nextAt = now;
  }

  isDone(): boolean {
    const held = this.#held();
    return held === null || (!this.#waiting && !this.#touched && held === 0 && this.#room === 0);
  }

  #held(): number | null {
    const state = Atomics.load(this.#shared.table.words, this.key.p + STATE);
    return isStill(this.#shared, this.key) ? heldOf(state) : null;
  }
}
