/** Tells that a key comes near the end of its quota: once per key and period, also over restarts. */
import type { Log } from '../../observe/log.js';
import type { QuotaNote } from '../../services/limits/quotas/notes.js';
import { inPeriod, periodAt } from '../../services/limits/quotas/period.js';
import type { QuotaFile } from '../../services/store/quotas/quota-file.js';

/** The calendar may step back a little at the end of a period. */
const GRACE_MS = 60_000;

export class Thresholds {
  /** Since the start, by the name of the limit. */
  readonly counts = new Map<string, number>();
  readonly #file: Pick<QuotaFile, 'tellOnce'>;
  readonly #log: Pick<Log, 'warn'>;

  constructor(file: Pick<QuotaFile, 'tellOnce'>, log: Pick<Log, 'warn'>) {
    this.#file = file;
    this.#log = log;
  }

  /** `now` by the calendar. Several workers may tell of the same key. */
  passed({ limit, per, h1, h2, used, max, consumer, user, keyId, plan }: QuotaNote, now: number): void {
    const period = periodAt(per, now);
    if (!this.#file.tellOnce(...inPeriod(h1, h2, period), period.end + GRACE_MS)) return;
    this.counts.set(limit, (this.counts.get(limit) ?? 0) + 1);
    this.#log.warn(
      {
        limit,
        ...(consumer !== '' && { consumer }),
        ...(user !== '' && { user }),
        ...(keyId !== '' && { key: keyId }),
        ...(plan !== '' && { plan }),
        ...{ used, max, share: Math.round((100 * used) / max) / 100 },
        until: new Date(period.end).toISOString(),
      },
      'a quota comes near its end',
    );
  }
}
