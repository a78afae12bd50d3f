/** What the options of limits mean, for those who check them and for those who run by them. Needs nothing of the schema. */
import type { LimitConfig, RateConfig } from '../../config/schema/limits/limits.js';
import type { PlanQuota } from '../../config/schema/limits/plans.js';

/** In the list of a route's limits: those of the caller's plan. */
export const PLAN = 'plan';

/** A quota that does not say when to warn. */
export const WARN_AT = 0.8;

/** Whether a `rate` is one for all, not by role. A role could be named `count`: then its value is no number. */
export function isRate(rate: RateConfig | Record<string, RateConfig>): rate is RateConfig {
  return typeof rate.count === 'number';
}

/** The limit that a plan's quota is. Its name, which is the same in all plans, is `quota/day`, `quota/24h`. */
export function limitOfQuota({ requests, ...quota }: PlanQuota): { name: string; config: LimitConfig } {
  const { per } = quota;
  const period = typeof per === 'string' ? per : windowName(per);
  const config = { ...quota, algorithm: 'quota', max: requests, over: 'reject', ipv6Prefix: 64 } as const;
  return { name: `quota/${period}`, config };
}

/** `24h`, `30d`, `90m`. */
export function windowName(ms: number): string {
  if (ms % 86_400_000 === 0 && ms > 86_400_000) return `${ms / 86_400_000}d`;
  return ms % 3_600_000 === 0 ? `${ms / 3_600_000}h` : `${ms / 60_000}m`;
}
