/** All slots that the primary has business with. Knows neither timers nor Redis: it is told what time it is, and what Redis said. */
import type { LimitKey, Reply, Row } from '../../services/store/limits/redis-limits.js';
import { type BucketTable, NONE } from '../../shared/bucket-table.js';
import { BUCKET, HASH, HOLD, QUOTA, SPARE, STATE, STATUS } from '../../shared/slots.js';
import {
  LIMIT_ID,
  SHARED_BUCKET,
  SHARED_HOLD,
  SHARED_WINDOW,
  type SyncBoard,
} from '../../shared/sync-board.js';
import { Count } from './count.js';
import { Lease } from './lease.js';
import { Room } from './room.js';
import { isStill, keyAt, type Shared, type SharedSlot } from './slot.js';
import { Survey } from './survey.js';

/** Slots that were met, in a table of a million keys: keys beyond these wait for a place. */
const MOST_SLOTS = 200_000;
/** Marks whose worker was killed before they could be found are looked for so often. */
const SWEEP_MS = 1_000;
/** All slots are gone through so often; those that were just marked, each time. */
const PASS_MS = 20;
/** When Redis has lost its data, all machines have noticed after this time: by a heartbeat, or when they come back. */
const NOTICED_MS = 2_500;
/** A Redis that evicts keys is not asked for all of them for each one. */
const MISSED_AGAIN_MS = 60_000;

/** Rows for Redis, and whose they are. */
export interface Round {
  readonly rows: Row[];
  readonly slots: SharedSlot[];
}

export class Ledger {
  readonly #shared: Shared;
  readonly #slots = new Map<number, SharedSlot>();
  #cursor = this.#slots.entries();
  #sweptAt = 0;
  #passedAt = 0;
  readonly #survey: Survey;
  #missedAt = Number.NEGATIVE_INFINITY;
  /** States that were changed by what Redis said. */
  corrections = 0;

  constructor(table: BucketTable, board: SyncBoard, random: () => number = Math.random) {
    this.#shared = { table, board, random, addFrom: 0, isLost: false };
    this.#survey = new Survey(this.#shared);
  }

  /** Keys that are followed at the moment. */
  get size(): number {
    return this.#slots.size;
  }

  /** Something is to be told, also if no key is in use. */
  get isBusy(): boolean {
    return this.size > 0 || !this.#survey.isOver;
  }

  /** What to ask, at most so many rows, and some of quotas that Redis may have lost. */
  collect(now: number, most: number): Round {
    const round: Round = { rows: [], slots: [] };
    this.#takeMarks(now);
    const { away } = this.#shared.board;
    if (now - this.#passedAt < PASS_MS) return round;
    this.#passedAt = now;
    for (let seen = this.#slots.size; seen > 0; seen--) {
      // On from where the last pass ended: when there are more than one round takes, all have their turn.
      let next = this.#cursor.next();
      if (next.done) {
        this.#cursor = this.#slots.entries();
        next = this.#cursor.next();
      }
      if (next.done) break;
      const [p, slot] = next.value;
      if (slot.isDone(now) || !isStill(this.#shared, slot.key)) {
        this.#slots.delete(p);
        continue;
      }
      if (away) {
        slot.alone(now);
        continue;
      }
      const row = most === 0 ? null : slot.row(now);
      if (row === null) continue;
      round.rows.push(row);
      round.slots.push(slot);
      if (round.rows.length === most) break;
    }
    if (most > 0 && !away) this.#surveyed(round, now, most);
    return round;
  }

  #surveyed(round: Round, now: number, most: number): void {
    if (this.#survey.isOver) return;
    for (const p of this.#survey.next(now, most)) {
      const followed = this.#slots.get(p);
      if (followed !== undefined && isStill(this.#shared, followed.key)) {
        followed.touch(now);
        continue;
      }
      const count = new Count(this.#shared, keyAt(this.#shared, p));
      const row = count.row(now);
      if (row === null) continue;
      round.rows.push(row);
      round.slots.push(count);
    }
  }

  /** What was counted of a quota here and Redis was not told yet. */
  unreported({ h1, h2 }: LimitKey): number {
    const { table } = this.#shared;
    const p = table.find(h1, h2);
    if (p === NONE) return 0;
    const count = Atomics.load(table.words, p + STATE) >>> 0;
    const known = Atomics.load(table.words, p + SPARE) >>> 0;
    return table.holds(p, h1, QUOTA) ? Math.max(0, count - known) : 0;
  }

  settle({ slots }: Round, replies: readonly Reply[], now: number): void {
    for (const [i, slot] of slots.entries()) {
      if (slot.settle(replies[i] as Reply, now)) this.corrections++;
    }
    if (!this.#shared.isLost) return;
    this.#shared.isLost = false;
    if (!this.#survey.isOver || now - this.#missedAt < MISSED_AGAIN_MS) return;
    this.#missedAt = now;
    this.tellAll(now, true);
  }

  giveUp({ slots }: Round): void {
    for (const slot of slots) slot.giveUp();
  }

  goAway(now: number): void {
    this.#shared.board.away = true;
    for (const slot of this.#slots.values()) slot.goAway(now);
  }

  /** `lost`: without its data, as far as is known. */
  comeBack(now: number, lost = false): void {
    this.#shared.board.away = false;
    for (const slot of this.#slots.values()) slot.comeBack(now);
    this.tellAll(now, lost);
  }

  /** All counts of quotas that Redis had it is told again, as it may have lost some; `lost`: all. */
  tellAll(now: number, lost: boolean): void {
    if (lost) this.#shared.addFrom = now + NOTICED_MS;
    this.#survey.begin();
  }

  #takeMarks(now: number): void {
    const everywhere = now - this.#sweptAt >= SWEEP_MS;
    if (everywhere) this.#sweptAt = now;
    const { board } = this.#shared;
    board.takeMarks((p) => {
      const slot = this.#slots.get(p);
      if (slot !== undefined && isStill(this.#shared, slot.key)) {
        slot.touch(now);
        return;
      }
      if (this.#slots.size >= MOST_SLOTS && slot === undefined) {
        board.mark(p);
        return;
      }
      const met = this.#meet(p, now);
      if (met === null) return;
      if (board.away) met.goAway(now);
      this.#slots.set(p, met);
    }, everywhere);
  }

  #meet(p: number, now: number): SharedSlot | null {
    const key = keyAt(this.#shared, p);
    if ((key.tag & STATUS) === QUOTA) return new Count(this.#shared, key);
    const figures = this.#shared.board.figures(Atomics.load(this.#shared.table.words, p + HASH) & LIMIT_ID);
    if (figures === null) return null;
    const { kind } = figures;
    const status = key.tag & STATUS;
    if (status === BUCKET && (kind === SHARED_BUCKET || kind === SHARED_WINDOW))
      return new Lease(this.#shared, key, figures, now);
    if (status === HOLD && kind === SHARED_HOLD) return new Room(this.#shared, key, figures);
    return null;
  }
}
