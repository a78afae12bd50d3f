/** What a test tells one of its processes, and what that answers. */

export interface Task {
  path: string;
  worker: number;
  keys: number;
  count: number;
  periodMs: number;
  burst: number;
  /** How long to ask, from the time that the parent puts at START in the region `tally`. */
  ms: number;
  /** Holds to take at once, instead of asking. */
  holds?: number;
}

/** When to begin, of the machine's clock, once all are ready; 0: not yet. Before it, by key, what was admitted. */
export const START = 1_000;

export interface Asked {
  ready: boolean;
  asked: number;
  admitted: number;
  first: number;
  last: number;
}

/** Words between two keys of a test. */
export function hashesOf(key: number): Int32Array {
  return Int32Array.of(Math.imul(key + 1, 0x9e3779b1), Math.imul(key + 1, 0x85ebca77));
}
