/** How many requests of one key are in flight at once, over all workers. */
import { type BucketTable, NONE } from '../../../shared/bucket-table.js';
import { type Holds, MOVED, REFUSED } from '../../../shared/holds.js';
import { HOLD, heldOf, MOST_HELD, SEQUENCE, STATE, STATUS } from '../../../shared/slots.js';
import { type Algorithm, type Decision, NEVER, SOON_MS } from '../decision.js';
import { noRoom } from './token-bucket.js';

export class Concurrency implements Algorithm {
  readonly quota: number;
  readonly windowSeconds = 0;
  readonly unit = 'concurrent-requests';
  readonly #table: BucketTable;
  readonly #holds: Holds;

  constructor(table: BucketTable, holds: Holds, most: number) {
    if (!(most <= MOST_HELD)) throw new RangeError(`at most ${MOST_HELD} requests in flight can be counted`);
    this.quota = most;
    this.#table = table;
    this.#holds = holds;
  }

  peek(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean {
    const p = this.#table.find(h1, h2);
    const state = p === NONE ? 0 : Atomics.load(this.#table.words, p + STATE);
    const held = p !== NONE && this.#table.holds(p, h1, HOLD) ? heldOf(state) : 0;
    const admitted = held < this.quota && this.#holds.room > 0;
    return this.#tell(d, i, held, admitted);
  }

  /** One request is one, whatever it costs. */
  take(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean {
    const { words } = this.#table;
    if (this.quota === 0 || this.#holds.room === 0) return this.peek(d, i, h1, h2, cost, now);
    const tag = (h1 & ~STATUS) | HOLD;
    for (;;) {
      // A slot's first state must differ from its last: the operation's number, of nobody, does.
      const p = this.#table.obtain(h1, h2, HOLD, Math.floor(now) & SEQUENCE, now);
      if (p === NONE) return noRoom(d);
      const token = this.#holds.take(words, p, tag, this.quota);
      if (token === MOVED) continue;
      const held = heldOf(Atomics.load(words, p + STATE));
      if (token === REFUSED) return this.#tell(d, i, held, false);
      d.holds[i] = token;
      return this.#tell(d, i, held, true);
    }
  }

  refund(d: Decision, i: number, h1: number, cost: number, now: number): void {
    this.#holds.give(this.#table.words, d.holds[i] as number);
    d.holds[i] = -1;
  }

  #tell(d: Decision, i: number, held: number, admitted: boolean): boolean {
    d.remaining[i] = Math.max(0, this.quota - held);
    d.resetMs[i] = 0;
    if (!admitted) d.wait(this.quota === 0 ? NEVER : SOON_MS);
    return admitted;
  }
}
