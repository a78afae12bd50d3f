/** What a route demands of callers that are known: roles, scopes, permissions, a condition. */
import { type Failure, FORBIDDEN, INSUFFICIENT_SCOPE } from '../../errors.js';
import type { Exchange } from '../../exchange.js';
import type { Identity } from '../identity.js';
import { compileExpression, type Expression, isFault, type Scope } from './expression/compile.js';
import type { PermissionDemand, RoleTable } from './roles.js';

export interface Demands {
  /** One of them. */
  readonly roles?: readonly string[];
  /** All of them. */
  readonly scopes?: readonly string[];
  /** All of them. */
  readonly permissions?: readonly string[];
  readonly when?: string;
}

/** Why a caller that is known may not. Frozen. */
export interface Denial {
  readonly failure: Failure;
  /** Word of the audit line. */
  readonly reason: 'role' | 'scope' | 'permission' | 'condition' | 'decision' | 'decision-unavailable';
  /** What is missing, for the client; never how a rule reads. Empty: the failure's own words. */
  readonly detail: string;
  /** For `WWW-Authenticate` (RFC 6750 §3): scopes with spaces between them; empty when it is not about scopes. */
  readonly missingScope: string;
}

/** null: the caller may. */
export type DemandCheck = (x: Exchange, identity: Identity) => Denial | null;

/** From so many roles and scopes on a verdict is remembered for the identity: looking it up is cheaper then. */
const MANY = 8;

/**
 * null: nothing is demanded.
 * @throws Error for a condition that `compileExpression` finds a fault in: the configuration's checks have seen to that
 */
export function compileDemands(demands: Demands, table: RoleTable, scope: Scope): DemandCheck | null {
  const { roles = [], scopes = [], permissions = [], when } = demands;
  const standing = [
    ...(roles.length === 0 ? [] : [demandRole(roles)]),
    ...(scopes.length === 0 ? [] : [demandScopes(scopes)]),
    ...(permissions.length === 0 ? [] : [demandPermissions(table.demand(permissions))]),
  ];
  const check = standing.length === 0 ? null : remembering(standing);
  if (when === undefined) return check;
  const condition = compileCondition(when, scope);
  return function checkDemands(x, identity) {
    const denial = check === null ? null : check(x, identity);
    return denial ?? (condition.test(x) ? null : CONDITION);
  };
}

type Standing = (identity: Identity) => Denial | null;

/** Roles, scopes and permissions depend on the identity alone, which many exchanges share. */
function remembering(standing: readonly Standing[]): DemandCheck {
  const judge: Standing = standing.length === 1 ? standing[0] : (identity) => firstOf(standing, identity);
  const known = new WeakMap<Identity, Denial | null>();
  return function checkStanding(_x, identity) {
    if (identity.roles.length + identity.scopes.length < MANY) return judge(identity);
    let denial = known.get(identity);
    if (denial === undefined) {
      denial = judge(identity);
      known.set(identity, denial);
    }
    return denial;
  };
}

function firstOf(standing: readonly Standing[], identity: Identity): Denial | null {
  for (let i = 0; i < standing.length; i++) {
    const denial = standing[i](identity);
    if (denial !== null) return denial;
  }
  return null;
}

function demandRole(wanted: readonly string[]): Standing {
  const one = new Set(wanted);
  const detail =
    wanted.length === 1
      ? `The role ${wanted[0]} is needed.`
      : `One of the roles ${wanted.join(', ')} is needed.`;
  const denial = denied(INSUFFICIENT_SCOPE, 'role', detail);
  return function hasRole({ roles }) {
    for (let i = 0; i < roles.length; i++) if (one.has(roles[i])) return null;
    return denial;
  };
}

function demandScopes(wanted: readonly string[]): Standing {
  return function hasScopes({ scopes }) {
    for (let i = 0; i < wanted.length; i++) {
      if (!scopes.includes(wanted[i]))
        return withoutScopes(wanted.filter((scope) => !scopes.includes(scope)));
    }
    return null;
  };
}

/** RFC 6749 §3.3: what does not fit there would end the quoted text that it stands in. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

function withoutScopes(missing: readonly string[]): Denial {
  const detail = `Missing ${missing.length === 1 ? 'scope' : 'scopes'}: ${missing.join(', ')}.`;
  const challenge = missing.filter((scope) => SCOPE_TOKEN.test(scope)).join(' ');
  return denied(INSUFFICIENT_SCOPE, 'scope', detail, challenge);
}

function demandPermissions(demand: PermissionDemand): Standing {
  return function hasPermissions({ roles }) {
    return demand.allows(roles) ? null : withoutPermissions(demand.missing(roles));
  };
}

function withoutPermissions(missing: readonly string[]): Denial {
  const noun = missing.length === 1 ? 'permission' : 'permissions';
  return denied(INSUFFICIENT_SCOPE, 'permission', `Missing ${noun}: ${missing.join(', ')}.`);
}

const CONDITION = denied(FORBIDDEN, 'condition', '');

function compileCondition(when: string, scope: Scope): Expression {
  const compiled = compileExpression(when, scope);
  if (!isFault(compiled)) return compiled;
  throw new Error(`condition "${when}": ${compiled.message} (at character ${compiled.at + 1})`);
}

export function denied(
  failure: Failure,
  reason: Denial['reason'],
  detail: string,
  missingScope = '',
): Denial {
  return Object.freeze({ failure, reason, detail, missingScope });
}
