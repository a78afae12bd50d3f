import type { EndpointTable } from '../../shared/endpoint-table.js';
import type { Candidate } from './balancer.js';
import { TwoChoices } from './draw/two-choices.js';
import { latencyAt, UNKNOWN } from './latency.js';

/** Below this all are equally fast, and requests in flight decide: values fade to nothing where nobody asks. */
const FASTEST_MS = 0.05;

/** By the time a request would take: lately measured, times those in flight, relative to the weight. */
export class PeakEwma extends TwoChoices {
  readonly #table: EndpointTable;
  readonly #decay: number;

  constructor(table: EndpointTable, decay: number) {
    super();
    this.#table = table;
    this.#decay = decay;
  }

  protected isBetter(one: Candidate, other: Candidate): boolean {
    const table = this.#table;
    const now = table.now();
    let ms = latencyAt(table, one.slot, this.#decay, now);
    let otherMs = latencyAt(table, other.slot, this.#decay, now);
    // One that nobody has asked is neither preferred nor shunned: it counts as the other.
    if (ms === UNKNOWN) ms = otherMs;
    else if (otherMs === UNKNOWN) otherMs = ms;
    const load = Math.max(ms, FASTEST_MS) * (table.inFlightAt(one.slot) + 1);
    const otherLoad = Math.max(otherMs, FASTEST_MS) * (table.inFlightAt(other.slot) + 1);
    return load * other.weight < otherLoad * one.weight;
  }
}
