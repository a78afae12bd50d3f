/**
 * What a worker tells of quotas, beside counting them: that somebody's first request of a period was counted, so that a
 * list of callers can be shown, and that a key has passed the share at which somebody wants to know.
 */

import type { Exchange } from '../../../exchange.js';
import type { Decision } from '../decision.js';
import type { LimitVariant } from '../limit.js';
import type { NamedLimit } from '../plans/named-limits.js';
import { WARN_AT } from '../terms.js';
import type { QuotaPer } from './period.js';

export interface QuotaNote {
  readonly limit: string;
  readonly per: QuotaPer;
  /** The hash of the key, without the period. */
  readonly h1: number;
  readonly h2: number;
  readonly used: number;
  readonly max: number;
  /** It has passed `warnAt`. The primary knows who has been told. */
  readonly warn: boolean;
  readonly consumer: string;
  readonly user: string;
  readonly keyId: string;
  readonly plan: string;
}

/** Notes that wait for the next report; further ones are dropped, and made again a minute later. */
const MOST_NOTES = 10_000;
/** A key above its share is told of this often at most: the primary has heard it by then, or has lost it. */
const AGAIN_MS = 60_000;
const MOST_REMEMBERED = 10_000;

export class QuotaNotes {
  #notes: QuotaNote[] = [];
  /** First half of the hash → when it may be told again. Two keys that share it tell each other's tale a minute later. */
  readonly #told = new Map<number, number>();

  /** For the limits of a gate; null: none of them is a quota. */
  lookout(limits: readonly NamedLimit[]): QuotaLookout | null {
    const quotas = limits.flatMap(({ config }, index) => {
      if (config.algorithm !== 'quota' || config.per === undefined) return [];
      const share = config.warnAt === undefined ? WARN_AT : config.warnAt;
      return { index, per: config.per, share: share ?? Number.POSITIVE_INFINITY };
    });
    return quotas.length === 0 ? null : new QuotaLookout(quotas, this);
  }

  /** Whether a key that is above its share has to be told of. */
  isDue(h1: number, now: number): boolean {
    if ((this.#told.get(h1) ?? 0) > now) return false;
    if (this.#told.size >= MOST_REMEMBERED) this.#told.clear();
    this.#told.set(h1, now + AGAIN_MS);
    return true;
  }

  add(note: QuotaNote): void {
    if (this.#notes.length < MOST_NOTES) this.#notes.push(note);
  }

  take(): readonly QuotaNote[] {
    if (this.#notes.length === 0) return NONE;
    const notes = this.#notes;
    this.#notes = [];
    return notes;
  }
}

const NONE: readonly QuotaNote[] = Object.freeze([]);

interface Watched {
  /** Where in the gate's list. */
  readonly index: number;
  readonly per: QuotaPer;
  readonly share: number;
}

/** Looks at each decision of a gate that admitted. */
export class QuotaLookout {
  readonly #quotas: readonly Watched[];
  readonly #notes: QuotaNotes;

  constructor(quotas: readonly Watched[], notes: QuotaNotes) {
    this.#quotas = quotas;
    this.#notes = notes;
  }

  look(
    x: Exchange,
    d: Decision,
    variants: readonly LimitVariant[],
    hashes: Int32Array,
    costs: Float64Array,
    now: number,
  ): void {
    for (let q = 0; q < this.#quotas.length; q++) {
      const { index, per, share } = this.#quotas[q];
      if ((d.shadowed & (1 << index)) !== 0) continue;
      const { quota } = variants[index].algorithm;
      const used = quota - d.remaining[index];
      const first = used <= costs[index];
      const above = used >= quota * share;
      if (!first && !above) continue;
      const h1 = hashes[2 * index];
      const warn = above && this.#notes.isDue(h1, now);
      if (!first && !warn) continue;
      const { name } = variants[index];
      this.#notes.add({
        ...{ limit: name, per, h1, h2: hashes[2 * index + 1], used, max: quota, warn },
        consumer: x.identity?.consumer ?? '',
        user: x.identity?.user ?? '',
        keyId: x.identity?.keyId ?? '',
        plan: x.identity?.plan ?? '',
      });
    }
  }
}
