/** A valid configuration → a Snapshot: everything that can be decided before the first request is decided here. */
import { readFileSync } from 'node:fs';
import type { Answer, Exchange } from '../exchange.js';
import { filters } from '../filters/index.js';
import { TrustedProxies } from '../listen/addresses.js';
import type { CaptureOptions } from '../listen/capture.js';
import type { RouteStats, WorkerMetrics } from '../observe/metrics.js';
import { compile, type Env, type Filter, type Pipeline } from '../pipeline.js';
import { paramNames } from '../route/pattern.js';
import { compileTarget } from '../route/rewrite.js';
import { RouteTable } from '../route/table.js';
import { compileFieldValue, fieldBytes, type Render } from '../template.js';
import { createBalancer } from '../upstream/balance.js';
import type { Endpoint } from '../upstream/endpoint.js';
import type { EndpointPool } from '../upstream/endpoint-pool.js';
import { Service } from '../upstream/service.js';
import type { FilterOptions, RouteConfig } from './schema/route.js';
import type { ServiceConfig } from './schema/service.js';
import type { Config } from './schema.js';

/** One route, compiled. */
export interface Route {
  readonly name: string;
  readonly match: RouteConfig['match'];
  readonly paramNames: readonly string[];
  readonly pipeline: Pipeline;
  readonly stats: RouteStats;
  /** null: the route answers by itself. */
  readonly service: Service | null;
  readonly answer: ((x: Exchange) => Answer) | null;
  /** Path and query for the service. */
  readonly target: Render;
  /** The service gets the client's `Host`, not its own. */
  readonly keepHost: boolean;
}

/** One configuration, ready to serve. Exchanges keep the one they began with. */
export interface Snapshot {
  readonly table: RouteTable<Route>;
  readonly capture: CaptureOptions;
  readonly endpoints: ReadonlySet<Endpoint>;
}

/** What outlives a snapshot. */
export interface Workshop {
  readonly endpoints: EndpointPool;
  readonly metrics: WorkerMetrics;
  readonly workerId: number;
}

/** Throws when something outside of the configuration prevents it, such as a certificate file that has vanished. */
export function buildSnapshot(config: Config, workshop: Workshop): Snapshot {
  const endpoints = new Set<Endpoint>();
  const services = new Map<string, Service>();
  for (const [name, options] of Object.entries(config.services)) {
    const service = buildService(name, options, workshop);
    services.set(name, service);
    for (const endpoint of service.endpoints) endpoints.add(endpoint);
  }
  const { underscoreHeaders, trustedProxies, proxyProtocol } = config.listen;
  return {
    table: new RouteTable(
      config.routes.map((route) => buildRoute(route, config.defaults, services, workshop)),
    ),
    capture: {
      underscores: underscoreHeaders,
      trusted: trustedProxies.length === 0 ? null : new TrustedProxies(trustedProxies),
      proxyProtocol,
    },
    endpoints,
  };
}

function buildService(name: string, options: ServiceConfig, { endpoints, workerId }: Workshop): Service {
  const weighted = options.endpoints.map(({ url, weight }) => ({
    endpoint: endpoints.get({
      url,
      maxConnections: options.connections.max,
      maxWaiting: options.connections.queue,
      keepAliveMs: options.connections.keepAlive,
      tls: {
        ...options.tls,
        ...(options.tls.ca !== undefined && { ca: readFileSync(options.tls.ca, 'utf8') }),
      },
    }),
    weight,
  }));
  const all = weighted.map(({ endpoint }) => endpoint);
  return new Service(name, all, options.timeouts, createBalancer(options.balance, weighted, workerId - 1));
}

function buildRoute(
  route: RouteConfig,
  defaults: FilterOptions,
  services: ReadonlyMap<string, Service>,
  { metrics }: Workshop,
): Route {
  const names = paramNames(route.match.path);
  const env: Env = { route: { name: route.name, service: route.service ?? null, paramNames: names } };
  return {
    name: route.name,
    match: route.match,
    paramNames: names,
    pipeline: buildPipeline({ ...defaults, ...route.filters }, env),
    stats: metrics.route(route.name),
    service: route.service === undefined ? null : (services.get(route.service) as Service),
    answer: buildAnswer(route, names),
    target: compileTarget(route.rewrite, names),
    keepHost: route.rewrite.host === 'keep',
  };
}

function buildPipeline(options: FilterOptions, env: Env): Pipeline {
  const stages = (filters as readonly Filter[]).flatMap((filter) => {
    const chosen = options[filter.name as keyof FilterOptions] ?? filter.unnamed;
    return chosen === undefined ? [] : [filter.build(chosen, env)];
  });
  return compile(stages);
}

function buildAnswer({ respond, redirect }: RouteConfig, names: readonly string[]): Route['answer'] {
  if (respond !== undefined) {
    const answer: Answer = {
      status: respond.status,
      headers: Object.entries(respond.headers).flatMap(([name, value]) => [name, fieldBytes(value)]),
      body: Buffer.from(respond.body),
    };
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
