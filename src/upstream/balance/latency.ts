/**
 * What requests to an endpoint have lately taken, in words of the endpoint table that all workers write: a mean that
 * forgets with time, but rises to a higher value at once. Two workers that write in the same moment may lose one
 * of two values: the next ones make up for it, and nobody waits for a lock.
 */
import type { Failure } from '../../errors.js';
import { type EndpointTable, LATENCY, LATENCY_AT } from '../../shared/endpoint-table.js';

/** An endpoint nobody has asked yet. */
export const UNKNOWN = -1;

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

export interface LatencyOptions {
  /** Milliseconds after which a value counts for a third (1/e). */
  readonly decay: number;
  /** What a failure counts as, in milliseconds. */
  readonly penalty: number;
}

/** Reads. */
export function latencyAt(table: EndpointTable, slot: number, decay: number, now: number): number {
  const at = table.endpointAt(slot);
  bits[0] = Atomics.load(table.words, at + LATENCY);
  const value = float[0] as number;
  if (value === 0) return UNKNOWN;
  return value * Math.exp(-elapsed(table, at, now) / decay);
}

/** Writes: an endpoint's `meter`. */
export class LatencyMeter {
  readonly #table: EndpointTable;
  readonly #slot: number;
  readonly #options: LatencyOptions;

  constructor(table: EndpointTable, slot: number, options: LatencyOptions) {
    this.#table = table;
    this.#slot = slot;
    this.#options = options;
  }

  ended(failure: Failure | null, status: number, headMs: number): void {
    // The client left, or was at fault itself.
    if (failure !== null && failure.blame === 'client') return;
    // A WebSocket that ends: its handshake is old news.
    if (status === 101) return;
    const failed = failure !== null || status >= 500;
    this.#observe(failed ? Math.max(headMs, this.#options.penalty) : headMs, !failed);
  }

  /** `peak`: a value above the mean takes its place. Failures do not: one among thousands is one among thousands. */
  #observe(ms: number, peak: boolean): void {
    const table = this.#table;
    const { words } = table;
    const now = table.now();
    const at = table.endpointAt(this.#slot);
    bits[0] = Atomics.load(words, at + LATENCY);
    const before = float[0] as number;
    const kept =
      before === 0 || (peak && ms > before) ? 0 : Math.exp(-elapsed(table, at, now) / this.#options.decay);
    // Never 0, which says that nobody knows.
    float[0] = Math.max(before * kept + ms * (1 - kept), 1e-6);
    Atomics.store(words, at + LATENCY, bits[0] as number);
    Atomics.store(words, at + LATENCY_AT, now | 0);
  }
}

/** Since the last value was written, in milliseconds. */
function elapsed(table: EndpointTable, at: number, now: number): number {
  const ms = ((now | 0) - Atomics.load(table.words, at + LATENCY_AT)) | 0;
  // Another process may have been a moment ahead; what lies far in the future was written 25 days ago.
  return ms >= 0 ? ms : ms > -1000 ? 0 : Number.POSITIVE_INFINITY;
}
