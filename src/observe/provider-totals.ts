import type { DecisionCounts } from '../services/authz/decision.js';
import type { ProviderCounts } from '../services/identity.js';

/** What a provider of identities decided in all workers since the gateway started. */
export class ProviderTotals {
  accepted = 0;
  cacheHits = 0;
  cacheMisses = 0;
  /** By reason. */
  readonly refused = new Map<string, number>();

  merge({ accepted, refused, cacheHits, cacheMisses }: ProviderCounts): void {
    this.accepted += accepted;
    this.cacheHits += cacheHits;
    this.cacheMisses += cacheMisses;
    for (const [reason, count] of Object.entries(refused)) {
      this.refused.set(reason, (this.refused.get(reason) ?? 0) + count);
    }
  }
}

/** The same for an external decision point. */
export class DecisionTotals {
  allowed = 0;
  denied = 0;
  failed = 0;
  cacheHits = 0;

  merge({ allowed, denied, failed, cacheHits }: DecisionCounts): void {
    this.allowed += allowed;
    this.denied += denied;
    this.failed += failed;
    this.cacheHits += cacheHits;
  }
}
