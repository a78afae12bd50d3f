/** Quotas and plans in the configuration: what they may say, and where mistakes are. */
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configOf, mistakesIn, warningsIn } from './mistakes.ts';

const ROUTE = `
routes:
  - name: hi
    match: { path: /hi }
    respond: { body: hi }
    auth: anonymous
    limit: `;

describe('a quota', () => {
  it('counts per day, week, month or in a rolling window, and by role', () => {
    const { limits } = configOf(
      `limits:
  daily: { by: [consumer], algorithm: quota, max: 1000000000, per: day }
  rolling: { by: [ip], algorithm: quota, max: { partner: 100, default: 10 }, per: 24h, warnAt: 90%, cost: { value: 2 } }
  monthly: { by: [caller], algorithm: quota, max: 10, per: 30d, warnAt: off, shadow: true }${ROUTE}[daily, rolling, monthly]`,
    );
    expect(limits.daily).toMatchObject({ max: 1_000_000_000, per: 'day' });
    expect(limits.rolling).toMatchObject({
      max: { partner: 100, default: 10 },
      per: 86_400_000,
      warnAt: 0.9,
    });
    expect(limits.monthly).toMatchObject({ per: 30 * 86_400_000, warnAt: null });
  });

  it('has a folder for its counts, ./data unless told otherwise', () => {
    const limit = '{ by: [ip], algorithm: quota, max: 5, per: day }';
    expect(configOf(`limits: { q: ${limit} }${ROUTE}q`).data).toBe(resolve(import.meta.dirname, 'data'));
    expect(configOf(`data: /var/lib/sluice${ROUTE}${limit}`).data).toBe('/var/lib/sluice');
    // One that no route uses needs none.
    expect(configOf(`limits: { q: ${limit} }${ROUTE}off`).data).toBeNull();
    const plan = 'plans: { free: { quotas: [{ per: day, requests: 5 }] } }\ndefaultPlan: free';
    expect(configOf(`${plan}${ROUTE}plan`).data).not.toBeNull();
    expect(configOf(`${plan}${ROUTE}off`).data).toBeNull();
  });

  it.each([
    ['max: 5', '1:37  limits.q.algorithm  quota needs per; expected per: day'],
    ['per: day', '1:37  limits.q.algorithm  quota needs max; expected max: 5'],
    ['max: 0, per: day', '1:49  limits.q.max  0 is not allowed here; expected a whole number from 1 to'],
    ['max: 1000000001, per: day', '1:49  limits.q.max  1000000001 is not allowed here'],
    ['max: -1, per: day', '1:49  limits.q.max  -1 is not allowed here'],
    ['max: { partner: 5 }, per: day', '1:49  limits.q.max  numbers by role need a default; expected default'],
    [
      'max: 5, per: daily',
      '1:57  limits.q.per  "daily" is no period; expected day, week, month, or a rolling',
    ],
    ['max: 5, per: 10s', '1:57  limits.q.per  "10s" is no period'],
    ['max: 5, per: 900d', '1:57  limits.q.per  900d is not a window for a quota; expected from 1m to 366d'],
    ['max: 5, per: day, rate: 5/s', '1:68  limits.q.rate  quota has no rate'],
    ['max: 5, per: day, burst: 5', '1:69  limits.q.burst  quota has no burst'],
    ['max: 5, per: day, warnAt: 80', '1:70  limits.q.warnAt  "80" is not a share of the whole'],
    ['max: 5, per: day, cost: { value: 6 }', '1:68  limits.q.cost  a request that costs 6 would never be'],
  ])('is not { %s }', (options, mistake) => {
    const found = mistakesIn(`limits: { q: { by: [ip], algorithm: quota, ${options} } }${ROUTE}q`);
    // That the route then names no limit is told, too.
    expect(found[0]).toContain(mistake);
  });

  it.each([
    ['rate: 5/s, per: day', 'limits.q.per  token-bucket has no per; expected algorithm: quota'],
    ['rate: 5/s, warnAt: 80%', 'limits.q.warnAt  token-bucket has no warnAt'],
    ['algorithm: concurrency, max: { a: 1, default: 2 }', 'limits.q.max  concurrency takes a whole number'],
  ])('is the only one that takes { %s }', (options, mistake) => {
    const found = mistakesIn(`limits: { q: { by: [ip], ${options} } }${ROUTE}q`);
    expect(found[0]).toContain(mistake);
  });

  it('that counts by caller, or by role, wants to know who calls', () => {
    const text = (limit: string) =>
      `routes: [{ name: hi, match: { path: /hi }, respond: { body: hi }, limit: [${limit}] }]`;
    for (const limit of [
      '{ by: [caller], algorithm: quota, max: 5, per: day }',
      '{ by: [ip], algorithm: quota, max: { a: 5, default: 1 }, per: day }',
    ]) {
      expect(mistakesIn(text(limit))).toEqual([expect.stringContaining('the route "hi" has no auth')]);
    }
  });
});

describe('a plan', () => {
  it('names limits and quotas', () => {
    const { plans } = configOf(`
limits: { perUser: { by: [user], rate: 100/s } }
plans:
  free: { limits: [perUser, { by: [consumer], rate: 10/s }], quotas: [{ per: day, requests: 1000 }] }
  internal: {}
defaultPlan: free${ROUTE}[plan, { by: [route], rate: 1000/s }]`);
    expect(plans.free.quotas).toEqual([{ per: 'day', requests: 1_000, by: ['caller'], shadow: false }]);
    expect(plans.internal).toEqual({ limits: [], quotas: [] });
  });

  const FREE = 'plans: { free: { quotas: [{ per: day, requests: 5 }] } }';

  it.each([
    [
      `${FREE}${ROUTE}plan`,
      '7:12  routes[0].limit  callers without a plan would have no limit; expected defaultPlan: free',
    ],
    [
      `${FREE}\ndefaultPlan: fre${ROUTE}plan`,
      '2:14  defaultPlan  there is no plan "fre"; expected one of free; did you mean free?',
    ],
    [
      `defaultPlan: free${ROUTE}off`,
      '1:14  defaultPlan  there is no plan "free"; expected a name under "plans", which is empty',
    ],
    [`${ROUTE}plan`, '7:12  routes[0].limit  there are no plans; expected plans: { free: … }'],
    [
      `limits: { plan: { by: [ip], rate: 5/s } }${ROUTE}off`,
      '1:11  limits.plan  "plan" in the limits of a route means',
    ],
    [
      `plans: { free: { limits: [perUsr] } }\nlimits: { perUser: { by: [ip], rate: 5/s } }\ndefaultPlan: free${ROUTE}[plan, perUser]`,
      '1:27  plans.free.limits[0]  there is no limit "perUsr"; expected one of perUser; did you mean perUser?',
    ],
    [
      `plans: { free: { limits: [plan] } }\ndefaultPlan: free${ROUTE}plan`,
      '1:27  plans.free.limits[0]  a plan is not part of a plan',
    ],
    [
      `plans: { free: { quotas: [{ per: day, requests: 5 }, { per: day, requests: 6 }] } }\ndefaultPlan: free${ROUTE}plan`,
      '1:54  plans.free.quotas[1]  an earlier quota of the plan counts the same',
    ],
    [
      `plans: { free: { quotas: [{ per: day, requests: 5, cost: { value: 6 } }] } }\ndefaultPlan: free${ROUTE}plan`,
      '1:58  plans.free.quotas[0].cost  a request that costs 6 would never be admitted; expected at most 5',
    ],
    [
      `plans: { free: { quotas: [{ per: day, request: 5 }] } }\ndefaultPlan: free${ROUTE}plan`,
      'unknown option "request"',
    ],
    [
      `plans: { free: { limits: [{ by: [param:id], rate: 1/s }] } }\ndefaultPlan: free${ROUTE}plan`,
      'the path of the route "hi" has no parameter "id"',
    ],
    [
      `plans: { free: { limits: [${Array(32).fill('{ by: [ip], rate: 1/s }').join(', ')}] } }\ndefaultPlan: free${ROUTE}[plan, { by: [ip], rate: 1/s }]`,
      'routes[0].limit[0]  with those of a plan the route has too many limits; expected at most 32',
    ],
  ])('is not as in %s', (text, mistake) => {
    expect(mistakesIn(text)).toContainEqual(expect.stringContaining(mistake));
  });

  it('is for callers that are asked who they are', () => {
    const text = `${FREE}\ndefaultPlan: free\nroutes: [{ name: hi, match: { path: /hi }, respond: { body: hi }, limit: plan }]`;
    expect(mistakesIn(text)).toEqual([
      expect.stringMatching(
        /^3:\d+ {2}routes\[0\]\.limit {2}the route "hi" has no auth: none of its callers/,
      ),
    ]);
  });

  it('that no route applies is warned of; limits that only plans name are not', () => {
    const text = `limits: { perUser: { by: [user], rate: 5/s } }\nplans: { free: { limits: [perUser] } }\ndefaultPlan: free`;
    expect(warningsIn(`${text}${ROUTE}off`)).toEqual([
      expect.stringContaining('2:1  plans  no route applies plans with "limit: plan"'),
    ]);
    expect(warningsIn(`${text}${ROUTE}plan`)).toEqual([]);
  });
});
