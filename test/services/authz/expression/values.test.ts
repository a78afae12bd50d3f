/** What conditions read of a request, and how the values compare. */
import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../../../src/exchange.ts';
import { compileExpression, isFault } from '../../../../src/services/authz/expression/compile.ts';
import { exchange } from '../exchange.ts';

const NOW = 1_700_000_000_999;

function test(text: string, x: Exchange, paramNames: readonly string[] = ['id']): boolean {
  const compiled = compileExpression(text, { paramNames, now: () => NOW });
  if (isFault(compiled)) throw new Error(`${text}: ${compiled.message}`);
  return compiled.test(x);
}

const alice = exchange(
  {
    method: 'POST',
    query: 'page=2&name=J%C3%BCrgen+K&flag&e%6dail=a%40b&bad=%zz',
    headers: [
      'x-desk',
      'fx',
      'x-empty',
      '',
      'x-city',
      Buffer.from('Köln').toString('latin1'),
      'x-raw',
      '\xff',
    ],
  },
  {
    roles: ['trader', 'viewer'],
    scopes: ['orders:read'],
    plan: 'gold',
    claims: {
      sub: '7',
      level: 3,
      admin: true,
      nothing: null,
      desk: 'fx',
      city: 'Köln',
      email: 'Alice@Example.com',
      groups: ['a', 'b', 5],
      address: { country: { code: 'DE' } },
      'https://example.com/team': 'red',
      'a.b': 'dotted',
      empty: '',
    },
  },
);

describe('a condition reads', () => {
  it.each([
    "method == 'POST'",
    "path == '/orders/7'",
    "host == 'api.example.com'",
    "client.ip == '10.1.2.3'",
    "user == 'alice'",
    "plan == 'gold'",
    "auth.method == 'jwt'",
    "auth.provider == 'players'",
    "route == 'orders'",
    "param.id == '7'",
    "query.page == '2'",
    "query.name == 'Jürgen K'",
    "query.flag == ''",
    "query.email == 'a@b'",
    "query.bad == '%zz'",
    "header.x-desk == 'fx'",
    "header['X-Desk'] == 'fx'",
    "header.host == 'api.example.com:8443'",
    'header.x-city == claim.city',
    "header.x-raw == 'ÿ'",
    "claim.address.country.code == 'DE'",
    "claim['address']['country'].code == 'DE'",
    "claim['https://example.com/team'] == 'red'",
    "claim['a.b'] == 'dotted'",
    'now() == 1700000000',
  ])('%s', (text) => {
    expect(test(text, alice)).toBe(true);
  });

  it('parameters of the path decoded, with the name of the wildcard', () => {
    const x = exchange({ params: ['J%C3%BCrgen', 'a/b%2Fc'] });
    expect(test("param.id == 'Jürgen' && param.* == 'a/b/c'", x, ['id', '*'])).toBe(true);
    expect(test("param['*'] == 'a/b/c'", x, ['id', '*'])).toBe(true);
  });

  it('no claim that every object has', () => {
    const x = exchange({}, { claims: { list: ['a'], text: 'abc' } });
    for (const name of ['constructor', '__proto__', 'toString', 'list.length', 'text.length', 'list.0']) {
      expect(test(`exists(claim.${name})`, x)).toBe(false);
    }
  });

  it('nothing of a caller who is not known', () => {
    const x = exchange({ identity: null });
    for (const name of ['user', 'claim.sub', 'role', 'scope', 'plan', 'auth.method']) {
      expect(test(`exists(${name})`, x)).toBe(false);
    }
    expect(test("role == 'trader' || role in ['trader'] || user == claim.sub", x)).toBe(false);
  });
});

describe('what is missing', () => {
  it('is equal to nothing, not even to another that is missing', () => {
    for (const text of [
      'claim.none == claim.none',
      'claim.none == claim.other',
      'claim.none == null',
      "claim.none == ''",
      'claim.none == query.none',
      'claim.none in [claim.none, null]',
      "claim.none in ['a']",
      'claim.none < 1',
      'claim.none >= 1',
      "startsWith(claim.none, '')",
      "contains(claim.none, 'a')",
      'contains(claim.groups, claim.none)',
      "lower(claim.none) == ''",
      'claim.none',
    ]) {
      expect(`${text} ${test(text, alice)}`).toBe(`${text} false`);
    }
    expect(test('claim.none != claim.none', alice)).toBe(true);
    expect(test('!exists(claim.none) && exists(claim.nothing)', alice)).toBe(true);
  });

  it('includes members of an identity that say nothing', () => {
    const key = exchange({ headers: ['x-consumer', ''] }, { user: '', consumer: '', plan: '' });
    expect(test('consumer == header.x-consumer', key)).toBe(false);
    expect(test("user == '' || plan == '' || consumer == ''", key)).toBe(false);
  });
});

describe('comparisons', () => {
  it.each([
    ['claim.level == 3', true],
    ["claim.level == '3'", false],
    ["claim.level != '3'", true],
    ['claim.level < 3.5', true],
    ['claim.level >= 3', true],
    ['claim.level > 3', false],
    ['claim.level <= 3', true],
    ['claim.level > -1', true],
    ["claim.level > '1'", false],
    ["claim.sub < 'a'", true],
    ['claim.sub < 10', false],
    ['query.page < 5', false],
    ['claim.admin == true', true],
    ['claim.admin', true],
    ['claim.desk', false],
    ['!claim.desk', true],
    ['claim.level', false],
    ['claim.nothing == null', true],
    ['claim.admin == null', false],
    ['claim.groups == claim.groups', false],
    ["claim.groups == 'a'", false],
    ["'a' in claim.groups", true],
    ["'5' in claim.groups", false],
    ['5 in claim.groups', true],
    ["claim.sub in ['6', '7']", true],
    ['claim.sub in [param.id]', true],
    ['claim.sub in []', false],
    ['claim.sub in claim.desk', false],
    ["claim.groups in ['a']", false],
    ['claim.admin in [true, false]', true],
    ["(method == 'POST') == true", true],
    ["claim.empty == ''", true],
  ])('%s is %s', (text, expected) => {
    expect(test(text, alice)).toBe(expected);
  });

  it.each([
    ["role == 'trader'", true],
    ["'viewer' == role", true],
    ["role == 'admin'", false],
    ["role != 'admin'", true],
    ["role != 'trader'", false],
    ["role in ['admin', 'viewer']", true],
    ["role in ['admin', 'support']", false],
    ['role in claim.groups', false],
    ["'trader' in role", true],
    ["contains(role, 'trader')", true],
    ["scope == 'orders:read'", true],
    ["scope in ['orders:write']", false],
    ['role == claim.none', false],
  ])('with the set: %s is %s', (text, expected) => {
    expect(test(text, alice)).toBe(expected);
  });
});

describe('operators', () => {
  it.each([
    ['true || false && false', true],
    ['(true || false) && false', false],
    ['!true || true', true],
    ['!(true || true)', false],
    ['!!true', true],
    ["!claim.sub == '7'", false],
    ["!role in ['admin']", true],
    ['false || false || true', true],
    ['true && true && false', false],
  ])('%s is %s', (text, expected) => {
    expect(test(text, alice)).toBe(expected);
  });
});

describe('functions', () => {
  it.each([
    ["startsWith(path, '/orders/')", true],
    ["startsWith(path, 'orders')", false],
    ["endsWith(claim.email, '@Example.com')", true],
    ["endsWith(lower(claim.email), '@example.com')", true],
    ['startsWith(claim.level, claim.level)', false],
    ["contains(path, 'ders')", true],
    ["contains(claim.groups, 'b')", true],
    ["contains(claim.groups, 'c')", false],
    ["contains(['x', claim.desk], 'fx')", true],
    ['contains(claim.desk, 5)', false],
    ["inNetwork(client.ip, '10.0.0.0/8')", true],
    ["inNetwork(client.ip, '10.1.2.3')", true],
    ["inNetwork(client.ip, '192.168.0.0/16')", false],
    ["inNetwork(client.ip, '::/0')", false],
    ["inNetwork(claim.desk, '10.0.0.0/8')", false],
    ["inNetwork(claim.none, '10.0.0.0/8')", false],
    ['now() < claim.level', false],
    ['exists(claim.level)', true],
    ['exists(role)', true],
  ])('%s is %s', (text, expected) => {
    expect(test(text, alice)).toBe(expected);
  });

  it('know networks of IPv6', () => {
    const x = exchange({ clientIp: '2001:db8::7' });
    expect(test("inNetwork(client.ip, '2001:db8::/32')", x)).toBe(true);
    expect(test("inNetwork(client.ip, '2001:db9::/32')", x)).toBe(false);
    expect(test("inNetwork(client.ip, '0.0.0.0/0')", x)).toBe(false);
  });

  it('ask the clock each time', () => {
    let now = 1000;
    const compiled = compileExpression('now() >= 5', { paramNames: [], now: () => now });
    if (isFault(compiled)) throw new Error(compiled.message);
    expect(compiled.test(alice)).toBe(false);
    now = 5000;
    expect(compiled.test(alice)).toBe(true);
  });
});

describe('what a request says twice', () => {
  const twice = exchange(
    { query: 'user=7&us%65r=8', headers: ['x-desk', 'fx', 'x-desk', 'eq'] },
    { roles: ['admin'], claims: { sub: '7' } },
  );

  it('makes a condition false that reads it, whatever it asks', () => {
    for (const text of [
      'query.user == claim.sub',
      "query.user != '8'",
      'exists(query.user)',
      '!exists(query.user)',
      "header.x-desk == 'fx'",
      "header.x-desk != 'fx'",
      "header.x-desk == 'fx' || role == 'admin'",
    ]) {
      expect(`${text} ${test(text, twice)}`).toBe(`${text} false`);
    }
  });

  it('does not matter where it is not read, and not to the next request', () => {
    expect(test("role == 'admin' || query.user == '7'", twice)).toBe(true);
    const compiled = compileExpression("query.user != 'x'", { paramNames: [] });
    if (isFault(compiled)) throw new Error(compiled.message);
    expect(compiled.test(twice)).toBe(false);
    expect(compiled.test(exchange({ query: 'user=7' }))).toBe(true);
  });
});

describe('names of query parameters', () => {
  it.each([
    ['a%3Db=1', "query['a=b'] == '1'", true],
    ['a=b=1', "query['a=b'] == '1'", false],
    ['a=b=1', "query.a == 'b=1'", true],
    ['a+b=1', "query['a b'] == '1'", true],
    ['a+b=1', "query['a+b'] == '1'", false],
    ['a%2Bb=1', "query['a+b'] == '1'", true],
    ['aa=1&a=2', "query.a == '2'", true],
    ['&&a=2&', "query.a == '2'", true],
    ['=1', 'exists(query.a)', false],
    ['A=1', 'exists(query.a)', false],
    ['%61=1&a=2', 'query.a == query.a', false],
  ])('?%s: %s is %s', (query, text, expected) => {
    expect(test(text, exchange({ query }))).toBe(expected);
  });
});
