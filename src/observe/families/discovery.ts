/** Metrics about where endpoints come from. */
import type { Family } from '../family.js';

/** How a source of one service does. */
export interface DiscoveryFacts {
  readonly service: string;
  readonly source: string;
  readonly endpoints: number;
  /** Entries that are not used: garbage, or not allowed. */
  readonly skipped: number;
  /** Seconds since the source last answered; null: it never has, or it has nothing to ask. */
  readonly ageS: number | null;
  readonly failures: number;
}

export const discoveryFamilies: readonly Family[] = [
  {
    name: 'sluice_discovery_endpoints',
    type: 'gauge',
    help: 'Endpoints that a source knows of a service, by service and source (registry, dns, env).',
    labels: ['service', 'source'],
    *samples(facts) {
      for (const { service, source, endpoints } of facts.discovery()) {
        yield { labels: { service, source }, value: endpoints };
      }
    },
  },
  {
    name: 'sluice_discovery_skipped',
    type: 'gauge',
    help: 'Registered instances that are not used, because they are garbage or their address is not allowed, by service and source.',
    labels: ['service', 'source'],
    *samples(facts) {
      for (const { service, source, skipped } of facts.discovery()) {
        if (source === 'registry') yield { labels: { service, source }, value: skipped };
      }
    },
  },
  {
    name: 'sluice_discovery_age_seconds',
    type: 'gauge',
    help: 'Time since the source last answered, by service and source.',
    labels: ['service', 'source'],
    *samples(facts) {
      for (const { service, source, ageS } of facts.discovery()) {
        if (ageS !== null) yield { labels: { service, source }, value: ageS };
      }
    },
  },
  {
    name: 'sluice_discovery_failures_total',
    type: 'counter',
    help: 'Times a source could not be asked, or had nothing, by service and source.',
    labels: ['service', 'source'],
    *samples(facts) {
      for (const { service, source, failures } of facts.discovery()) {
        if (source !== 'env') yield { labels: { service, source }, value: failures };
      }
    },
  },
];
