import { describe, expect, it } from 'vitest';
import { RouteTable, routeConflicts } from '../../src/route/table.ts';
import { emptyMatch, request, route } from './requests.ts';

/** Enough routes on one path for an index by the tenant. */
const tenants = Array.from({ length: 50 }, (_, i) =>
  route(`t${i}`, { path: '/*', headers: { tenant: { exact: `${i}` } } }),
);

describe('many routes on one path that ask for different values of one header', () => {
  const table = new RouteTable([
    route('none', { path: '/*' }),
    ...tenants,
    route('t7-beta', { path: '/*', headers: { tenant: { exact: '7' } }, query: { beta: { present: true } } }),
    route('t7-post', {
      path: '/*',
      methods: ['POST'],
      headers: { tenant: { exact: '7' } },
      query: { x: { exact: '1' } },
    }),
    route('debug', {
      path: '/*',
      methods: ['GET'],
      headers: { debug: { present: true } },
      query: { a: { present: true }, b: { present: true } },
    }),
  ]);
  const find = (method: string, url: string, headers: Record<string, string>) => {
    const match = emptyMatch();
    return table.find(request(method, url, headers), match)?.name ?? match.allow;
  };

  it('are found by the value, and passed over when it is another or missing', () => {
    expect(find('GET', '/', { tenant: '7' })).toBe('t7');
    expect(find('GET', '/', { tenant: '49' })).toBe('t49');
    expect(find('GET', '/', { tenant: '50' })).toBe('none');
    expect(find('GET', '/', {})).toBe('none');
  });

  it('keep the rule that more conditions win, among those with the value and with those that do not ask for one', () => {
    expect(find('GET', '/?beta', { tenant: '7' })).toBe('t7-beta');
    expect(find('POST', '/?beta&x=1', { tenant: '7' })).toBe('t7-post');
    expect(find('GET', '/?beta&a&b', { tenant: '7', debug: '' })).toBe('debug');
    expect(find('POST', '/?beta&a&b', { tenant: '8', debug: '' })).toBe('t8');
  });

  it('answer with the methods of the routes for that value when only the method fails', () => {
    const strict = new RouteTable([
      ...tenants.map(({ name, match }, i) => route(name, { ...match, methods: i === 7 ? ['PUT'] : ['GET'] })),
      route('open', { path: '/*', methods: ['DELETE'] }),
    ]);
    const match = emptyMatch();
    expect(strict.find(request('PATCH', '/', { tenant: '7' }), match)).toBe(null);
    expect(match.allow).toEqual(['DELETE', 'PUT']);
  });

  it('tie with each other as few routes would', () => {
    const pairs = (extra: ReturnType<typeof route>) =>
      routeConflicts([...tenants, extra]).map(({ first, second }) => `${first.name} ${second.name}`);
    expect(pairs(route('again', { path: '/*', headers: { tenant: { exact: '7' } } }))).toEqual(['t7 again']);
    expect(pairs(route('fits', { path: '/*', headers: { tenant: { pattern: '^4.$' } } })).length).toBe(10);
    expect(pairs(route('other', { path: '/*', headers: { other: { exact: '7' } } })).length).toBe(50);
    expect(pairs(route('fifty', { path: '/*', headers: { tenant: { exact: '50' } } }))).toEqual([]);
  });

  it('are compiled in time that grows with their number only', () => {
    const many = Array.from({ length: 20_000 }, (_, i) =>
      route(`r${i}`, { path: '/x', query: { v: { exact: `${i}` } } }),
    );
    const before = performance.now();
    expect(new RouteTable(many).find(request('GET', '/x?v=19999'), emptyMatch())?.name).toBe('r19999');
    expect(performance.now() - before).toBeLessThan(3_000);
  });
});
