/** What a configuration uses: nothing else needs to be loaded, opened or kept. */

import { limitOfQuota, PLAN } from '../services/limits/terms.js';
import type { Draft } from './draft.js';
import type { LimitConfig } from './schema/limits/limits.js';
import type { FilterOptions, RouteConfig } from './schema/route.js';
import type { CompressionMode } from './schema/socket/compression.js';
import type { Config } from './schema.js';

interface Filtering {
  readonly defaults: FilterOptions;
  readonly routes: readonly {
    readonly filters: FilterOptions;
    readonly websocket?: RouteConfig['websocket'];
  }[];
}

type Limiting = Filtering & Pick<Config, 'limits' | 'plans'>;

/** The filters of all routes, and those for all routes. */
export function filtersOf({ defaults, routes }: Filtering): FilterOptions[] {
  return [defaults, ...routes.map(({ filters }) => filters)];
}

/** What of a draft can be used, as if it were the configuration. */
export function usable({ settings, routes }: Draft): Omit<Config, 'services'> {
  return { ...settings, routes: routes.flatMap(({ route }) => route ?? []) };
}

/** The limits that routes name, those of plans among them. */
function limitsOf({ limits, plans, ...filtering }: Limiting): LimitConfig[] {
  const known = (one: string | LimitConfig) => (typeof one === 'string' ? limits[one] : one) ?? [];
  const ofPlans = Object.values(plans).flatMap((plan) => [
    ...plan.limits.flatMap(known),
    ...plan.quotas.map((quota) => limitOfQuota(quota).config),
  ]);
  return filtersOf(filtering).flatMap(({ limit = [] }) =>
    limit.flatMap((one) => (one === PLAN ? ofPlans : known(one))),
  );
}

/** How sockets may be compressed. */
export function compressionOf({ routes }: Pick<Config, 'routes'>): CompressionMode {
  for (const { websocket } of routes) {
    if (websocket !== null && websocket.compression.mode !== 'off') return websocket.compression.mode;
  }
  return 'off';
}

/** Whether slow clients get the latest only. */
export function usesConflation({ routes }: Pick<Config, 'routes'>): boolean {
  return routes.some(({ websocket }) => websocket?.slow === 'conflate');
}

export function usesLimits(config: Filtering): boolean {
  if (config.routes.some(({ websocket }) => websocket?.handshakes !== undefined)) return true;
  return filtersOf(config).some(({ limit = [] }) => limit.length > 0);
}

/** Whether requests over a limit may wait. */
export function usesQueues(config: Limiting): boolean {
  return limitsOf(config).some(({ over }) => over !== 'reject');
}

/** Whether requests are counted in Redis alone. */
export function usesStrict(config: Limiting): boolean {
  return limitsOf(config).some(({ mode }) => mode === 'strict');
}

/** Whether counts must be kept for while no gateway runs. */
export function usesQuotas(config: Limiting): boolean {
  return limitsOf(config).some(({ algorithm }) => algorithm === 'quota');
}

/** Whether limits give Redis, where there is one, something to do. */
export function sharesLimits(config: Limiting): boolean {
  return limitsOf(config).some(({ mode }) => mode !== 'local');
}

export function usesIdempotency(config: Filtering): boolean {
  return filtersOf(config).some(({ idempotency }) => Boolean(idempotency));
}

/** Whether API keys or sessions are kept. */
export function keepsIdentities({ auth }: Pick<Config, 'auth'>): boolean {
  return Object.values(auth.providers).some(({ type }) => type === 'apiKey' || type === 'session');
}

/** Whether it is known who is on a channel. */
export function usesPresence({ routes }: Pick<Config, 'routes'>): boolean {
  return routes.some(({ channels }) => channels !== null && channels.presence !== null);
}

/** Whether clients can subscribe to channels. */
export function usesChannels({ routes }: Pick<Config, 'routes'>): boolean {
  return routes.some(({ channels }) => channels !== null);
}
