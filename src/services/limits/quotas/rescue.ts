/** What workers do for quotas whose primary was killed: what it would have written is written by them. */
import { QuotaFile } from '../../store/quotas/quota-file.js';
import type { LimitMemory } from '../memory.js';
import { entryAt } from '../quota-dump.js';

const BATCH = 1_000;

/**
 * Synchronous, in transactions that never make a count smaller: other workers do the same, and another primary may have
 * started. @throws Error for people
 */
export async function rescueCounts(
  { calendar, rolling, clock, table }: LimitMemory,
  data: string,
): Promise<void> {
  const file = QuotaFile.open(data);
  try {
    const seed = file.seed();
    // Of another store by now: these hashes mean nothing there.
    if (seed === null || seed.some((word, i) => word !== table.seeds().durable[i])) return;
    const now = clock.now();
    const ahead = clock.calendar(now) - now;
    for (const marks of [calendar, rolling]) {
      for (let word = 0; word < marks.words; ) {
        const slots: number[] = [];
        word = marks.take(word, BATCH, slots);
        const counts = slots.flatMap((p) => {
          const entry = entryAt(table, p, ahead);
          return entry === null ? [] : { ...entry, kept: marks === calendar };
        });
        if (counts.length > 0) file.raise(counts);
      }
    }
  } finally {
    await file.close();
  }
}
