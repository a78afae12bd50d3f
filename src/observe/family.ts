import type { Totals } from './totals.js';

/** What the exposition shows besides the workers' counters. */
export interface GatewayFacts {
  readonly version: string;
  readonly totals: Totals;
  /** Replacements of dead workers since the start. */
  restarts(): number;
  /** Seconds since the keys of each provider were fetched. */
  keyAges(): ReadonlyMap<string, number>;
  /** What became of requests with an idempotency key, by result. */
  idempotency(): { readonly counts: () => ReadonlyMap<string, number> };
  /** How many reloads ended how. */
  reloads: Readonly<Record<'ok' | 'refused' | 'failed' | 'partial', number>>;
}

export type Labels = Record<string, string | number>;
export interface Sample {
  labels: Labels;
  value: number;
  /** Which part of a histogram this is. */
  suffix?: '_bucket' | '_sum' | '_count';
}

/** One metric family: a row of docs/metrics.md. */
export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  samples(facts: GatewayFacts): Iterable<Sample>;
}
