import { describe, expect, it } from 'vitest';
import { Exchange } from '../../../src/exchange.ts';
import { createBalancer, type Policy } from '../../../src/upstream/balance/balancer.ts';
import type { Endpoint } from '../../../src/upstream/endpoint.ts';

const X = new Exchange(0);

/** Endpoints are only told apart here. */
function endpoints(weights: Record<string, number>) {
  return Object.entries(weights).map(([url, weight]) => ({
    endpoint: { url, available: true } as Endpoint,
    weight,
  }));
}

function picks(policy: Policy, weights: Record<string, number>, count: number, offset = 0): string {
  const balancer = createBalancer(policy, endpoints(weights), offset);
  return Array.from({ length: count }, () => balancer.pick(X, null)?.url).join('');
}

function shares(picked: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of picked) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

describe('round robin', () => {
  it('takes equal endpoints in turn', () => {
    expect(picks('round-robin', { a: 1, b: 1, c: 1 }, 7)).toBe('abcabca');
  });

  it('spreads unequal ones evenly over the turn', () => {
    expect(picks('round-robin', { a: 5, b: 3, c: 1 }, 9)).toBe('abacababa');
    expect(picks('round-robin', { a: 2, b: 1 }, 6)).toBe('abaaba');
  });

  it('gives each exactly its share of a turn, whatever the weights', () => {
    const weights = { a: 1000, b: 999, c: 500, d: 1 };
    expect(shares(picks('round-robin', weights, 2500))).toEqual(weights);
  });

  it('needs only as long a turn as the reduced weights', () => {
    expect(picks('round-robin', { a: 1000, b: 500 }, 3)).toBe(picks('round-robin', { a: 2, b: 1 }, 3));
  });

  it('begins where its offset says, so that workers differ', () => {
    expect([0, 1, 2, 3].map((offset) => picks('round-robin', { a: 1, b: 1, c: 1 }, 3, offset))).toEqual([
      'abc',
      'bca',
      'cab',
      'abc',
    ]);
  });

  it('passes over the one that has just failed', () => {
    const all = endpoints({ a: 5, b: 1 });
    const balancer = createBalancer('round-robin', all, 0);
    for (let i = 0; i < 10; i++) expect(balancer.pick(X, all[0].endpoint)?.url).toBe('b');
  });
});

describe('random', () => {
  it('shares by weight on the whole', () => {
    const { a, b, c } = shares(picks('random', { a: 5, b: 3, c: 1 }, 90_000));
    expect(a / 10_000).toBeCloseTo(5, 0);
    expect(b / 10_000).toBeCloseTo(3, 0);
    expect(c / 10_000).toBeCloseTo(1, 0);
  });

  it('passes over the one that has just failed', () => {
    const all = endpoints({ a: 1000, b: 1 });
    const balancer = createBalancer('random', all, 0);
    for (let i = 0; i < 100; i++) expect(balancer.pick(X, all[0].endpoint)?.url).toBe('b');
  });
});

describe.each(['round-robin', 'random'] as const)('%s with one endpoint', (policy) => {
  it('takes it, even when it has just failed', () => {
    const [only] = endpoints({ a: 7 });
    const balancer = createBalancer(policy, [only], 3);
    expect(balancer.pick(X, null)).toBe(only.endpoint);
    expect(balancer.pick(X, only.endpoint)).toBe(only.endpoint);
  });
});

describe.each(['round-robin', 'random'] as const)(
  '%s among endpoints that are not all available',
  (policy) => {
    it('takes those that are, even the one that has just failed when it is the only one', () => {
      const all = endpoints({ a: 5, b: 3, c: 1 });
      const balancer = createBalancer(policy, all, 0);
      setAvailable(all[0].endpoint, false);
      const picked = new Set(Array.from({ length: 200 }, () => balancer.pick(X, null)?.url));
      expect(picked).toEqual(new Set(['b', 'c']));
      setAvailable(all[1].endpoint, false);
      expect(balancer.pick(X, all[2].endpoint)).toBe(all[2].endpoint);
    });

    it('takes none when none is', () => {
      const all = endpoints({ a: 1, b: 1 });
      const balancer = createBalancer(policy, all, 0);
      for (const { endpoint } of all) setAvailable(endpoint, false);
      expect(balancer.pick(X, null)).toBeNull();
      expect(createBalancer(policy, all.slice(0, 1), 0).pick(X, null)).toBeNull();
    });
  },
);

function setAvailable(endpoint: Endpoint, available: boolean) {
  Object.assign(endpoint, { available });
}
