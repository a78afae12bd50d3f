/**
 * What all processes know of endpoints and services: who may be chosen, how many requests are in flight, and words for
 * those who keep more (latency, health, breakers). Slots are given out by the primary, which clears them before.
 *
 * Requests in flight are counted by each worker in a row of its own, so that what a killed worker held can be forgotten.
 */
import { type Region, wordsOf } from './directory.js';

export const MOST_ENDPOINTS = 8_192;
export const MOST_SERVICES = 1_024;

/** Words of an endpoint: four lines of the processor's cache. Who owns which is said in docs/decisions/0017. */
export const ENDPOINT_WORDS = 64;
export const SERVICE_WORDS = 64;

/** Word 0 of an endpoint: the reasons not to choose it, one bit each; 0: it may be chosen. */
export const UNAVAILABLE = 0;
/** Probes have failed. */
export const UNHEALTHY = 1;
/** Requests have failed: put out for a time. */
export const EJECTED = 2;
/** Its circuit breaker is open. */
export const BROKEN = 4;
/** An operator takes it out: what runs ends, nothing new comes. */
export const DRAINED = 8;

export function endpointTableBytes(workers: number): number {
  const words =
    MOST_SERVICES * SERVICE_WORDS + MOST_ENDPOINTS * ENDPOINT_WORDS + (workers + 1) * MOST_ENDPOINTS;
  return words * 4;
}

export class EndpointTable {
  readonly words: Int32Array;
  /** What this process has in flight, by slot. Nobody else writes here as long as it lives. */
  readonly inFlight: Int32Array;
  readonly #rows: readonly Int32Array[];

  /** `worker` from 1; 0 for the primary, which has nothing in flight. */
  constructor(region: Region, worker: number) {
    const words = wordsOf(region);
    const shared = MOST_SERVICES * SERVICE_WORDS + MOST_ENDPOINTS * ENDPOINT_WORDS;
    const rows = (words.length - shared) / MOST_ENDPOINTS;
    this.words = words.subarray(0, shared);
    this.#rows = Array.from({ length: rows }, (_, row) => {
      const first = shared + row * MOST_ENDPOINTS;
      return words.subarray(first, first + MOST_ENDPOINTS);
    });
    this.inFlight = this.#rows[worker] as Int32Array;
  }

  /** Where the words of an endpoint begin. */
  endpointAt(slot: number): number {
    return MOST_SERVICES * SERVICE_WORDS + slot * ENDPOINT_WORDS;
  }

  /** Where the words of a service begin. */
  serviceAt(slot: number): number {
    return slot * SERVICE_WORDS;
  }

  /** Of all workers together. */
  inFlightAt(slot: number): number {
    let sum = 0;
    for (let row = 1; row < this.#rows.length; row++) sum += (this.#rows[row] as Int32Array)[slot] as number;
    return sum;
  }

  isAvailable(slot: number): boolean {
    return Atomics.load(this.words, this.endpointAt(slot) + UNAVAILABLE) === 0;
  }

  /** Sets or clears one reason not to choose it. True: that is a change. */
  mark(slot: number, reason: number, set: boolean): boolean {
    const word = this.endpointAt(slot) + UNAVAILABLE;
    const before = set ? Atomics.or(this.words, word, reason) : Atomics.and(this.words, word, ~reason);
    return ((before & reason) !== 0) !== set;
  }

  /** For another endpoint: by the primary, when nothing of the former one is in flight. */
  clearEndpoint(slot: number): void {
    const first = this.endpointAt(slot);
    this.words.fill(0, first, first + ENDPOINT_WORDS);
  }

  clearService(slot: number): void {
    const first = this.serviceAt(slot);
    this.words.fill(0, first, first + SERVICE_WORDS);
  }

  /** What a dead worker had in flight is over: by the primary, before another starts under its id. */
  releaseWorker(id: number): void {
    this.#rows[id]?.fill(0);
  }
}
