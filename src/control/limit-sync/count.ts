/** The count of a quota, as all machines together have it. What this one has counted since is added up by Redis, and the sum comes back. */
import type { Reply, Row } from '../../services/store/limits/redis-limits.js';
import { SPARE, STATE } from '../../shared/slots.js';
import { ROUND_MS } from './lease.js';
import { change, dueAt, isStill, type Key, type Shared, type SharedSlot } from './slot.js';

/** Redis forgets a count so long after its period. */
const KEPT_MS = 3_600_000;
const MOST = 2 ** 32 - 1;

export class Count implements SharedSlot {
  readonly key: Key;
  readonly #shared: Shared;
  #marked = true;
  #sent: number | null = null;
  #nextAt = 0;

  constructor(shared: Shared, key: Key) {
    this.#shared = shared;
    this.key = key;
  }

  touch(): void {
    this.#marked = true;
  }

  row(now: number): Row | null {
    if (!this.#marked || this.#sent !== null || now < this.#nextAt) return null;
    const { words } = this.#shared.table;
    const count = Atomics.load(words, this.key.p + STATE) >>> 0;
    const known = Atomics.load(words, this.key.p + SPARE) >>> 0;
    if (!isStill(this.#shared, this.key)) return null;
    const used = now < this.#shared.addFrom ? 0 : count - known;
    this.#sent = known + used;
    this.#marked = this.#sent !== count;
    const left = Math.max(0, dueAt(this.#shared, this.key) - now);
    const { h1, h2 } = this.key;
    return {
      h1,
      h2,
      kind: 'q',
      count: MOST,
      periodMs: left + KEPT_MS,
      cap: 0,
      used,
      want: 0,
      demand: 0,
      start: known,
    };
  }

  settle({ given, hintMs }: Reply, now: number): boolean {
    const sent = this.#sent;
    this.#sent = null;
    this.#nextAt = now + ROUND_MS;
    if (sent === null) return false;
    if (hintMs > 0) this.#shared.isLost = true;
    const total = Math.max(0, Math.min(MOST, given));
    const isOurs = change(this.#shared, this.key, (state) => Math.max(0, total + (state >>> 0) - sent) | 0);
    if (isOurs) Atomics.store(this.#shared.table.words, this.key.p + SPARE, total | 0);
    return isOurs && total !== sent;
  }

  giveUp(): void {
    this.#sent = null;
    this.#marked = true;
  }

  goAway(): void {
    this.giveUp();
  }

  alone(): void {}

  /** Redis may have lost it: the survey comes to all of them. */
  comeBack(now: number): void {
    this.#nextAt = now;
  }

  /** What was not reported yet is, when Redis is back: until then it is kept in mind. */
  isDone(now: number): boolean {
    return (this.#sent === null && !this.#marked) || now > dueAt(this.#shared, this.key);
  }
}
