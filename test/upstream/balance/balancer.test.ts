import { describe, expect, it } from 'vitest';
import { DRAINED, UNHEALTHY } from '../../../src/shared/endpoint-table.ts';
import { picks, Stable, shares, X } from './stable.ts';

function turn(weights: Record<string, number>, count: number, worker = 1): string {
  return picks(new Stable(weights).balancer({ balance: 'round-robin' }, { worker }), count).join('');
}

describe('round robin', () => {
  it('takes equal endpoints in turn', () => {
    expect(turn({ a: 1, b: 1, c: 1 }, 7)).toBe('abcabca');
  });

  it('spreads unequal ones evenly over the turn', () => {
    expect(turn({ a: 5, b: 3, c: 1 }, 9)).toBe('abacababa');
    expect(turn({ a: 2, b: 1 }, 6)).toBe('abaaba');
  });

  it('gives each exactly its share of a turn, whatever the weights', () => {
    const weights = { a: 1000, b: 999, c: 500, d: 1 };
    expect(shares([...turn(weights, 2500)])).toEqual(weights);
  });

  it('needs only as long a turn as the reduced weights', () => {
    expect(turn({ a: 1000, b: 500 }, 3)).toBe(turn({ a: 2, b: 1 }, 3));
  });

  it('begins where the number of the worker says', () => {
    const begun = [1, 2].map((worker) => turn({ a: 1, b: 1, c: 1 }, 3, worker));
    expect(begun).toEqual(['abc', 'bca']);
  });

  it('passes over the one that has just failed', () => {
    const stable = new Stable({ a: 5, b: 1 });
    const balancer = stable.balancer();
    for (let i = 0; i < 10; i++) expect(balancer.pick(X, stable.endpoint('a'))?.authority).toBe('b');
  });

  it('keeps the weights of the rest when one is out, and takes it in again', () => {
    const stable = new Stable({ a: 5, b: 3, c: 1 });
    const balancer = stable.balancer();
    stable.mark('a', UNHEALTHY);
    expect(shares(picks(balancer, 400))).toEqual({ b: 300, c: 100 });
    expect(picks(balancer, 40).join('')).not.toContain('cc');
    stable.mark('a', UNHEALTHY, false);
    expect(shares(picks(balancer, 900))).toEqual({ a: 500, b: 300, c: 100 });
  });

  it('goes on where it was when endpoints come and go', () => {
    const stable = new Stable({ a: 1, b: 1, c: 1, d: 1 });
    const balancer = stable.balancer();
    expect(picks(balancer, 2).join('')).toBe('ab');
    stable.remove('d');
    stable.add('e');
    balancer.take(stable.members());
    expect(picks(balancer, 4).join('')).toBe('ceab');
  });

  it('needs no turn for a thousand endpoints with weights up to 1000, and is fair and even all the same', () => {
    const weights = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, i) => [`e${i}`, 1 + ((i * 7) % 1_000)]),
    );
    const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
    const stable = new Stable(weights);
    const balancer = stable.balancer();
    const picked = picks(balancer, 2 * total);
    const counts = shares(picked);
    for (const [name, weight] of Object.entries(weights)) {
      expect(Math.abs((counts[name] ?? 0) - 2 * weight), name).toBeLessThanOrEqual(4);
    }
    const at = picked.flatMap((name, i) => (name === 'e857' ? [i] : []));
    const gaps = new Set(at.slice(1).map((place, i) => place - at[i]!));
    expect(gaps.size).toBeLessThanOrEqual(3);
  });
});

describe('random', () => {
  it('shares by weight on the whole', () => {
    const balancer = new Stable({ a: 5, b: 3, c: 1 }).balancer({ balance: 'random' });
    const { a, b, c } = shares(picks(balancer, 90_000));
    expect(a! / 10_000).toBeCloseTo(5, 0);
    expect(b! / 10_000).toBeCloseTo(3, 0);
    expect(c! / 10_000).toBeCloseTo(1, 0);
  });
});

const POLICIES: unknown[] = [
  'round-robin',
  'random',
  'least-requests',
  'peak-ewma',
  { type: 'consistent-hash', by: 'ip' },
  'failover',
];

describe.each(POLICIES)('%j', (balance) => {
  it('with one endpoint takes it, even when it has just failed', () => {
    const stable = new Stable({ a: 7 });
    const balancer = stable.balancer({ balance });
    expect(balancer.pick(X, null)?.authority).toBe('a');
    expect(balancer.pick(X, stable.endpoint('a'))?.authority).toBe('a');
    stable.mark('a', DRAINED);
    expect(balancer.pick(X, null)).toBeNull();
  });

  it('passes over the one that has just failed', () => {
    const stable = new Stable({ a: 1000, b: 1 });
    const balancer = stable.balancer({ balance });
    for (let i = 0; i < 100; i++) expect(balancer.pick(X, stable.endpoint('a'))?.authority).toBe('b');
  });

  it('takes those that are available, even the one that has just failed when it is the only one', () => {
    const stable = new Stable({ a: 5, b: 3, c: 1 });
    const balancer = stable.balancer({ balance });
    stable.mark('a', UNHEALTHY);
    expect(picks(balancer, 200)).not.toContain('a');
    stable.mark('b', DRAINED);
    expect(balancer.pick(X, stable.endpoint('c'))?.authority).toBe('c');
  });

  it('takes none when none is available or none is left, and begins again', () => {
    const stable = new Stable({ a: 1, b: 1 });
    const balancer = stable.balancer({ balance });
    stable.mark('a', UNHEALTHY);
    stable.mark('b', UNHEALTHY);
    expect(balancer.pick(X, null)).toBeNull();
    stable.mark('b', UNHEALTHY, false);
    expect(balancer.pick(X, null)?.authority).toBe('b');
    balancer.take([]);
    expect(balancer.pick(X, null)).toBeNull();
    balancer.take(stable.members());
    expect(balancer.pick(X, null)?.authority).toBe('b');
  });
});
