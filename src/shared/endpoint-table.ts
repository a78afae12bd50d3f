/**
 * What all processes know of endpoints and services: who may be chosen, how many requests are in flight, and words for
 * those who keep more (latency, health, breakers). Slots are given out by the primary, which clears them before.
 *
 * Requests in flight are counted by each worker in a row of its own, so that what a killed worker held can be forgotten.
 */
import { type Region, wordsOf } from './directory.js';
import { uptimeMs } from './uptime.js';

export const MOST_ENDPOINTS = 8_192;
export const MOST_SERVICES = 1_024;

/** Words of an endpoint: four lines of the processor's cache. Who owns which is said in docs/decisions/0017. */
export const ENDPOINT_WORDS = 64;
export const SERVICE_WORDS = 64;

/** Words of the table itself, behind those of the endpoints. */
const TABLE_WORDS = 16;
/** Counts the changes of all words 0. */
const CHANGES = 0;

/** Word 0 of an endpoint: the reasons not to choose it, one bit each; 0: it may be chosen. Changed by `mark` alone. */
export const UNAVAILABLE = 0;
/** Probes have failed. */
export const UNHEALTHY = 1;
/** Requests have failed: put out for a time. */
export const EJECTED = 2;
/** Its circuit breaker is open. */
export const BROKEN = 4;
/** An operator takes it out: what runs ends, nothing new comes. */
export const DRAINED = 8;

/** When it joined or came back: tenths of a second, see `startedAt`. */
const STARTED_AT = 1;
/** What requests have lately taken: see latency.ts in upstream/balance. */
export const LATENCY = 2;
export const LATENCY_AT = 3;

const SHARED_WORDS = MOST_SERVICES * SERVICE_WORDS + MOST_ENDPOINTS * ENDPOINT_WORDS;

export function endpointTableBytes(workers: number): number {
  return (SHARED_WORDS + TABLE_WORDS + 2 * (workers + 1) * MOST_ENDPOINTS) * 4;
}

export class EndpointTable {
  readonly words: Int32Array;
  /** What this process has in flight, by slot. Nobody else writes here as long as it lives. */
  readonly inFlight: Int32Array;
  /** Requests this process has sent, by slot; from 0 again after 2^32. Written as `inFlight` is. */
  readonly sent: Int32Array;
  /** Milliseconds, in all processes the same. */
  readonly now: () => number;
  readonly #inFlight: readonly Int32Array[];
  readonly #sent: readonly Int32Array[];
  readonly #own: Int32Array;

  /** `worker` from 1; 0 for the primary, which has nothing in flight. */
  constructor(region: Region, worker: number, now: () => number = uptimeMs) {
    const words = wordsOf(region);
    const first = SHARED_WORDS + TABLE_WORDS;
    const processes = (words.length - first) / MOST_ENDPOINTS / 2;
    const rows = Array.from({ length: 2 * processes }, (_, row) =>
      words.subarray(first + row * MOST_ENDPOINTS, first + (row + 1) * MOST_ENDPOINTS),
    );
    this.words = words.subarray(0, SHARED_WORDS);
    this.now = now;
    this.#own = words.subarray(SHARED_WORDS, first);
    this.#inFlight = rows.slice(0, processes);
    this.#sent = rows.slice(processes);
    this.inFlight = this.#inFlight[worker] as Int32Array;
    this.sent = this.#sent[worker] as Int32Array;
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
    const rows = this.#inFlight;
    for (let row = 1; row < rows.length; row++) sum += (rows[row] as Int32Array)[slot] as number;
    return sum;
  }

  /** Requests that all workers have sent there; from 0 again after 2^32. Those of dead workers count. */
  sentTo(slot: number): number {
    let sum = 0;
    for (const row of this.#sent) sum = (sum + (row[slot] as number)) | 0;
    return sum >>> 0;
  }

  /** Another value whenever any endpoint has become available or has ceased to be: worth a look at those one knows. */
  get changes(): number {
    return Atomics.load(this.#own, CHANGES);
  }

  /** The reasons not to choose it. */
  reasons(slot: number): number {
    return Atomics.load(this.words, this.endpointAt(slot) + UNAVAILABLE);
  }

  isAvailable(slot: number): boolean {
    return this.reasons(slot) === 0;
  }

  /** Sets or clears one reason not to choose it. True: that is a change. */
  mark(slot: number, reason: number, set: boolean): boolean {
    const word = this.endpointAt(slot) + UNAVAILABLE;
    const before = set ? Atomics.or(this.words, word, reason) : Atomics.and(this.words, word, ~reason);
    const after = set ? before | reason : before & ~reason;
    if (after === before) return false;
    if (after === 0) this.startSlowly(slot);
    Atomics.add(this.#own, CHANGES, 1);
    return true;
  }

  /** It has just joined, or come back: whoever starts endpoints slowly begins now. */
  startSlowly(slot: number): void {
    // 0 stands for never.
    Atomics.store(this.words, this.endpointAt(slot) + STARTED_AT, tenths(this.now()) || 1);
  }

  /** Milliseconds since it joined or came back, to a tenth of a second; Infinity: it was there from the beginning. */
  sinceStart(slot: number): number {
    const at = Atomics.load(this.words, this.endpointAt(slot) + STARTED_AT);
    if (at === 0) return Number.POSITIVE_INFINITY;
    // Clocks of two processes differ by a rounding; a value from the far side is more than three years old.
    const since = (tenths(this.now()) - at) | 0;
    return since < -10 ? Number.POSITIVE_INFINITY : Math.max(0, since) * 100;
  }

  /** For another endpoint: by the primary, when nothing of the former one is in flight. */
  clearEndpoint(slot: number): void {
    const first = this.endpointAt(slot);
    this.words.fill(0, first, first + ENDPOINT_WORDS);
    for (const row of this.#sent) row[slot] = 0;
    Atomics.add(this.#own, CHANGES, 1);
  }

  clearService(slot: number): void {
    const first = this.serviceAt(slot);
    this.words.fill(0, first, first + SERVICE_WORDS);
  }

  /** What a dead worker had in flight is over: by the primary, before another starts under its id. */
  releaseWorker(id: number): void {
    this.#inFlight[id]?.fill(0);
  }
}

/** In a word: good for thirteen years. */
function tenths(ms: number): number {
  return Math.floor(ms / 100) | 0;
}
