/** The table against a matcher that is too simple to be wrong: try every route, keep the best. */
import { expect, it } from 'vitest';
import type { Routable, RouteQuery } from '../../src/route/candidate.ts';
import { explain } from '../../src/route/inspect/explain.ts';
import { inMatchOrder } from '../../src/route/inspect/order.ts';
import type { ValueMatch } from '../../src/route/predicates.ts';
import { RouteTable, routeConflicts } from '../../src/route/table.ts';
import { Random } from './random.ts';
import { emptyMatch, request, route } from './requests.ts';

const WORDS = ['a', 'b', 'ab', 'abc', 'a:b', '%2F'];
const HOSTS = ['a.com', 'x.a.com', 'y.x.a.com', 'b.org'];
const HOST_PATTERNS = [...HOSTS, '*.a.com', '*.x.a.com', '*.com'];
const METHODS = ['GET', 'HEAD', 'POST'];

it('finds the route, the parameters and the allowed methods that trying all routes finds', () => {
  const random = new Random(3);
  const seen = { found: 0, refused: 0, withParams: 0 };
  for (let round = 0; round < 400; round++) {
    const routes = withoutTies(random.list(1 + random.below(60), () => randomRoute(random)));
    const table = new RouteTable(routes);
    const order = inMatchOrder(routes);
    for (let n = 0; n < 50; n++) {
      const asked = randomRequest(random);
      const match = emptyMatch();
      const found = table.find(asked, match);
      const expected = tryAll(routes, asked);
      const what = `${asked.method} ${asked.host}${asked.path}?${asked.query}`;
      expect(found?.name ?? null, what).toBe(expected.name);
      expect(match.params, what).toEqual(expected.params);
      expect(match.allow, what).toEqual(expected.allow);
      const first = order.find(({ host, candidate }) => judge(candidate.route, host, asked).all);
      expect(first?.candidate.route.name ?? null, `the written order: ${what}`).toBe(expected.name);
      if (n === 0) expect(explain(routes, asked).route?.name ?? null, what).toBe(expected.name);
      seen.found += Number(found !== null);
      seen.refused += Number(match.allow.length > 0);
      seen.withParams += Number(match.params.length > 0);
    }
  }
  for (const count of Object.values(seen)) expect(count, JSON.stringify(seen)).toBeGreaterThan(500);
});

function randomRoute(random: Random): Routable {
  const segments = random.list(random.below(4), () => (random.chance(0.4) ? ':' : random.of(WORDS)));
  if (random.chance(0.3)) segments.push(random.chance(0.7) ? '*' : '');
  const path = `/${segments.map((text, i) => (text === ':' ? `:p${i}` : text)).join('/')}`.replaceAll(
    '//',
    '/',
  );
  const value = () =>
    random.of([{ present: true }, { present: false }, { exact: '1' }, { exact: '2' }, { pattern: '^[12]$' }]);
  return route(`r${random.below(1e9)}`, {
    encodedSlashes: true,
    path,
    host: random.list(random.of([0, 0, 1, 2]), () => random.of(HOST_PATTERNS)),
    methods: random.chance(0.5) ? [] : [...new Set(random.list(2, () => random.of(METHODS)))],
    headers: random.chance(0.3) ? { [random.of(['x', 'y'])]: value() } : {},
    query: random.chance(0.3) ? { [random.of(['q', 'r'])]: value() } : {},
  });
}

function randomRequest(random: Random): RouteQuery {
  const path = random.list(1 + random.below(4), () => random.of([...WORDS, 'a%3Ab', 'z', ''])).join('/');
  const values: Record<string, string> = {};
  for (const name of ['x', 'y']) if (random.chance(0.4)) values[name] = random.of(['1', '2', '3']);
  const query = random
    .list(random.below(3), () => `${random.of(['q', 'r'])}=${random.of(['1', '2', '%31'])}`)
    .join('&');
  return request(
    random.of(METHODS),
    `${random.of(HOSTS)}${`/${path}`.replaceAll(/\/+/g, '/')}?${query}`,
    values,
  );
}

/** The routes without those that tie with another. */
function withoutTies(routes: Routable[]): Routable[] {
  const tied = new Set(routeConflicts(routes).map(({ second }) => second.index));
  return routes.filter((_, index) => !tied.has(index));
}

function tryAll(
  routes: Routable[],
  asked: RouteQuery,
): { name: string | null; params: string[]; allow: string[] } {
  let best: { route: Routable; rank: string; params: string[] } | null = null;
  const allow = new Set<string>();
  for (const candidate of routes) {
    for (const host of candidate.match.host.length > 0 ? candidate.match.host : ['*']) {
      const { all, butMethod, params } = judge(candidate, host, asked);
      const rank = rankOf(candidate, host);
      if (all && (best === null || rank > best.rank)) best = { route: candidate, rank, params };
      if (butMethod) for (const method of candidate.match.methods) allow.add(method);
    }
  }
  if (best) return { name: best.route.name, params: best.params, allow: [] };
  if (allow.has('GET')) allow.add('HEAD');
  return { name: null, params: [], allow: [...allow].sort() };
}

function judge(
  { match }: Routable,
  host: string,
  asked: RouteQuery,
): { all: boolean; butMethod: boolean; params: string[] } {
  const hostFits =
    host === '*' || host === asked.host || (host.startsWith('*.') && asked.host.endsWith(host.slice(1)));
  const source = match.path
    .replaceAll('a:b', 'a(?::|%3A)b')
    .replaceAll(/:p\d/g, '([^/]+)')
    .replace(/\*$/, '(.*)');
  const path = new RegExp(`^${source}$`).exec(asked.path);
  const values = new URLSearchParams(asked.query);
  const butMethod =
    hostFits &&
    path !== null &&
    Object.entries(match.headers).every(([name, demand]) => satisfies(demand, asked.header(name))) &&
    Object.entries(match.query).every(([name, demand]) => satisfies(demand, values.get(name) ?? undefined));
  const method =
    match.methods.length === 0 ||
    match.methods.includes(asked.method) ||
    (asked.method === 'HEAD' && match.methods.includes('GET'));
  return { all: butMethod && method, butMethod, params: path?.slice(1) ?? [] };
}

function satisfies(demand: ValueMatch, value: string | undefined): boolean {
  if ('present' in demand) return demand.present === (value !== undefined);
  if (value === undefined) return false;
  return 'exact' in demand ? demand.exact === value : new RegExp(demand.pattern).test(value);
}

/** Greater is better, as text. */
function rankOf({ match }: Routable, host: string): string {
  const hostRank = host === '*' ? 0 : host.startsWith('*.') ? host.length : 999;
  const pathRank = match.path
    .split('/')
    .map((text) => (text.startsWith(':') ? 'p' : text === '*' ? 'a' : 'z'));
  const weight = Object.keys({ ...match.headers, ...match.query }).length + Math.sign(match.methods.length);
  const namesHead = Number(match.methods.includes('HEAD'));
  return [String(hostRank).padStart(3, '0'), pathRank.join(''), weight, namesHead].join(' ');
}
