/** A slot of a shared limit that the primary has business with, and what each kind of limit makes of it. */

import type { Reply, Row } from '../../services/store/limits/redis-limits.js';
import type { BucketTable } from '../../shared/bucket-table.js';
import { CHECK, COARSE_MS, DUE, STATE } from '../../shared/slots.js';
import { type Figures, firstHalf, type SyncBoard } from '../../shared/sync-board.js';

export interface Shared {
  readonly table: BucketTable;
  readonly board: SyncBoard;
  /** 0 to below 1. */
  readonly random: () => number;
  /**
   * Redis has lost its data: until then all machines only tell it what it had of quotas, the highest of which is right. What each has counted
   * since is added afterwards: sooner, somebody's higher count would swallow it.
   */
  addFrom: number;
  /** A key is missing in Redis that it had. */
  isLost: boolean;
}

/** Whose slot it is. */
export interface Key {
  readonly p: number;
  /** As read when the slot was met: another one means that it has changed hands. */
  readonly tag: number;
  readonly h1: number;
  readonly h2: number;
}

export interface SharedSlot {
  readonly key: Key;
  /** It was marked. */
  touch(now: number): void;
  /** What to ask Redis, null: nothing at present. A row is settled or given up before the next. */
  row(now: number): Row | null;
  /** True: something was changed. */
  settle(reply: Reply, now: number): boolean;
  giveUp(): void;
  /** Redis does not answer: from here on `alone` is called instead of `row`. */
  goAway(now: number): void;
  /** Gives out this machine's share. */
  alone(now: number): void;
  comeBack(now: number): void;
  /** Whether it can be forgotten. */
  isDone(now: number): boolean;
}

export function keyAt({ table }: Shared, p: number): Key {
  const tag = Atomics.load(table.words, p);
  return { p, tag, h1: firstHalf(p, tag, table.groups), h2: Atomics.load(table.words, p + CHECK) };
}

/** Whether the slot is still the key's; to be asked after its state was read. */
export function isStill({ table: { words } }: Shared, { p, tag, h2 }: Key): boolean {
  return Atomics.load(words, p) === tag && Atomics.load(words, p + CHECK) === h2;
}

/** Milliseconds of the machine's clock until which the slot means something. */
export function dueAt({ table: { words } }: Shared, { p }: Key): number {
  return Atomics.load(words, p + DUE) * COARSE_MS;
}

/** Changes the state by compare-and-swap. False: the slot is no longer the key's. */
export function change(shared: Shared, key: Key, next: (state: number) => number | null): boolean {
  const { words } = shared.table;
  for (;;) {
    const state = Atomics.load(words, key.p + STATE);
    if (!isStill(shared, key)) return false;
    const after = next(state);
    if (after === null) return false;
    if (after === state || Atomics.compareExchange(words, key.p + STATE, state, after) === state) return true;
  }
}

export type { Figures };
