import type { Exchange } from '../../exchange.js';
import type { Endpoint } from '../endpoint.js';
import { anyBut, type Candidate, type Policy } from './balancer.js';
import { Lottery } from './draw/lottery.js';

/** Draws for one pick, if `not` comes up. */
const DRAWS = 4;

/** By weight, each pick for itself. */
export class Random implements Policy {
  #candidates: readonly Candidate[] = [];
  #lottery = new Lottery([]);

  take(candidates: readonly Candidate[]): void {
    this.#candidates = candidates;
    this.#lottery = new Lottery(candidates);
  }

  pick(_x: Exchange, not: Endpoint | null): Endpoint | null {
    const candidates = this.#candidates;
    if (candidates.length === 0) return null;
    let index = 0;
    for (let i = 0; i < DRAWS; i++) {
      index = this.#lottery.at(Math.random());
      const { endpoint } = candidates[index] as Candidate;
      if (endpoint !== not) return endpoint;
    }
    return anyBut(not, candidates, index);
  }
}
