/** Judges cases as the gateway would: finds the route, then passes its door. Nothing goes over the network. */
import { namedMethods, type Route } from '../../config/build.js';
import type { AuthOptions } from '../../config/schema/filters/auth.js';
import type { RouteConfig } from '../../config/schema/route.js';
import type { Config } from '../../config/schema.js';
import { Exchange } from '../../exchange.js';
import { isPlainMethod } from '../../listen/method.js';
import { NO_OVERLOAD } from '../../overload/overload.js';
import { allowedServices, serviceParameter } from '../../route/dynamic.js';
import { normalHost } from '../../route/host.js';
import { Lookalikes, readsOneWay } from '../../route/lookalikes.js';
import { canonicalPath, pathFault } from '../../route/path.js';
import { paramNames } from '../../route/pattern.js';
import { RouteTable } from '../../route/table.js';
import type { Access } from '../../services/access.js';
import { anonymous } from '../../services/anonymous.js';
import { DecisionPoint } from '../../services/authz/decision.js';
import { compileDemands } from '../../services/authz/demands.js';
import { RoleTable } from '../../services/authz/roles.js';
import { Door } from '../../services/door.js';
import { NO_IDEMPOTENCY } from '../../services/idempotency/keeper.js';
import type { Identity, Provider } from '../../services/identity.js';
import { NO_LIMITS } from '../../services/limit-keeper.js';
import type { Case } from './cases.js';
import { identityOf } from './identity.js';

export interface Verdict {
  readonly outcome: 'allow' | 'deny';
  /** One of `REASONS`; empty for allow. */
  readonly reason: string;
  /** null: no route was found. */
  readonly route: string | null;
  /** What the client is told; empty for allow. */
  readonly detail: string;
}

type TriedRoute = RouteConfig & { readonly guarded: boolean };

const NEVER_FORWARDED = new Set(['TRACE', 'CONNECT']);

export class Trial {
  readonly #config: Config;
  readonly #table: RouteTable<TriedRoute>;
  readonly #lookalikes: Lookalikes<TriedRoute>;
  readonly #roles: RoleTable;
  /** As the gateway knows them. */
  readonly #methods: ReadonlySet<string> | null;
  readonly #doors = new Map<RouteConfig, Door | null>();
  /** What providers and decision points of the door are asked about. */
  #current: { readonly tried: Case; readonly way: string | null } | null = null;
  #reason = '';

  constructor(config: Config) {
    this.#config = config;
    const routes = config.routes.map((route) => ({ ...route, guarded: Boolean(this.#optionsOf(route)) }));
    this.#table = new RouteTable(routes);
    this.#lookalikes = new Lookalikes(routes.filter(({ guarded }) => guarded));
    this.#roles = new RoleTable(config.auth.roles);
    this.#methods = routes.some(({ guarded }) => guarded) ? namedMethods(config) : null;
  }

  /** One after the other: the door of a route is asked about one case at a time. */
  async judge(tried: Case): Promise<Verdict> {
    const x = exchangeOf(tried);
    if (x.path === '') return refused('path', null, pathFault(tried.path));
    if (!isPlainMethod(x.method, this.#methods))
      return refused('method', null, 'A method is written in capitals.');
    const route = NEVER_FORWARDED.has(x.method) ? null : this.#table.find(x, x);
    if (route === null) {
      const otherMethods = x.allow.length > 0 || NEVER_FORWARDED.has(x.method);
      return otherMethods
        ? refused('method', null, 'The path is for other methods.')
        : refused('route', null, 'No route takes it.');
    }
    if (!readsOneWay(x, route, this.#lookalikes))
      return refused('path', route.name, 'The path can be read as another one.');
    if (!this.#isAllowed(route, x)) return refused('route', null, 'The path names no service that it may.');
    const door = this.#doorOf(route);
    if (door === null) return { outcome: 'allow', reason: '', route: route.name, detail: '' };
    // What conditions and decision points read of it.
    const known: Partial<Route> = { name: route.name, paramNames: paramNames(route.match.path) };
    x.route = known as Route;
    this.#current = { tried, way: this.#wayOf(tried, this.#optionsOf(route)) };
    await door.enter(x);
    if (x.failure === null) return { outcome: 'allow', reason: '', route: route.name, detail: '' };
    return refused(this.#reason, route.name, x.detail || x.failure.detail);
  }

  /** Whether the path names a service that it may name, if it names one. */
  #isAllowed(route: RouteConfig, x: Exchange): boolean {
    const parameter = serviceParameter(route);
    if (parameter === null) return true;
    const named = x.params[paramNames(route.match.path).indexOf(parameter)];
    return allowedServices(route, Object.entries(this.#config.services)).includes(named);
  }

  /** Which of the route's ways in the caller comes by; null: by none but `anonymous`. */
  #wayOf({ as }: Case, options: AuthOptions | undefined): string | null {
    if (as === null || !options) return null;
    const { providers } = this.#config.auth;
    const ways = (options.allOf ?? options.anyOf ?? []).filter((name) => Object.hasOwn(providers, name));
    const fits = (name: string) =>
      (as.provider === undefined || as.provider === name) &&
      (as.method === undefined || as.method === providers[name].type);
    return ways.find(fits) ?? null;
  }

  #optionsOf({ filters }: RouteConfig): AuthOptions | undefined {
    return filters.auth === undefined ? this.#config.defaults.auth : filters.auth;
  }

  #doorOf(route: RouteConfig): Door | null {
    let door = this.#doors.get(route);
    if (door === undefined) {
      door = this.#buildDoor(route);
      this.#doors.set(route, door);
    }
    return door;
  }

  #buildDoor(route: RouteConfig): Door | null {
    const options = this.#optionsOf(route);
    if (!options) return null;
    const providers = (options.allOf ?? options.anyOf ?? []).map((name) =>
      name === anonymous.name ? anonymous : this.#provider(name, options.allOf !== undefined),
    );
    const { name, service = null, match } = route;
    return new Door(providers, options, {
      route: { name, service, paramNames: paramNames(match.path) },
      access: this.#access(),
      limits: NO_LIMITS,
      idempotency: NO_IDEMPOTENCY,
      overload: NO_OVERLOAD,
    });
  }

  /** `together`: every way in is taken; the case tells who comes in by all of them. */
  #provider(name: string, together: boolean): Provider {
    const config = this.#config.auth.providers[name];
    return {
      ...anonymous,
      name,
      method: config.type,
      authenticate: (): Identity | null => {
        const { tried, way } = this.#current ?? { tried: null, way: null };
        if (!tried?.as || way === null || (way !== name && !together)) return null;
        return identityOf(tried.as, name, config);
      },
    };
  }

  #access(): Access {
    const unused = (): never => {
      throw new Error('not for trials');
    };
    return {
      provider: unused,
      demands: (demands, paramNames) => compileDemands(demands, this.#roles, { paramNames }),
      decision: (name) =>
        new DecisionPoint(name, this.#config.auth.decisions[name], async () => this.#said(), Date.now),
      audit: (_x, { reason = '' }) => {
        this.#reason = reason;
      },
      introduction: null,
      builtin: unused,
    };
  }

  #said(): { status: number; headers: Record<string, string>; body: Buffer } {
    const allow = this.#current?.tried.decision === 'allow';
    return { status: 200, headers: {}, body: Buffer.from(JSON.stringify({ allow })) };
  }
}

function exchangeOf({ method, path, query, host, headers, client }: Case): Exchange {
  return Object.assign(new Exchange(0), {
    method,
    path: canonicalPath(path),
    query,
    host: normalHost(host),
    authority: host,
    headers,
    peerIp: client,
    clientIp: client,
  });
}

function refused(reason: string, route: string | null, detail: string): Verdict {
  return { outcome: 'deny', reason, route, detail };
}
