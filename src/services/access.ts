/** What the `auth` filter and the endpoints of sessions are built with: the ways in, the rules, the words for services. */
import type { Exchange } from '../exchange.js';
import type { Stage } from '../pipeline.js';
import type { DecisionPoint } from './authz/decision.js';
import type { DemandCheck, Demands } from './authz/demands.js';
import type { Identity, Provider } from './identity.js';

export interface Access {
  /** Throws for a name that the configuration does not have: the checks have seen to that. */
  provider(name: string): Provider;
  /** null: nothing is demanded. */
  demands(demands: Demands, paramNames: readonly string[]): DemandCheck | null;
  decision(name: string): DecisionPoint;
  /** Writes a line of the audit log about an exchange. */
  readonly audit: (x: Exchange, event: AuditEvent) => void;
  /** The short-lived token for a service; null: services get plain headers. */
  readonly introduction: Introduction | null;
  /** The route's answer of its own, for `builtin:`. */
  builtin(action: BuiltinAction, provider: string | null): Stage;
}

export type BuiltinAction = 'login' | 'callback' | 'refresh' | 'logout' | 'session' | 'keys';

export interface AuditEvent {
  readonly event: string;
  readonly provider?: string;
  readonly reason?: string;
}

export interface Introduction {
  /** Lower case. */
  readonly header: string;
  /** A token about the caller. Made anew when half of its life is over. */
  token(identity: Identity, audience: Audience): string;
}

/** Whom a route tells what. One object for each route: tokens are remembered by it. */
export interface Audience {
  readonly service: string;
  /** Claims of the caller's own credential that go along. */
  readonly claims: readonly string[];
}
