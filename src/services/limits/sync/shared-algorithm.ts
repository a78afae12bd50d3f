import type { LimitConfig, RateConfig } from '../../../config/schema/limits/limits.js';
import { QUOTA } from '../../../shared/slots.js';
import { SHARED_BUCKET, SHARED_WINDOW } from '../../../shared/sync-board.js';
import { Quota } from '../algorithms/quota.js';
import { SlidingWindow } from '../algorithms/sliding-window.js';
import type { Algorithm } from '../decision.js';
import type { LimitMemory } from '../memory.js';
import { LeasedBucket } from './leased-bucket.js';
import { SharedConcurrency } from './shared-concurrency.js';

/** How a limit counts that several machines share. Throws a RangeError for figures that cannot be counted. */
export function sharedAlgorithm(
  { algorithm, burst, max, per }: LimitConfig,
  rate: RateConfig | null,
  { table, holds, clock, board, calendar: byCalendar, rolling }: LimitMemory,
): Algorithm {
  const calendar = (now: number) => clock.calendar(now);
  const most = max as number;
  switch (algorithm) {
    case 'token-bucket': {
      const { count, periodMs } = rate as RateConfig;
      return new LeasedBucket(table, board, { kind: SHARED_BUCKET, count, periodMs, burst: burst ?? count });
    }
    case 'sliding-window': {
      const { count, periodMs } = rate as RateConfig;
      return new LeasedBucket(table, board, { kind: SHARED_WINDOW, count, periodMs, burst: count });
    }
    case 'concurrency':
      return new SharedConcurrency(table, holds, board, most);
    case 'adaptive':
      throw new Error('an adaptive limit knows the past of one machine');
    case 'quota':
      return typeof per === 'number'
        ? new SlidingWindow(table, most, per, QUOTA, calendar, rolling, board)
        : new Quota(table, most, per as 'day' | 'week' | 'month', calendar, byCalendar, board);
  }
}
