import { type Identity, isIdentity, type ProviderCounts, type Refusal } from './identity.js';

/** Counts what a provider decides, between two reports. */
export class ProviderCounter {
  accepted = 0;
  hits = 0;
  misses = 0;
  #refused: Record<string, number> = {};

  /** Counts a refusal and passes it through. */
  refused(refusal: Refusal): Refusal {
    this.#refused[refusal.reason] = (this.#refused[refusal.reason] ?? 0) + 1;
    return refusal;
  }

  /** Counts what was decided and passes it through. */
  judged(judgement: Identity | Refusal): Identity | Refusal {
    if (!isIdentity(judgement)) return this.refused(judgement);
    this.accepted++;
    return judgement;
  }

  flush(): ProviderCounts {
    const { accepted, hits, misses } = this;
    const counts = { accepted, refused: this.#refused, cacheHits: hits, cacheMisses: misses };
    this.accepted = 0;
    this.hits = 0;
    this.misses = 0;
    this.#refused = {};
    return counts;
  }
}
