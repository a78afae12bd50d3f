import { availableParallelism } from 'node:os';
import { paramNames } from '../../../route/pattern.js';
import { needsIdentity } from '../../../services/limits/key-parts.js';
import { limitOfQuota, PLAN } from '../../../services/limits/terms.js';
import { didYouMean } from '../../did-you-mean.js';
import { type Draft, type DraftRoute, namesIn } from '../../draft.js';
import type { Path } from '../../mistakes.js';
import type { LimitConfig } from '../../schema/limits/limits.js';
import type { Report } from '../report.js';

type Listed = readonly (string | LimitConfig)[];

/** What routes say about limits: names that exist, keys that the requests of the route can have. */
export function checkLimits(draft: Draft, report: Report): void {
  const { settings, routes } = draft;
  const { limits, plans, defaults } = settings;
  const names = namesIn(draft, 'limits');
  const used = new Set<string>();
  const look = (listed: Listed | undefined, path: Path) => {
    for (const [index, one] of (listed ?? []).entries()) {
      if (typeof one !== 'string') continue;
      used.add(one);
      if (listed?.indexOf(one) !== index) {
        report.mistake({
          path: report.written([...path, index], path),
          message: `"${one}" stands there twice: each request would be counted twice`,
        });
      }
      if (names.includes(one) || one === PLAN) continue;
      const meant = didYouMean(one, Object.keys(plans).length === 0 ? names : [...names, PLAN]);
      report.mistake({
        path: report.written([...path, index], path),
        message: `there is no limit "${one}"`,
        expected: names.length === 0 ? 'a name under "limits", which is empty' : `one of ${names.join(', ')}`,
        suggestion: meant,
      });
    }
  };
  look(defaults.limit, ['defaults', 'limit']);
  const ofPlans = Object.values(plans).flatMap((plan) => [
    ...plan.limits,
    ...plan.quotas.map((quota) => limitOfQuota(quota).config),
  ]);
  for (const one of ofPlans) if (typeof one === 'string') used.add(one);
  for (const item of routes) {
    if (item.route === undefined) continue;
    look(item.route.filters.limit, ['routes', item.index, 'limit']);
    const own = item.route.filters.limit;
    const path = own === undefined ? ['defaults', 'limit'] : ['routes', item.index, 'limit'];
    const listed = own ?? defaults.limit ?? [];
    checkCompany(listed, path, settings, report);
    checkKeys(item, listed, path, limits, Boolean(authOf(item, defaults)), ofPlans, report);
  }
  checkRoom(settings, report);
  for (const name of Object.keys(limits)) {
    if (!used.has(name)) {
      report.warning({ path: ['limits', name], at: 'key', message: `no route uses the limit "${name}"` });
    }
  }
}

/** What may be in flight at once must have room in memory. */
function checkRoom({ limits, limiter, workers }: Draft['settings'], report: Report): void {
  const room = limiter.inFlight * (workers === 'auto' ? availableParallelism() : workers);
  for (const [name, { algorithm, max }] of Object.entries(limits)) {
    const most = typeof max === 'object' ? Math.max(...Object.values(max)) : (max ?? 0);
    if (algorithm !== 'concurrency' || most <= room) continue;
    report.mistake({
      path: report.written(['limits', name, 'max'], ['limits', name]),
      message: `all workers together have room for ${room} requests in flight`,
      expected: `at most ${room}, or a larger limiter.inFlight`,
    });
  }
}

/** Whoever waits is decided about again and again, and each time the past of an adaptive limit would count it. */
function checkCompany(
  listed: Listed,
  path: Path,
  { limits, plans }: Pick<Draft['settings'], 'limits' | 'plans'>,
  report: Report,
): void {
  const configOf = (one: string | LimitConfig) => (typeof one === 'string' ? limits[one] : one);
  const isAdaptive = (one: string | LimitConfig) => configOf(one)?.algorithm === 'adaptive';
  const plan = listed.indexOf(PLAN);
  const ofPlans = plan < 0 ? [] : Object.values(plans).map((one) => one.limits);
  const together = ofPlans.length === 0 ? [listed] : ofPlans.map((own) => [...listed, ...own]);
  for (const all of together) {
    const queued = all.some((one) => (configOf(one)?.over ?? 'reject') !== 'reject');
    if (!queued || !all.some(isAdaptive)) continue;
    const own = listed.findIndex(isAdaptive);
    report.mistake({
      path: report.written([...path, own < 0 ? plan : own], path),
      message: 'an adaptive limit cannot stand beside one that lets requests wait',
      expected: 'one of the two',
    });
    return;
  }
}

function authOf({ route }: DraftRoute, defaults: Draft['settings']['defaults']): unknown {
  return route?.filters.auth === undefined ? defaults.auth : route.filters.auth;
}

function checkKeys(
  { route, index: number }: DraftRoute,
  listed: Listed,
  path: Path,
  limits: Readonly<Record<string, LimitConfig>>,
  asksWho: boolean,
  ofPlans: Listed,
  report: Report,
): void {
  const params = paramNames(route?.match.path ?? '/');
  for (const [index, one] of listed.entries()) {
    if (one === PLAN) {
      const at = report.written([...path, index], path);
      if (!asksWho) {
        report.mistake({
          path: at,
          message: `the route "${route?.name ?? number}" has no auth: none of its callers has a plan`,
          expected: 'auth on the route; anonymous will do',
        });
      }
      checkParams(ofPlans, limits, params, at, route?.name ?? String(number), report);
      continue;
    }
    const config = typeof one === 'string' ? limits[one] : one;
    if (config === undefined) continue;
    const at = report.written([...path, index], path);
    if (!asksWho && needsIdentity({ ...config, over: 'reject' })) {
      report.mistake({
        path: at,
        message: `the route "${route?.name ?? number}" has no auth: all its callers would share one bucket`,
        expected: 'auth on the route, or a limit by ip, header or param',
      });
    } else if (!asksWho && needsIdentity(config)) {
      report.mistake({
        path: at,
        message: `the route "${route?.name ?? number}" has no auth: all who wait would be alike`,
        expected: 'auth on the route, or fairBy ip, header or param and no weights',
      });
    }
    checkParams([config], limits, params, at, route?.name ?? String(number), report);
  }
}

function checkParams(
  listed: Listed,
  limits: Readonly<Record<string, LimitConfig>>,
  params: readonly string[],
  at: Path,
  route: string,
  report: Report,
): void {
  const keys = listed.flatMap((one) => {
    const config = typeof one === 'string' ? limits[one] : one;
    if (config === undefined) return [];
    return [...config.by, ...(config.over === 'reject' ? [] : (config.over.queue.fairBy ?? []))];
  });
  for (const key of new Set(keys)) {
    const name = key.startsWith('param:') ? key.slice('param:'.length) : null;
    if (name === null || params.includes(name)) continue;
    report.mistake({
      path: at,
      message: `the path of the route "${route}" has no parameter "${name}"`,
      suggestion: didYouMean(name, params),
    });
  }
}
