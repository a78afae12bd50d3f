/** Counts of quotas as they are kept while no gateway runs. Who writes them to disk, and when, is decided elsewhere. */
import type { BucketTable } from '../../shared/bucket-table.js';
import { CHECK, COARSE_MS, DUE, dueAfter, HASH, QUOTA, SPARE, STATE } from '../../shared/slots.js';
import type { LimitMemory } from './memory.js';

export interface QuotaDump {
  /** Two words, the secret that the hashes were made with: as well guarded as the counts. */
  readonly seed: Int32Array;
  readonly entries: readonly QuotaEntry[];
}

export interface QuotaEntry {
  /** The hash of key and period. */
  readonly h1: number;
  readonly h2: number;
  readonly count: number;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** The quotas in use. By any process, at any time: a count may be of just before or just after a request. */
export function dumpQuotas({ table, clock }: LimitMemory, now: number): QuotaDump {
  const entries: QuotaEntry[] = [];
  const ahead = clock.calendar(now) - now;
  for (const p of table.quotas(now)) {
    const entry = entryAt(table, p, ahead);
    if (entry !== null && entry.count > 0) entries.push(entry);
  }
  return { seed: table.seeds().durable, entries };
}

/** `ahead`: milliseconds from the machine's clock to the calendar's. null: there is no quota, or no longer. */
export function entryAt(table: BucketTable, p: number, ahead: number): QuotaEntry | null {
  const { words } = table;
  const count = Atomics.load(words, p + STATE) >>> 0;
  const h1 = Atomics.load(words, p + HASH);
  const h2 = Atomics.load(words, p + CHECK);
  const expires = Math.round(Atomics.load(words, p + DUE) * COARSE_MS + ahead);
  // The slot may have changed hands meanwhile, or not have its hash yet.
  return table.holds(p, h1, QUOTA) ? { h1, h2, count, expires } : null;
}

/**
 * Puts counts back: by the primary, before workers start. Counts that are higher by now stay, entries whose time is over
 * are left out. How many found room.
 */
export function restoreQuotas(
  memory: LimitMemory,
  dump: { readonly seed: Int32Array; readonly entries: Iterable<QuotaEntry> },
  now: number,
): number {
  const { table, clock } = memory;
  const { words } = table;
  memory.adoptDurableSeed(dump.seed);
  let restored = 0;
  for (const { h1, h2, count, expires } of dump.entries) {
    const left = expires - clock.calendar(now);
    if (left <= 0) continue;
    const p = table.obtain(h1, h2, QUOTA, 0, now);
    if (p < 0) continue;
    Atomics.store(words, p + HASH, h1);
    table.extend(p, Atomics.load(words, p + DUE), dueAfter(now + left));
    // What was written down, Redis knows already: where machines count together, it is not reported again.
    Atomics.store(words, p + SPARE, count | 0);
    Atomics.store(words, p + STATE, Math.max(Atomics.load(words, p + STATE) >>> 0, count) | 0);
    restored++;
  }
  return restored;
}
