/**
 * Power of two choices: of two endpoints drawn by weight the one with less to do. Nearly as good as looking at all of
 * them, and workers that see the same figures do not all run to the same endpoint (Mitzenmacher, 2001).
 */
import type { Exchange } from '../../../exchange.js';
import type { Endpoint } from '../../endpoint.js';
import type { Candidate, Policy } from '../balancer.js';
import { Lottery } from './lottery.js';

const DRAWS = 3;

export abstract class TwoChoices implements Policy {
  #candidates: readonly Candidate[] = [];
  #lottery = new Lottery([]);

  take(candidates: readonly Candidate[]): void {
    this.#candidates = candidates;
    this.#lottery = new Lottery(candidates);
  }

  pick(_x: Exchange, not: Endpoint | null): Endpoint | null {
    const candidates = this.#candidates;
    const { length } = candidates;
    if (length < 2) return length === 0 ? null : (candidates[0] as Candidate).endpoint;
    const first = this.#lottery.at(Math.random());
    const a = candidates[first] as Candidate;
    const b = candidates[this.#other(first, length)] as Candidate;
    if (a.endpoint === not) return b.endpoint;
    if (b.endpoint === not) return a.endpoint;
    return this.isBetter(b, a) ? b.endpoint : a.endpoint;
  }

  /** Whether `one` has clearly less to do than `other`: of equals the first drawn is taken, which is fair by weight. */
  protected abstract isBetter(one: Candidate, other: Candidate): boolean;

  #other(first: number, length: number): number {
    for (let i = 0; i < DRAWS; i++) {
      const second = this.#lottery.at(Math.random());
      if (second !== first) return second;
    }
    return first + 1 === length ? 0 : first + 1;
  }
}
