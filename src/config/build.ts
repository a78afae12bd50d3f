/** A valid configuration → a Snapshot: everything that can be decided before the first request is decided here. */
import { readFileSync } from 'node:fs';
import type { Answer, Exchange } from '../exchange.js';
import { filters } from '../filters/index.js';
import { TrustedProxies } from '../listen/addresses.js';
import type { CaptureOptions } from '../listen/capture.js';
import { ReservedNames } from '../listen/head.js';
import type { RouteStats, WorkerMetrics } from '../observe/metrics.js';
import { compile, type Env, type Filter, type Pipeline, type Stage, type Stages } from '../pipeline.js';
import { allowedServices, type ServiceChoice, serviceParameter } from '../route/dynamic.js';
import { Lookalikes } from '../route/lookalikes.js';
import { paramNames } from '../route/pattern.js';
import { compileTarget } from '../route/rewrite.js';
import { RouteTable } from '../route/table.js';
import { IDENTITY_HEADERS } from '../services/introduction.js';
import { compileFieldValue, fieldBytes, type Render } from '../template.js';
import { buildBalancer, meterFor } from '../upstream/balance/build.js';
import type { Roster } from '../upstream/balance/roster.js';
import type { EndpointPool } from '../upstream/endpoint-pool.js';
import { healthOptions } from '../upstream/health/options.js';
import { answerServices } from '../upstream/health/public.js';
import { ServiceHealth } from '../upstream/health/service-health.js';
import type { FallbackStep } from '../upstream/retry/fallback.js';
import { RetryPolicy, StatusSet } from '../upstream/retry/policy.js';
import type { ResiliencePool } from '../upstream/retry/resilience.js';
import { Service } from '../upstream/service.js';
import type { ChannelDoors } from '../websocket/channels/worker-channels.js';
import { handshakeBucket } from '../websocket/handshake-bucket.js';
import type { FilterOptions, RouteConfig } from './schema/route.js';
import type { ServiceConfig } from './schema/services/service.js';
import type { WebSocketConfig } from './schema/websocket.js';
import type { Config } from './schema.js';
import { filtersOf } from './uses.js';

/** One route, compiled. */
export interface Route {
  readonly name: string;
  readonly match: RouteConfig['match'];
  readonly paramNames: readonly string[];
  readonly pipeline: Pipeline;
  /** Asks callers who they are. */
  readonly guarded: boolean;
  readonly stats: RouteStats;
  /** null: the route answers by itself, or the path says which service does. */
  readonly service: Service | null;
  /** For `service: ${param.NAME}`; null: the route has one service, or none. */
  readonly choice: ServiceChoice<Route> | null;
  readonly answer: ((x: Exchange) => Answer) | null;
  /** Path and query for the service. */
  readonly target: Render;
  /** The service gets the client's `Host`, not its own. */
  readonly keepHost: boolean;
  /** Instead of those of the service; null: none. */
  readonly retries: RetryPolicy | null | undefined;
  /** What to do instead when the service fails; null: nothing. */
  readonly fallback: readonly FallbackStep[] | null;
  /** The gateway itself is the other end; null: the route has no channels. */
  readonly channels: ((x: Exchange) => void) | null;
  /** null: handshakes are ordinary requests. */
  readonly websocket: WebSocketConfig | null;
  /** What it was made from, with the filters that hold for it. */
  readonly source: RouteConfig;
}

/** One configuration, ready to serve. Exchanges keep the one they began with. */
export interface Snapshot {
  readonly table: RouteTable<Route>;
  readonly routes: readonly Route[];
  /** null: no route is guarded. */
  readonly lookalikes: Lookalikes<Route> | null;
  readonly capture: CaptureOptions;
  readonly services: ReadonlyMap<string, Service>;
}

/** What outlives a snapshot. */
export interface Workshop {
  readonly endpoints: EndpointPool;
  readonly resilience: ResiliencePool;
  /** What the primary knows of endpoints, for each service of this configuration. */
  readonly rosters: readonly Roster[];
  readonly metrics: WorkerMetrics;
  readonly workerId: number;
  /** Made for this configuration, from what earlier ones can share. */
  readonly services: FilterServices;
}

/** What filters may ask for. */
export type FilterServices = Omit<Env, 'route'> & {
  /** null: no route has channels. */
  readonly channels?: ChannelDoors | null;
};

/** Throws when something outside of the configuration prevents it, such as a certificate file that has vanished. */
export function buildSnapshot(config: Config, workshop: Workshop): Snapshot {
  const services = new Map<string, Service>();
  const retriedByRoutes = new Set(
    config.routes.flatMap((route) => {
      if (route.retries === undefined) return [];
      return [route.service, ...allowedServices(route, Object.entries(config.services))];
    }),
  );
  for (const [name, options] of Object.entries(config.services)) {
    services.set(name, buildService(name, options, config.zone, retriedByRoutes.has(name), workshop));
  }
  for (const roster of workshop.rosters) services.get(roster.service)?.take(roster);
  const { underscoreHeaders, trustedProxies, proxyProtocol } = config.listen;
  const routes = config.routes.map((route) => {
    const build = (one: RouteConfig) => buildRoute(one, config.defaults, services, workshop);
    const parameter = serviceParameter(route);
    return parameter === null ? build(route) : buildDynamic(route, parameter, config, build);
  });
  const guarded = routes.filter((route) => route.guarded);
  return {
    table: new RouteTable(routes),
    routes,
    lookalikes: guarded.length === 0 ? null : new Lookalikes(guarded),
    capture: {
      underscores: underscoreHeaders,
      reserved: new ReservedNames(reservedNames(config)),
      trusted: trustedProxies.length === 0 ? null : new TrustedProxies(trustedProxies),
      proxyProtocol,
      methods: guarded.length === 0 ? null : namedMethods(config),
    },
    services,
  };
}

/** Methods of which something is demanded, or by which routes are told apart. */
export function namedMethods({ defaults, routes }: Pick<Config, 'defaults' | 'routes'>): ReadonlySet<string> {
  const demanded = filtersOf({ defaults, routes }).flatMap(({ auth }) => Object.keys(auth?.methods ?? {}));
  return new Set([...demanded, ...routes.flatMap(({ match }) => match.methods)]);
}

/** What services take as the gateway's own word about the caller, on whichever route it is said. */
function reservedNames({ auth, defaults, routes }: Config): string[] {
  const mapped = filtersOf({ defaults, routes }).flatMap(({ auth }) => Object.keys(auth?.claims ?? {}));
  const token = auth.context.jwt?.header;
  return [...IDENTITY_HEADERS, ...mapped, ...(token === undefined ? [] : [token])];
}

function buildService(
  name: string,
  options: ServiceConfig,
  zone: string | null,
  retriedByRoutes: boolean,
  { endpoints, resilience, metrics, workerId }: Workshop,
): Service {
  const { connections, timeouts, tls } = options;
  const { table } = endpoints;
  const judged = options.breaker !== null || options.passive !== null;
  const authorities = tls.ca === undefined ? {} : { ca: readFileSync(tls.ca, 'utf8') };
  return new Service(name, {
    timeouts,
    open: ({ url, slot }) => {
      const endpoint = endpoints.get(slot, {
        url,
        maxConnections: connections.max,
        maxWaiting: connections.queue,
        keepAliveMs: connections.keepAlive,
        tls: { ...tls, ...authorities },
      });
      endpoint.meter = meterFor(options, table, slot);
      return endpoint;
    },
    balancer: buildBalancer(name, options, { table, offset: workerId - 1, zone }),
    health: judged ? new ServiceHealth(endpoints.table, healthOptions(options)) : null,
    resilience: resilience.get(name, options, retriedByRoutes, metrics.resilience),
  });
}

/** What all of them share is shared: metrics by the route's name, counts of limits by the limit's. */
function buildDynamic(
  route: RouteConfig,
  parameter: string,
  { services }: Config,
  build: (route: RouteConfig) => Route,
): Route {
  const names = allowedServices(route, Object.entries(services));
  const routes = new Map(names.map((name) => [name, build({ ...route, service: name })]));
  const [first] = routes.values();
  const choice = { parameter: paramNames(route.match.path).indexOf(parameter), routes };
  return { ...first, service: null, choice };
}

function buildRoute(
  route: RouteConfig,
  defaults: FilterOptions,
  services: ReadonlyMap<string, Service>,
  { metrics, services: forFilters }: Workshop,
): Route {
  const names = paramNames(route.match.path);
  const env: Env = {
    route: { name: route.name, service: route.service ?? null, paramNames: names },
    ...forFilters,
  };
  const options = { ...defaults, ...route.filters };
  const builtin = route.builtin && buildBuiltin(route.builtin, services, forFilters);
  return {
    name: route.name,
    match: route.match,
    paramNames: names,
    pipeline: buildPipeline(options, env, buildBucket(route, env), builtin ? { onRequest: builtin } : {}),
    guarded: Boolean(options.auth),
    stats: metrics.route(route.name),
    service: route.service === undefined ? null : (services.get(route.service) as Service),
    choice: null,
    answer: buildAnswer(route, names),
    target: compileTarget(route.rewrite, names),
    keepHost: route.rewrite.host === 'keep',
    retries: route.retries && (route.retries === 'off' ? null : new RetryPolicy(route.retries)),
    fallback: buildFallback(route, services, metrics),
    channels:
      route.channels && (forFilters.channels as ChannelDoors).open(route, names, forFilters.access, services),
    websocket: route.websocket,
    source: { ...route, filters: options },
  };
}

function buildBuiltin(
  { action, provider }: NonNullable<RouteConfig['builtin']>,
  services: ReadonlyMap<string, Service>,
  { access }: FilterServices,
): Stage {
  return action === 'services' ? answerServices(services) : access.builtin(action, provider ?? null);
}

function buildBucket({ websocket }: RouteConfig, env: Env): Stages {
  const handshakes = websocket?.handshakes;
  return handshakes === undefined ? {} : handshakeBucket(handshakes, env.limits, env.route);
}

/** `first`: before all filters. `last`: the route's own answer, for which filters have been passed. */
function buildPipeline(options: FilterOptions, env: Env, first: Stages, last: Stages): Pipeline {
  const stages = (filters as readonly Filter[]).flatMap((filter) => {
    const chosen = options[filter.name as keyof FilterOptions] ?? filter.unnamed;
    return chosen === undefined ? [] : [filter.build(chosen, env)];
  });
  return compile([first, ...stages, last]);
}

function buildFallback(
  { name, fallback }: RouteConfig,
  services: ReadonlyMap<string, Service>,
  { resilience }: WorkerMetrics,
): Route['fallback'] {
  if (fallback === undefined) return null;
  return fallback.map(({ service, respond, on }) => {
    const label = service === undefined ? 'static' : `service:${service}`;
    return {
      service: service === undefined ? null : (services.get(service) as Service),
      answer: respond === undefined ? null : fixedAnswer(respond),
      statuses: new StatusSet(on),
      label,
      count: resilience.fallback(name, label),
    };
  });
}

function fixedAnswer({ status, headers, body }: NonNullable<RouteConfig['respond']>): Answer {
  return {
    status,
    headers: Object.entries(headers).flatMap(([name, value]) => [name, fieldBytes(value)]),
    body: Buffer.from(body),
  };
}

function buildAnswer({ respond, redirect }: RouteConfig, names: readonly string[]): Route['answer'] {
  if (respond !== undefined) {
    const answer = fixedAnswer(respond);
    return function respondFixed() {
      return answer;
    };
  }
  if (redirect === undefined) return null;
  const to = compileFieldValue(redirect.to, names);
  return function respondRedirect(x) {
    return { status: redirect.status, headers: ['location', to(x)], body: '' };
  };
}
