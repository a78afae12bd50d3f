/** Decides about a request: all its limits together, so that a refused one has consumed nothing anywhere. */
import type { BucketTable } from '../../shared/bucket-table.js';
import type { Holds } from '../../shared/holds.js';
import { type Algorithm, Decision, MOST_LIMITS } from './decision.js';

/** What the engine must know of a limit. */
export interface Decider {
  readonly algorithm: Algorithm;
  /** On trial: counts and reports, never refuses. */
  readonly shadow: boolean;
}

export class LimitEngine {
  /** Of the last `decide`. */
  readonly decision = new Decision();
  readonly #table: BucketTable;
  readonly #holds: Holds;

  constructor(table: BucketTable, holds: Holds) {
    this.#table = table;
    this.#holds = holds;
  }

  /**
   * Of limit i, `hashes[2 * i]` and `hashes[2 * i + 1]` are the key's hash and `costs[i]` the price, 0 or more. `now` is of
   * the segment's clock. Allocates nothing.
   *
   * First all limits are looked at: a request that one of them refuses ends there and has written nothing. Then each is
   * taken from. Only when another process was faster in between is something taken back; until then, others find at
   * most the cost of one request less than there is, for each process that is just doing so.
   */
  decide(limits: readonly Decider[], hashes: Int32Array, costs: Float64Array, now: number): Decision {
    const d = this.decision;
    d.begin(limits.length);
    if (limits.length > 1 && !this.#look(limits, hashes, costs, now)) return d;
    for (let i = 0; i < limits.length; i++) {
      if ((d.shadowed & (1 << i)) !== 0) continue;
      const { algorithm, shadow } = limits[i] as Decider;
      const taken = algorithm.take(
        d,
        i,
        hashes[2 * i] as number,
        hashes[2 * i + 1] as number,
        costs[i] as number,
        now,
      );
      if (taken) continue;
      if (shadow) {
        this.#onTrial(i);
        continue;
      }
      this.#takeBack(limits, i, hashes, costs, now);
      d.admitted = false;
      d.refusedBy = i;
      d.refused = 1 << i;
      d.waits[i] = d.retryAfterMs;
      return d;
    }
    return d;
  }

  /** What would be decided. Takes nothing. */
  look(limits: readonly Decider[], hashes: Int32Array, costs: Float64Array, now: number): Decision {
    this.decision.begin(limits.length);
    this.#look(limits, hashes, costs, now);
    return this.decision;
  }

  /** False: refused, by the first limit that refuses and until the last one no longer would. */
  #look(limits: readonly Decider[], hashes: Int32Array, costs: Float64Array, now: number): boolean {
    const d = this.decision;
    let longest = 0;
    for (let i = 0; i < limits.length; i++) {
      const { algorithm, shadow } = limits[i] as Decider;
      if (algorithm.peek(d, i, hashes[2 * i] as number, hashes[2 * i + 1] as number, costs[i] as number, now))
        continue;
      if (shadow) {
        this.#onTrial(i);
        continue;
      }
      d.refused |= 1 << i;
      d.waits[i] = d.retryAfterMs;
      // Named is the one that keeps the request out for longest: what the client is told to wait for.
      if (d.admitted || d.retryAfterMs > longest) d.refusedBy = i;
      longest = Math.max(longest, d.retryAfterMs);
      d.admitted = false;
    }
    d.wait(longest);
    return d.admitted;
  }

  #onTrial(i: number): void {
    const d = this.decision;
    d.shadowed |= 1 << i;
    d.noRoom = false;
    d.wait(0);
  }

  #takeBack(
    limits: readonly Decider[],
    end: number,
    hashes: Int32Array,
    costs: Float64Array,
    now: number,
  ): void {
    const d = this.decision;
    for (let i = 0; i < end; i++) {
      if ((d.shadowed & (1 << i)) !== 0) continue;
      (limits[i] as Decider).algorithm.refund(d, i, hashes[2 * i] as number, costs[i] as number, now);
    }
  }

  /** Gives back what `decision.holds` named: once, when the request has ended. */
  release(token: number): void {
    if (token >= 0) this.#holds.give(this.#table.words, token);
  }
}

/** Throws: a route has more limits than a decision has room for. */
export function checkLimitCount(count: number): void {
  if (count > MOST_LIMITS) throw new RangeError(`at most ${MOST_LIMITS} limits for one route`);
}
