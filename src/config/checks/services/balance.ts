import { allowedServices } from '../../../route/dynamic.js';
import { paramNames } from '../../../route/pattern.js';
import { didYouMean } from '../../did-you-mean.js';
import type { Draft, DraftRoute } from '../../draft.js';
import type { Path } from '../../mistakes.js';
import type { ServiceConfig } from '../../schema/services/service.js';
import type { Report } from '../report.js';

/** Balancing that can work: keys that requests have, groups and zones that something makes use of, cookies of one service each. */
export function checkBalance(draft: Draft, report: Report): void {
  const cookies = new Map<string, string>();
  for (const [name, service] of draft.services) {
    if (service === undefined) continue;
    const path = ['services', name];
    const routes = draft.routes.filter((item) => leadsTo(item, name, draft.services));
    checkKey(service, routes, draft, path, report);
    checkPriorities(service, path, report);
    checkSticky(name, service, cookies, path, report);
  }
  checkZones(draft, report);
}

/** Also where the path names the service, or it takes the place of another one. */
function leadsTo({ raw, route }: DraftRoute, name: string, services: Draft['services']): boolean {
  return (
    raw.service === name ||
    allowedServices({ allow: route?.allow }, services).includes(name) ||
    (route?.fallback ?? []).some((step) => step.service === name)
  );
}

function checkKey(
  { balance }: ServiceConfig,
  routes: readonly DraftRoute[],
  { settings }: Draft,
  path: Path,
  report: Report,
): void {
  const hashing = balance.type === 'failover' ? balance.within : balance;
  if (hashing.type !== 'consistent-hash') return;
  const at = report.written([...path, 'balance', 'by'], [...path, 'balance', 'within', 'by']);
  if (hashing.by === 'user') {
    const open = routes.find(({ route }) => {
      const auth = route?.filters.auth === undefined ? settings.defaults.auth : route.filters.auth;
      return route !== undefined && !auth;
    });
    if (open === undefined) return;
    report.mistake({
      path: at,
      message: `the route "${open.route?.name}" has no auth: its requests have no user`,
      expected: 'auth on the route, or a header, cookie, param or ip',
    });
  }
  if (!hashing.by.startsWith('param:')) return;
  const name = hashing.by.slice('param:'.length);
  const known = routes.map(({ route }) => ({ route, params: paramNames(route?.match.path ?? '/') }));
  const lacking = known.find(({ route, params }) => route !== undefined && !params.includes(name));
  if (lacking === undefined) return;
  const complaint = {
    path: at,
    message: `the path of the route "${lacking.route?.name}" has no parameter "${name}"`,
    suggestion: didYouMean(name, lacking.params),
  };
  // One route of several may well do without: its requests take the endpoints in turn.
  if (known.some(({ params }) => params.includes(name))) report.warning(complaint);
  else report.mistake(complaint);
}

function checkPriorities({ balance, endpoints }: ServiceConfig, path: Path, report: Report): void {
  const index = endpoints.findIndex(({ priority }) => priority !== undefined);
  if (index < 0 || balance.type === 'failover') return;
  report.mistake({
    path: [...path, 'endpoints', index, 'priority'],
    message: `"${balance.type}" knows no priorities`,
    expected: 'balance: failover, or { type: failover, within: … }',
  });
}

function checkSticky(
  name: string,
  { sticky }: ServiceConfig,
  cookies: Map<string, string>,
  path: Path,
  report: Report,
): void {
  if (sticky === null) return;
  const other = cookies.get(sticky.cookie);
  if (other !== undefined) {
    report.mistake({
      path: [...path, 'sticky', 'cookie'],
      message: `"${sticky.cookie}" is the cookie of the service "${other}" already: each would overwrite the other's`,
      expected: 'a name of its own',
    });
  }
  cookies.set(sticky.cookie, name);
  if (/^__host-/i.test(sticky.cookie) && sticky.path !== '/') {
    report.mistake({
      path: [...path, 'sticky', 'path'],
      message: 'browsers refuse a cookie named "__Host-" with another path than /',
      expected: '/',
    });
  }
}

/** Zones of endpoints mean nothing to a gateway that stands nowhere. */
function checkZones({ settings, services }: Draft, report: Report): void {
  if (settings.zone !== null) return;
  for (const [name, service] of services) {
    const index = service?.endpoints.findIndex(({ zone }) => zone !== undefined) ?? -1;
    if (index < 0 || service?.zones === false) continue;
    report.warning({
      path: ['services', name, 'endpoints', index, 'zone'],
      message: 'the gateway itself has no zone: all endpoints are alike',
      expected: 'zone at the top level, or "zones: off" here',
    });
    return;
  }
}
