/** What all sources of endpoints have in common. */

import type { DiscoveryFacts } from '../../observe/families/discovery.js';
import type { Log } from '../../observe/log.js';
import type { Discovered } from '../../upstream/balance/roster.js';

/** Called with the whole list of a service, whenever it changes. */
export type Publish = (service: string, endpoints: readonly Discovered[]) => void;

export interface SourceOptions {
  readonly log: Log;
  readonly publish: Publish;
  /** Milliseconds on a clock that nobody sets. */
  readonly now: () => number;
}

/** For metrics. */
export interface SourceFacts extends DiscoveryFacts {
  readonly source: 'registry' | 'dns' | 'env';
}
