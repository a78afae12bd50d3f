/** Finds who owns a point between 0 and 1, when each owns as much of it as its weight. */
import { areEqual, type Candidate } from '../balancer.js';

export class Lottery {
  readonly #count: number;
  /** Where the part of each ends; null: all parts are equal. */
  readonly #ends: Float64Array | null;
  readonly #total: number;

  constructor(candidates: readonly Candidate[]) {
    this.#count = candidates.length;
    let total = 0;
    const ends = candidates.map(({ weight }) => {
      total += weight;
      return total;
    });
    this.#total = total;
    this.#ends = areEqual(candidates) ? null : Float64Array.from(ends);
  }

  /** `point` from 0 up to, but not, 1. Returns an index. */
  at(point: number): number {
    const ends = this.#ends;
    if (ends === null) return (point * this.#count) | 0;
    const wanted = point * this.#total;
    let low = 0;
    let high = this.#count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle] as number) > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
