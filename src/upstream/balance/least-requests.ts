import type { EndpointTable } from '../../shared/endpoint-table.js';
import type { Candidate } from './balancer.js';
import { TwoChoices } from './draw/two-choices.js';

/** By requests in flight, of all workers together, relative to the weight. */
export class LeastRequests extends TwoChoices {
  readonly #table: EndpointTable;

  constructor(table: EndpointTable) {
    super();
    this.#table = table;
  }

  protected isBetter(one: Candidate, other: Candidate): boolean {
    return this.#table.inFlightAt(one.slot) * other.weight < this.#table.inFlightAt(other.slot) * one.weight;
  }
}
