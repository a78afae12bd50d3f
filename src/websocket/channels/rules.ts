/** What a route with channels allows to whom. */
import type { RouteConfig } from '../../config/schema/route.js';
import type { Exchange } from '../../exchange.js';
import type { Access } from '../../services/access.js';
import type { DemandCheck } from '../../services/authz/demands.js';
import { ChannelPattern } from '../../services/channels/names.js';

interface Rule {
  readonly pattern: ChannelPattern;
  /** null: nothing is demanded. */
  readonly check: DemandCheck | null;
}

export class ChannelRules {
  readonly options: NonNullable<RouteConfig['channels']>;
  readonly websocket: RouteConfig['websocket'];
  readonly #rules: readonly Rule[];

  constructor(route: RouteConfig, paramNames: readonly string[], access: Access) {
    this.options = route.channels as NonNullable<RouteConfig['channels']>;
    this.websocket = route.websocket;
    this.#rules = this.options.allow.map(({ match, roles, scopes, permissions, when }) => ({
      pattern: new ChannelPattern(match, paramNames),
      check:
        roles.length + scopes.length + permissions.length === 0 && when === undefined
          ? null
          : access.demands({ roles, scopes, permissions, when }, paramNames),
    }));
  }

  /** Whether this caller may subscribe to the channel: one rule is enough. */
  allows(channel: string, x: Exchange): boolean {
    const segments = channel.split('.');
    return this.#rules.some(
      ({ pattern, check }) =>
        pattern.matches(segments, x) &&
        (check === null || (x.identity !== null && check(x, x.identity) === null)),
    );
  }
}
