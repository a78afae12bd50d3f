import type { ChannelMachineFacts } from './families/channel-machines.js';
import type { DiscoveryFacts } from './families/discovery.js';
import type { ServiceView } from './health/view.js';
import type { SyncCounts } from './limits/sync-counts.js';
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
  /** How the sources of endpoints do. */
  discovery(): readonly DiscoveryFacts[];
  /** null: no limit is a quota. */
  quotas(): { readonly thresholds: { readonly counts: ReadonlyMap<string, number> } } | null;
  /** Of all services at the moment. */
  endpoints(): Iterable<EndpointFacts>;
  /** As they are at the moment. */
  services(): readonly ServiceView[];
  /** What was published on channels here. */
  channels?(): ChannelMachineFacts & {
    counts(): { readonly published: number; readonly refused: number; readonly broadcasts: number };
  };
  /** How limits are shared with other machines; null: they are not. */
  limitSync?(): SyncCounts | null;
  /** How many reloads ended how. */
  reloads: Readonly<Record<'ok' | 'refused' | 'failed' | 'partial', number>>;
}

export interface EndpointFacts {
  readonly service: string;
  readonly endpoint: string;
  /** Requests since it is there; from 0 again after 2^32. */
  readonly sent: number;
  readonly inFlight: number;
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
