/** Balancing policies: each a one-method `Balancer` over weighted endpoints, of which it chooses those that are available. */
import type { Exchange } from '../../exchange.js';
import type { Endpoint } from '../endpoint.js';

/** One of those to choose from. */
export interface Member {
  readonly endpoint: Endpoint;
  readonly weight: number;
}

/** Chooses the endpoint of the next attempt. */
export interface Balancer {
  /** `not` failed just now: take another if there is one. null: none is available. */
  pick(x: Exchange, not: Endpoint | null): Endpoint | null;
}

export type Policy = 'round-robin' | 'random';

/** `offset` differs between workers, so that they do not all begin with the same endpoint. */
export function createBalancer(policy: Policy, members: readonly Member[], offset: number): Balancer {
  if (members.length === 1) return new Single((members[0] as Member).endpoint);
  return policy === 'random' ? new Random(members) : new RoundRobin(members, offset);
}

class Single implements Balancer {
  readonly #endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  pick(): Endpoint | null {
    return this.#endpoint.available ? this.#endpoint : null;
  }
}

/**
 * Smooth weighted round robin: the schedule of one full turn is computed here, once, so that a pick is one step in an
 * array. Weights are reduced by their common divisor; a turn is as long as their sum.
 */
class RoundRobin implements Balancer {
  readonly #turn: Endpoint[];
  #next: number;

  constructor(members: readonly Member[], offset: number) {
    this.#turn = smoothTurn(members);
    this.#next = offset % this.#turn.length;
  }

  pick(_x: Exchange, not: Endpoint | null): Endpoint | null {
    const { length } = this.#turn;
    let last: Endpoint | null = null;
    for (let i = 0; i < length; i++) {
      const endpoint = this.#step();
      if (!endpoint.available) continue;
      if (endpoint !== not) return endpoint;
      last = endpoint;
    }
    return last;
  }

  #step(): Endpoint {
    const endpoint = this.#turn[this.#next] as Endpoint;
    this.#next = this.#next + 1 === this.#turn.length ? 0 : this.#next + 1;
    return endpoint;
  }
}

function smoothTurn(members: readonly Member[]): Endpoint[] {
  const divisor = members.reduce((d, e) => gcd(d, e.weight), 0);
  const weights = members.map((e) => e.weight / divisor);
  const total = weights.reduce((sum, w) => sum + w, 0);
  const current = weights.map(() => 0);
  const turn: Endpoint[] = [];
  for (let n = 0; n < total; n++) {
    let best = 0;
    for (let i = 0; i < weights.length; i++) {
      current[i] += weights[i];
      if (current[i] > current[best]) best = i;
    }
    current[best] -= total;
    turn.push(members[best].endpoint);
  }
  return turn;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** By weight, each pick for itself. */
class Random implements Balancer {
  readonly #members: readonly Member[];

  constructor(members: readonly Member[]) {
    this.#members = members;
  }

  pick(_x: Exchange, not: Endpoint | null): Endpoint | null {
    let total = 0;
    for (const { endpoint, weight } of this.#members)
      if (endpoint !== not && endpoint.available) total += weight;
    if (total === 0) return not?.available ? not : null;
    let point = Math.random() * total;
    let last: Endpoint | null = null;
    for (const { endpoint, weight } of this.#members) {
      if (endpoint === not || !endpoint.available) continue;
      last = endpoint;
      point -= weight;
      if (point < 0) break;
    }
    return last;
  }
}
