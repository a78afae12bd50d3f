import { describe, expect, it } from 'vitest';
import { FORBIDDEN, INSUFFICIENT_SCOPE } from '../../../src/errors.ts';
import { compileDemands, type Demands, type Denial } from '../../../src/services/authz/demands.ts';
import { RoleTable } from '../../../src/services/authz/roles.ts';
import type { Identity } from '../../../src/services/identity.ts';
import { exchange } from './exchange.ts';

const table = new RoleTable({ trader: ['orders:*'], viewer: ['orders:read'], junior: ['!orders:delete'] });

function check(demands: Demands, caller: Partial<Identity>): Denial | null {
  const demand = compileDemands(demands, table, { paramNames: ['id'] });
  if (demand === null) throw new Error('nothing is demanded');
  const x = exchange({}, caller);
  return demand(x, x.identity as Identity);
}

it('nothing is demanded when nothing is said', () => {
  expect(compileDemands({}, table, { paramNames: [] })).toBeNull();
  expect(compileDemands({ roles: [], scopes: [], permissions: [] }, table, { paramNames: [] })).toBeNull();
});

describe('roles', () => {
  it('are met by any one', () => {
    expect(check({ roles: ['trader', 'admin'] }, { roles: ['viewer', 'admin'] })).toBeNull();
  });

  it('are named when none is there', () => {
    expect(check({ roles: ['trader', 'admin'] }, { roles: ['viewer'] })).toEqual({
      failure: INSUFFICIENT_SCOPE,
      reason: 'role',
      detail: 'One of the roles trader, admin is needed.',
      missingScope: '',
    });
    expect(check({ roles: ['admin'] }, {})?.detail).toBe('The role admin is needed.');
  });
});

describe('scopes', () => {
  it('are met by all', () => {
    expect(check({ scopes: ['a', 'b'] }, { scopes: ['b', 'c', 'a'] })).toBeNull();
  });

  it('are named as far as they are missing', () => {
    expect(check({ scopes: ['a', 'b', 'c'] }, { scopes: ['b'] })).toEqual({
      failure: INSUFFICIENT_SCOPE,
      reason: 'scope',
      detail: 'Missing scopes: a, c.',
      missingScope: 'a c',
    });
  });

  it('that would break out of the challenge stay out of it', () => {
    const denial = check({ scopes: ['a"b', 'c\\d', 'e\r\nf', 'ok:1', 'ä'] }, {});
    expect(denial?.missingScope).toBe('ok:1');
  });
});

describe('permissions', () => {
  it('are met by all, whichever role gives them', () => {
    expect(
      check({ permissions: ['orders:read', 'orders:write'] }, { roles: ['viewer', 'trader'] }),
    ).toBeNull();
  });

  it('are named as far as they are missing', () => {
    expect(check({ permissions: ['orders:read', 'orders:write'] }, { roles: ['viewer'] })).toEqual({
      failure: INSUFFICIENT_SCOPE,
      reason: 'permission',
      detail: 'Missing permission: orders:write.',
      missingScope: '',
    });
  });

  it('are missing when a role denies them', () => {
    expect(check({ permissions: ['orders:delete'] }, { roles: ['trader', 'junior'] })?.reason).toBe(
      'permission',
    );
  });
});

describe('a condition', () => {
  it('is met or not, and its rule is not told', () => {
    expect(check({ when: 'param.id == claim.sub' }, { claims: { sub: '7' } })).toBeNull();
    expect(check({ when: 'param.id == claim.sub' }, { claims: { sub: '8' } })).toEqual({
      failure: FORBIDDEN,
      reason: 'condition',
      detail: '',
      missingScope: '',
    });
  });

  it('comes last', () => {
    const demands = { roles: ['trader'], when: 'false' };
    expect(check(demands, { roles: [] })?.reason).toBe('role');
    expect(check(demands, { roles: ['trader'] })?.reason).toBe('condition');
  });

  it('with a fault is an error when the configuration loads', () => {
    expect(() => compileDemands({ when: 'clam.sub == 1' }, table, { paramNames: [] })).toThrow(
      'condition "clam.sub == 1": unknown name "clam.sub" (at character 1)',
    );
  });
});

describe('demands', () => {
  it('are asked in order: roles, scopes, permissions', () => {
    const demands = { roles: ['trader'], scopes: ['a'], permissions: ['quotes:read'] };
    expect(check(demands, { scopes: ['a'] })?.reason).toBe('role');
    expect(check(demands, { roles: ['trader'] })?.reason).toBe('scope');
    expect(check(demands, { roles: ['trader'], scopes: ['a'] })?.reason).toBe('permission');
  });

  it('are refused with frozen values', () => {
    for (const demands of [{ roles: ['a'] }, { scopes: ['a'] }, { permissions: ['a'] }, { when: 'false' }]) {
      expect(Object.isFrozen(check(demands, {}))).toBe(true);
    }
  });

  it('give every caller its own verdict, however many roles there are', () => {
    const roles = Array.from({ length: 100 }, (_, i) => `role-${i}`);
    const demand = compileDemands({ permissions: ['orders:read', 'orders:write'] }, table, {
      paramNames: [],
    });
    const [may, mayNot] = [exchange({}, { roles: [...roles, 'trader'] }), exchange({}, { roles })];
    for (let i = 0; i < 3; i++) {
      expect(demand?.(may, may.identity as Identity)).toBeNull();
      expect(demand?.(mayNot, mayNot.identity as Identity)?.reason).toBe('permission');
    }
  });
});
