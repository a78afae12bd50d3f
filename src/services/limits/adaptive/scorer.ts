/**
 * Who decides whether a key is far off its own past. To add one: a file beside ewma.ts that makes a `Scorer`, and its name in
 * scorers.ts; the schema, the table of profiles, throttling, the log and metrics follow from that.
 *
 * A scorer is called when a window (a second) of a key is over and the next request of that key has come, by one process of
 * all. It has no state of its own: what it wants to remember of a key it keeps in `past`, PAST_NUMBERS numbers of 32 bits,
 * all 0 for a key that nobody knows. The first of them must say for how many windows the key is known: when room is short, keys
 * that are known for longer are kept. It must not wait, nor throw, and allocates nothing.
 *
 * What it says is taken as it is: a key with a `signal` is throttled to the floor for the configured time and then judged
 * anew. So it decides by itself when it knows enough (`learn`), and what is too little to be worth judging (`minimum`).
 */

export const SIGNALS = ['rate', 'errors'] as const;
export type Signal = (typeof SIGNALS)[number];

/** Milliseconds. Rates are requests per window. */
export const WINDOW_MS = 1_000;

/** What a key did. Reused: copy what is needed. */
export interface WindowOfKey {
  requests: number;
  /** Requests of the key that ended in this window with a status of 400 to 498, but for 429. They may have begun before. */
  errors: number;
  /** Windows since then in which the key did nothing. */
  idle: number;
}

/** What the scorer thinks: it sets all fields each time. */
export interface Opinion {
  /** By what the key is far off its past; null: it is not, or nobody knows. */
  signal: Signal | null;
  /** How far: deviations from what is usual. */
  score: number;
  /** Figures for the log: requests per second, or errors by requests. */
  now: number;
  usual: number;
  deviation: number;
  /** Beyond which it would be too far. */
  threshold: number;
}

export interface Scorer {
  judge(past: Float32Array, window: WindowOfKey, opinion: Opinion): void;
}

export interface ScorerOptions {
  /** How many deviations are too far. */
  readonly sensitivity: number;
  /** Windows for which a key must be known; as far back its past reaches. */
  readonly learn: number;
  /** Keys with fewer requests per window are left alone. */
  readonly minimum: number;
  readonly signals: readonly Signal[];
}
