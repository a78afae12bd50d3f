/**
 * Smooth weighted round robin. Where a full turn is short, its schedule is computed once and a pick is one step in an
 * array. Long turns (many endpoints with weights that have little in common, or weights that move) are not written down:
 * steps of the golden section through the weights visit each as often as its share, evenly spread, with one
 * number to remember (the three-distance theorem: between two visits there are never more than three different gaps).
 */
import type { Exchange } from '../../exchange.js';
import type { Endpoint } from '../endpoint.js';
import { areEqual, type Candidate, type Policy } from './balancer.js';
import { Lottery } from './draw/lottery.js';

const LONGEST_TURN = 4_096;
/** Steps of computing a turn: about two milliseconds. */
const MOST_WORK = 1 << 20;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

export class RoundRobin implements Policy {
  #candidates: readonly Candidate[] = [];
  /** null: it is too long. */
  #turn: readonly Endpoint[] | null = [];
  #lottery: Lottery | null = null;
  #next: number;
  #point: number;

  /** `offset` differs between workers, so that they do not all begin with the same endpoint. */
  constructor(offset: number) {
    this.#next = offset;
    this.#point = (offset * GOLDEN) % 1;
  }

  /** Goes on at the same part of the turn. */
  take(candidates: readonly Candidate[]): void {
    const before = this.#turn?.length ?? 0;
    const turn = turnOf(candidates);
    this.#candidates = candidates;
    this.#turn = turn;
    this.#lottery = turn === null ? new Lottery(candidates) : null;
    if (turn === null || turn.length === 0) return;
    this.#next = before === 0 ? this.#next % turn.length : Math.floor((this.#next / before) * turn.length);
  }

  pick(_x: Exchange, not: Endpoint | null): Endpoint | null {
    const turn = this.#turn;
    const { length } = turn ?? this.#candidates;
    if (length === 0) return null;
    let endpoint = turn === null ? this.#leap() : this.#step(turn);
    for (let i = 1; endpoint === not && i < length; i++) {
      endpoint = turn === null ? this.#leap() : this.#step(turn);
    }
    return endpoint;
  }

  #step(turn: readonly Endpoint[]): Endpoint {
    const endpoint = turn[this.#next] as Endpoint;
    this.#next = this.#next + 1 === turn.length ? 0 : this.#next + 1;
    return endpoint;
  }

  #leap(): Endpoint {
    this.#point += GOLDEN;
    if (this.#point >= 1) this.#point -= 1;
    const index = (this.#lottery as Lottery).at(this.#point);
    return (this.#candidates[index] as Candidate).endpoint;
  }
}

/** One full turn, or null when it is too long to be written down. Weights are reduced by their common divisor. */
function turnOf(candidates: readonly Candidate[]): readonly Endpoint[] | null {
  if (areEqual(candidates)) return candidates.map(({ endpoint }) => endpoint);
  if (!candidates.every(({ weight }) => Number.isInteger(weight))) return null;
  const divisor = candidates.reduce((d, { weight }) => gcd(d, weight), 0);
  const weights = candidates.map(({ weight }) => weight / divisor);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total > LONGEST_TURN || total * candidates.length > MOST_WORK) return null;
  return smoothTurn(candidates, weights, total);
}

/** As nginx does it: each gains its weight, the richest is next and pays the total. */
function smoothTurn(candidates: readonly Candidate[], weights: readonly number[], total: number): Endpoint[] {
  const current = weights.map(() => 0);
  const turn: Endpoint[] = [];
  for (let n = 0; n < total; n++) {
    let best = 0;
    for (let i = 0; i < weights.length; i++) {
      current[i] += weights[i];
      if (current[i] > current[best]) best = i;
    }
    current[best] -= total;
    turn.push(candidates[best].endpoint);
  }
  return turn;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
