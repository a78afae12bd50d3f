import { isDeepStrictEqual } from 'node:util';
import { MOST_LIMITS } from '../../../services/limits/decision.js';
import { limitOfQuota, PLAN } from '../../../services/limits/terms.js';
import { didYouMean } from '../../did-you-mean.js';
import { type Draft, namesIn } from '../../draft.js';
import type { Path } from '../../mistakes.js';
import type { LimitConfig } from '../../schema/limits/limits.js';
import type { Report } from '../report.js';

type Listed = readonly (string | LimitConfig)[];

/** What plans and those who apply them say: names that exist, a plan for everybody. */
export function checkPlans(draft: Draft, report: Report): void {
  const { settings, routes } = draft;
  const { limits, plans, defaultPlan, defaults } = settings;
  const names = Object.keys(plans);
  if (Object.hasOwn(limits, PLAN)) {
    report.mistake({
      path: ['limits', PLAN],
      at: 'key',
      message: `"${PLAN}" in the limits of a route means those of the caller's plan`,
      expected: 'another name for this limit',
    });
  }
  if (defaultPlan !== null && !names.includes(defaultPlan)) {
    report.mistake({
      path: ['defaultPlan'],
      message: `there is no plan "${defaultPlan}"`,
      expected: names.length === 0 ? 'a name under "plans", which is empty' : `one of ${names.join(', ')}`,
      suggestion: didYouMean(defaultPlan, names),
    });
  }
  for (const name of names) checkPlan(name, draft, report);
  const lists: [Path, Listed | undefined][] = [
    [['defaults', 'limit'], defaults.limit],
    ...routes.map(({ index, route }): [Path, Listed | undefined] => [
      ['routes', index, 'limit'],
      route?.filters.limit,
    ]),
  ];
  let applied = false;
  for (const [path, listed = []] of lists) {
    const at = listed.indexOf(PLAN);
    if (at < 0) continue;
    const where = report.written([...path, at], path);
    if (names.length === 0) {
      report.mistake({ path: where, message: 'there are no plans', expected: 'plans: { free: … }' });
    } else if (defaultPlan === null && !applied) {
      report.mistake({
        path: where,
        message: 'callers without a plan would have no limit',
        expected: `defaultPlan: ${names[0]}`,
      });
    }
    const most = Math.max(0, ...names.map((name) => sizeOf(plans[name])));
    if (listed.length - 1 + most > MOST_LIMITS) {
      report.mistake({
        path: where,
        message: 'with those of a plan the route has too many limits',
        expected: `at most ${MOST_LIMITS}`,
      });
    }
    applied = true;
  }
  if (names.length > 0 && !applied) {
    report.warning({ path: ['plans'], at: 'key', message: 'no route applies plans with "limit: plan"' });
  }
}

function checkPlan(name: string, draft: Draft, report: Report): void {
  const plan = draft.settings.plans[name];
  const known = namesIn(draft, 'limits');
  for (const [index, one] of plan.limits.entries()) {
    if (typeof one !== 'string' || known.includes(one)) continue;
    report.mistake({
      path: ['plans', name, 'limits', index],
      message: one === PLAN ? 'a plan is not part of a plan' : `there is no limit "${one}"`,
      expected: known.length === 0 ? 'a name under "limits", which is empty' : `one of ${known.join(', ')}`,
      suggestion: didYouMean(one, known),
    });
  }
  const seen: { name: string; by: readonly string[] }[] = [];
  for (const [index, quota] of plan.quotas.entries()) {
    const { name: counted } = limitOfQuota(quota);
    const same = { name: counted, by: quota.by };
    if (seen.some((other) => isDeepStrictEqual(other, same))) {
      report.mistake({
        path: ['plans', name, 'quotas', index],
        message: 'an earlier quota of the plan counts the same in the same period',
      });
    }
    seen.push(same);
    const dearest = quota.cost?.value ?? quota.cost?.default ?? 1;
    if (dearest > quota.requests) {
      report.mistake({
        path: ['plans', name, 'quotas', index, 'cost'],
        message: `a request that costs ${dearest} would never be admitted`,
        expected: `at most ${quota.requests}`,
      });
    }
  }
}

function sizeOf({ limits, quotas }: Draft['settings']['plans'][string]): number {
  return limits.length + quotas.length;
}
