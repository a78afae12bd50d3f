/** The limits of a route by the names they are counted under, and those of each plan. */
import type { LimitConfig } from '../../../config/schema/limits/limits.js';
import type { PlanConfig } from '../../../config/schema/limits/plans.js';
import { limitOfQuota, PLAN } from '../terms.js';

/** A limit as a route has it. */
export interface NamedLimit {
  readonly name: string;
  readonly config: LimitConfig;
}

export type Listed = readonly (string | LimitConfig)[];

/** Of a list: names of configured limits, and limits of the list's own, which are called `PREFIX/1`, `PREFIX/2` … */
export function namedLimits(
  listed: Listed,
  prefix: string,
  limits: Readonly<Record<string, LimitConfig>>,
): NamedLimit[] {
  return listed.flatMap((one, index) => {
    if (one === PLAN) return [];
    return typeof one === 'string'
      ? { name: one, config: limits[one] }
      : { name: `${prefix}/${index + 1}`, config: one };
  });
}

/** Of a plan. Quotas have the same names in all plans, so that who changes the plan keeps what is used. */
export function limitsOfPlan(
  name: string,
  plan: PlanConfig,
  limits: Readonly<Record<string, LimitConfig>>,
): NamedLimit[] {
  return [...namedLimits(plan.limits, `plan/${name}`, limits), ...plan.quotas.map(limitOfQuota)];
}
