/** Balancing policies: each a one-method `Balancer` over weighted endpoints. */
import type { Endpoint } from './endpoint.js';
import type { Balancer } from './service.js';

export interface Weighted {
  readonly endpoint: Endpoint;
  readonly weight: number;
}

export type Policy = 'round-robin' | 'random';

/** `offset` differs between workers, so that they do not all begin with the same endpoint. */
export function createBalancer(policy: Policy, endpoints: readonly Weighted[], offset: number): Balancer {
  if (endpoints.length === 1) return new Single(endpoints[0].endpoint);
  return policy === 'random' ? new Random(endpoints) : new RoundRobin(endpoints, offset);
}

class Single implements Balancer {
  readonly #endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  pick(): Endpoint {
    return this.#endpoint;
  }
}

/**
 * Smooth weighted round robin: the schedule of one full turn is computed here, once, so that a pick is one step in an
 * array. Weights are reduced by their common divisor; a turn is as long as their sum.
 */
class RoundRobin implements Balancer {
  readonly #turn: Endpoint[];
  #next: number;

  constructor(endpoints: readonly Weighted[], offset: number) {
    this.#turn = smoothTurn(endpoints);
    this.#next = offset % this.#turn.length;
  }

  pick(not: Endpoint | null): Endpoint {
    const turn = this.#turn;
    let endpoint = this.#step();
    for (let i = 1; endpoint === not && i < turn.length; i++) endpoint = this.#step();
    return endpoint;
  }

  #step(): Endpoint {
    const endpoint = this.#turn[this.#next];
    this.#next = this.#next + 1 === this.#turn.length ? 0 : this.#next + 1;
    return endpoint;
  }
}

function smoothTurn(endpoints: readonly Weighted[]): Endpoint[] {
  const divisor = endpoints.reduce((d, e) => gcd(d, e.weight), 0);
  const weights = endpoints.map((e) => e.weight / divisor);
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
    turn.push(endpoints[best].endpoint);
  }
  return turn;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** By weight, each pick for itself. */
class Random implements Balancer {
  readonly #endpoints: readonly Weighted[];
  readonly #total: number;

  constructor(endpoints: readonly Weighted[]) {
    this.#endpoints = endpoints;
    this.#total = endpoints.reduce((sum, e) => sum + e.weight, 0);
  }

  pick(not: Endpoint | null): Endpoint {
    let point = Math.random() * this.#total;
    for (let i = 0; i < this.#endpoints.length; i++) {
      point -= this.#endpoints[i].weight;
      if (point >= 0) continue;
      const { endpoint } = this.#endpoints[i];
      return endpoint === not ? this.#endpoints[(i + 1) % this.#endpoints.length].endpoint : endpoint;
    }
    return this.#endpoints[0].endpoint;
  }
}
