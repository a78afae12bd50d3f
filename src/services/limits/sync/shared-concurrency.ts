/**
 * Requests in flight over several machines. The primary asks Redis how many this machine may have, and writes that beside the
 * slot; it holds for three seconds. Without it, because Redis was not asked yet or is away, a machine has its share.
 */
import { type BucketTable, NONE } from '../../../shared/bucket-table.js';
import { type Holds, MOVED, REFUSED } from '../../../shared/holds.js';
import { HASH, HOLD, heldOf, MOST_HELD, SEQUENCE, SPARE, STATE, STATUS } from '../../../shared/slots.js';
import { LIMIT_ID, SHARED_HOLD, type SyncBoard, wishFor } from '../../../shared/sync-board.js';
import { noRoom } from '../algorithms/token-bucket.js';
import { type Algorithm, type Decision, NEVER, SOON_MS } from '../decision.js';

const STAMP_MS = 1_000;
const STAMPS = 2 ** 16;
/** What the primary has written is good for so many seconds. */
const GOOD_FOR = 3;

/** The room of a machine as one word: how many, and when that was. Mixed with the key, so that it is no other key's. */
export function packRoom(room: number, h2: number, now: number): number {
  return (((Math.floor(now / STAMP_MS) % STAMPS) << 16) | Math.min(room, MOST_HELD)) ^ h2;
}

/** null: it is too old, or was never written for this key. */
export function unpackRoom(word: number, h2: number, now: number): number | null {
  const plain = word ^ h2;
  const age = (Math.floor(now / STAMP_MS) - (plain >>> 16)) & (STAMPS - 1);
  const room = plain & 0xffff;
  return age <= GOOD_FOR && room <= MOST_HELD ? room : null;
}

export class SharedConcurrency implements Algorithm {
  readonly quota: number;
  readonly windowSeconds = 0;
  readonly unit = 'concurrent-requests';
  readonly #table: BucketTable;
  readonly #holds: Holds;
  readonly #board: SyncBoard;
  readonly #id: number;

  constructor(table: BucketTable, holds: Holds, board: SyncBoard, most: number) {
    if (!(most <= MOST_HELD)) throw new RangeError(`at most ${MOST_HELD} requests in flight can be counted`);
    this.quota = most;
    this.#table = table;
    this.#holds = holds;
    this.#board = board;
    this.#id = board.register({ kind: SHARED_HOLD, count: most, periodMs: 0, burst: most });
  }

  peek(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean {
    const p = this.#table.find(h1, h2);
    const state = p === NONE ? 0 : Atomics.load(this.#table.words, p + STATE);
    const held = p !== NONE && this.#table.holds(p, h1, HOLD) ? heldOf(state) : 0;
    const most = this.#most(p, h2, now);
    const admitted = held < most && this.#holds.room > 0;
    if (!admitted && p !== NONE) this.#wish(p);
    return this.#tell(d, i, held, most, admitted);
  }

  take(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean {
    const { words } = this.#table;
    if (this.quota === 0 || this.#holds.room === 0) return this.peek(d, i, h1, h2, cost, now);
    const tag = (h1 & ~STATUS) | HOLD;
    for (;;) {
      const p = this.#table.obtain(h1, h2, HOLD, Math.floor(now) & SEQUENCE, now);
      if (p === NONE) return noRoom(d);
      const most = this.#most(p, h2, now);
      const token = this.#holds.take(words, p, tag, most);
      if (token === MOVED) continue;
      const held = heldOf(Atomics.load(words, p + STATE));
      if (token === REFUSED) {
        this.#wish(p);
        return this.#tell(d, i, held, most, false);
      }
      this.#name(p);
      this.#board.mark(p);
      d.holds[i] = token;
      return this.#tell(d, i, held, most, true);
    }
  }

  refund(d: Decision, i: number, h1: number, cost: number, now: number): void {
    this.#holds.give(this.#table.words, d.holds[i] as number);
    d.holds[i] = -1;
  }

  #most(p: number, h2: number, now: number): number {
    const room = p === NONE ? null : unpackRoom(Atomics.load(this.#table.words, p + SPARE), h2, now);
    return room ?? Math.max(1, Math.ceil(this.quota / this.#board.machines));
  }

  #name(p: number): void {
    const { words } = this.#table;
    if ((Atomics.load(words, p + HASH) & LIMIT_ID) !== this.#id) Atomics.store(words, p + HASH, this.#id);
  }

  #wish(p: number): void {
    this.#name(p);
    Atomics.add(this.#table.words, p + HASH, wishFor(1));
    this.#board.mark(p);
  }

  #tell(d: Decision, i: number, held: number, most: number, admitted: boolean): boolean {
    d.remaining[i] = Math.max(0, most - held);
    d.resetMs[i] = 0;
    if (!admitted) d.wait(this.quota === 0 ? NEVER : SOON_MS);
    return admitted;
  }
}
