/**
 * The same key, the same endpoint, as long as it is there. With a bound on the load, a key whose endpoint has more than its share
 * goes to the next of its own endpoints, always in the same order (Mirrokni, Thorup, Zadimoghaddam, 2016).
 */
import type { Exchange } from '../../exchange.js';
import type { EndpointTable } from '../../shared/endpoint-table.js';
import type { Endpoint } from '../endpoint.js';
import type { Candidate, Policy } from './balancer.js';
import type { HashKey } from './hash/key.js';
import { hashText, mix } from './hash/mix.js';
import { Rendezvous } from './hash/rendezvous.js';
import { RoundRobin } from './round-robin.js';

export interface ConsistentHashOptions {
  readonly table: EndpointTable;
  readonly key: HashKey;
  /** Requests in flight at one endpoint at most, as a multiple of the mean; 0: no bound. */
  readonly maxLoad: number;
  readonly offset: number;
}

/** A key's endpoints in their order, before all are looked at one by one. */
const CHOICES = 16;
/** Up to so many endpoints all requests in flight are added up for each pick; of more, for each so many-th. */
const SUMMED = 32;

export class ConsistentHash implements Policy {
  readonly #options: ConsistentHashOptions;
  readonly #slots = new Rendezvous();
  #candidates: readonly Candidate[] = [];
  #totalWeight = 0;
  /** For requests without the key. */
  readonly #keyless: RoundRobin;
  #inFlight = 0;
  #picks = 0;

  constructor(options: ConsistentHashOptions) {
    this.#options = options;
    this.#keyless = new RoundRobin(options.offset);
  }

  take(candidates: readonly Candidate[]): void {
    this.#candidates = candidates;
    this.#totalWeight = candidates.reduce((sum, { weight }) => sum + weight, 0);
    this.#slots.take(candidates);
    this.#keyless.take(candidates);
    this.#picks = 0;
  }

  pick(x: Exchange, not: Endpoint | null): Endpoint | null {
    const candidates = this.#candidates;
    if (candidates.length < 2) return candidates[0]?.endpoint ?? null;
    const key = this.#options.key(x);
    if (key === '') return this.#keyless.pick(x, not);
    let hash = hashText(key);
    if (this.#options.maxLoad > 0) this.#addUp();
    for (let i = 0; i < CHOICES; i++) {
      const candidate = candidates[this.#slots.owner(hash)] as Candidate;
      if (candidate.endpoint !== not && !this.#isFull(candidate)) return candidate.endpoint;
      hash = mix(hash + 1);
    }
    return this.#anyWithRoom(hash >>> 0, not);
  }

  /** Requests in flight at all of them. */
  #addUp(): void {
    const candidates = this.#candidates;
    if (this.#picks-- > 0) return;
    this.#picks = Math.floor(candidates.length / SUMMED);
    let sum = 0;
    for (const { slot } of candidates) sum += this.#options.table.inFlightAt(slot);
    this.#inFlight = sum;
  }

  #isFull({ slot, weight }: Candidate): boolean {
    const { maxLoad, table } = this.#options;
    if (maxLoad === 0) return false;
    const share = ((this.#inFlight + 1) * weight) / this.#totalWeight;
    return table.inFlightAt(slot) >= Math.ceil(maxLoad * share);
  }

  #anyWithRoom(from: number, not: Endpoint | null): Endpoint | null {
    const candidates = this.#candidates;
    let other = not;
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[(from + i) % candidates.length] as Candidate;
      if (candidate.endpoint === not) continue;
      if (!this.#isFull(candidate)) return candidate.endpoint;
      if (other === not) other = candidate.endpoint;
    }
    return other;
  }
}
