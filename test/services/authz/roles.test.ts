import { describe, expect, it } from 'vitest';
import { patternFault, permissionFault, RoleTable } from '../../../src/services/authz/roles.ts';

const table = new RoleTable({
  trader: ['orders:*', 'quotes:read'],
  viewer: ['orders:read'],
  auditor: ['*:read', 'reports:*:export'],
  junior: ['!orders:delete', '!reports:*'],
  root: ['*'],
  both: ['orders:read', '!orders:read'],
  constructor: ['odd:read'],
});

describe('a role', () => {
  it.each([
    [['viewer'], 'orders:read', true],
    [['viewer'], 'orders:write', false],
    [['viewer'], 'orders:read:all', false],
    [['viewer'], 'orders', false],
    [['trader'], 'orders:write', true],
    [['trader'], 'orders:write:all', true],
    [['trader'], 'orders', false],
    [['trader'], 'ordersx:write', false],
    [['auditor'], 'users:read', true],
    [['auditor'], 'users:admin:read', false],
    [['auditor'], 'reports:2026:export', true],
    [['auditor'], 'reports:export', false],
    [['auditor'], 'reports:2026:07:export', false],
    [['root'], 'anything', true],
    [['root'], 'any:thing:at:all', true],
    [['nobody'], 'orders:read', false],
    [[], 'orders:read', false],
    [['toString'], 'orders:read', false],
    [['constructor'], 'odd:read', true],
    [['Viewer'], 'orders:read', false],
    [['viewer'], 'Orders:read', false],
  ])('%j and %s: %s', (roles, permission, allowed) => {
    expect(table.allows(roles, permission)).toBe(allowed);
    expect(table.demand([permission]).missing(roles)).toEqual(allowed ? [] : [permission]);
  });

  it('that denies wins over all that allow, in any order', () => {
    expect(table.allows(['trader', 'junior'], 'orders:delete')).toBe(false);
    expect(table.allows(['junior', 'root', 'trader'], 'orders:delete')).toBe(false);
    expect(table.allows(['root', 'junior'], 'reports:2026:export')).toBe(false);
    expect(table.allows(['root', 'junior'], 'orders:read')).toBe(true);
    expect(table.allows(['both'], 'orders:read')).toBe(false);
  });

  it('that denies allows nothing by it', () => {
    expect(table.allows(['junior'], 'orders:read')).toBe(false);
  });
});

describe('permissions that are demanded together', () => {
  const names = Array.from({ length: 70 }, (_, i) => `area:p${i}`);
  const halves = new RoleTable({
    even: names.filter((_, i) => i % 2 === 0),
    odd: names.filter((_, i) => i % 2 === 1),
    first: [names[0]],
    no33: [`!${names[33]}`],
    other: ['!other:p1'],
  });
  const demand = halves.demand(names);

  it('are given by several roles, each its part', () => {
    expect(demand.allows(['even', 'odd'])).toBe(true);
    expect(demand.allows(['other', 'odd', 'first', 'even'])).toBe(true);
    expect(demand.missing(['even', 'odd', 'other'])).toEqual([]);
  });

  it('are all needed, in their order', () => {
    expect(demand.allows(['even'])).toBe(false);
    expect(demand.missing(['even'])).toEqual(names.filter((_, i) => i % 2 === 1));
    expect(demand.allows([])).toBe(false);
    expect(demand.missing([])).toEqual(names);
  });

  it('are not given when a role denies one', () => {
    expect(demand.allows(['even', 'odd', 'no33'])).toBe(false);
    expect(demand.missing(['no33', 'even', 'odd'])).toEqual([names[33]]);
  });

  it('are decided afresh each time', () => {
    expect(demand.allows(['even', 'odd'])).toBe(true);
    expect(demand.allows(['even'])).toBe(false);
  });
});

describe('a pattern', () => {
  it.each(['*', 'orders', 'orders:*', '*:read', 'a:*:c', '!a:*', 'a-b:c_d.e'])('%s is right', (pattern) => {
    expect(patternFault(pattern)).toBeNull();
  });

  it.each([
    ['', 'a permission is not empty'],
    ['!', 'a permission is not empty'],
    ['a::b', '"a::b" has an empty part between its colons'],
    ['a:', '"a:" has an empty part between its colons'],
    ['a:re*', '"*" is a whole part: "re*" is not'],
    ['**', '"*" is a whole part: "**" is not'],
    ['!!a', '"!" comes first, and once'],
    ['a:!b', '"!" comes first, and once'],
    ['a b', '"a b" has white space in it'],
  ])('%j: %s', (pattern, fault) => {
    expect(patternFault(pattern)).toBe(fault);
  });

  it('is no permission that a route can demand', () => {
    expect(permissionFault('orders:write')).toBeNull();
    expect(permissionFault('orders:*')).toBe('"orders:*" is not one permission: only roles have "*"');
    expect(permissionFault('!orders:write')).toBe('only roles deny, with "!"');
  });
});
