import { describe, expect, it } from 'vitest';
import { CLIENT_CLOSED, UPSTREAM_RESET } from '../../../src/errors.ts';
import type { Endpoint } from '../../../src/upstream/endpoint.ts';
import { begin, end, picks, Stable, shares, X } from './stable.ts';

describe('least requests', () => {
  const options = { balance: 'least-requests' };

  it('shares by weight while nothing is in flight', () => {
    const counts = shares(picks(new Stable({ a: 3, b: 1 }).balancer(options), 20_000));
    expect(counts.a! / 20_000).toBeCloseTo(0.75, 1);
  });

  it('avoids the one that holds requests, those of another worker too', () => {
    const stable = new Stable({ a: 1, b: 1, c: 1 });
    const balancer = stable.balancer(options);
    stable.worker(2).inFlight[stable.slot('a')] = 5;
    expect(picks(balancer, 300)).not.toContain('a');
    stable.worker(0).releaseWorker(2);
    expect(shares(picks(balancer, 3_000)).a).toBeGreaterThan(700);
  });

  it('fills unequal endpoints in proportion', () => {
    const stable = new Stable({ a: 4, b: 2, c: 1 });
    const balancer = stable.balancer(options);
    for (let i = 0; i < 7_000; i++) begin(balancer.pick(X, null)!);
    const held = ['a', 'b', 'c'].map((name) => stable.table.inFlightAt(stable.slot(name)));
    expect(held[0]! / 4_000).toBeCloseTo(1, 1);
    expect(held[1]! / 2_000).toBeCloseTo(1, 1);
    expect(held[2]! / 1_000).toBeCloseTo(1, 1);
  });
});

describe('peak ewma', () => {
  const options = { balance: { type: 'peak-ewma', decay: '10s', penalty: '1s' } };

  function serve(stable: Stable, name: string, ms: number, times = 1): void {
    for (let i = 0; i < times; i++) {
      begin(stable.endpoint(name));
      end(stable.endpoint(name), null, 200, ms);
      stable.now += 10;
    }
  }

  it('prefers the fast one, and finds back to the slow one when it is fast again', () => {
    const stable = new Stable({ a: 1, b: 1 });
    const balancer = stable.balancer(options);
    serve(stable, 'a', 200);
    serve(stable, 'b', 5);
    expect(picks(balancer, 200)).not.toContain('a');
    // Nobody asks `a`: what is known of it fades, while `b` stays as it is.
    for (let s = 0; s < 45; s++) {
      stable.now += 1_000;
      serve(stable, 'b', 5);
    }
    expect(picks(balancer, 200)).toContain('a');
    const underWay: Endpoint[] = [];
    const names = Array.from({ length: 2_000 }, () => {
      const endpoint = balancer.pick(X, null)!;
      begin(endpoint);
      if (underWay.push(endpoint) > 4) end(underWay.shift()!, null, 200, 5);
      stable.now += 1;
      return endpoint.authority;
    });
    expect(shares(names).a).toBeGreaterThan(600);
  });

  it('counts requests in flight: a fast one that is full is slower', () => {
    const stable = new Stable({ a: 1, b: 1 });
    const balancer = stable.balancer(options);
    serve(stable, 'a', 10);
    serve(stable, 'b', 30);
    for (let i = 0; i < 8; i++) begin(stable.endpoint('a'));
    expect(picks(balancer, 100)).not.toContain('a');
  });

  it('rises at once and falls slowly', () => {
    const stable = new Stable({ a: 1, b: 1 });
    const balancer = stable.balancer(options);
    serve(stable, 'a', 5, 50);
    serve(stable, 'b', 20, 50);
    expect(picks(balancer, 100)).not.toContain('b');
    serve(stable, 'a', 500);
    expect(picks(balancer, 100)).not.toContain('a');
    serve(stable, 'a', 5, 50);
    expect(picks(balancer, 100)).not.toContain('a');
  });

  it('takes failures for slow answers, however fast they come; a client that left, or a socket that ends, says nothing', () => {
    const stable = new Stable({ a: 1, b: 1 });
    const balancer = stable.balancer(options);
    serve(stable, 'a', 5, 10);
    serve(stable, 'b', 20, 10);
    for (let i = 0; i < 30; i++) {
      stable.now += 10;
      begin(stable.endpoint('a'));
      end(stable.endpoint('a'), CLIENT_CLOSED, 0, 0);
      begin(stable.endpoint('b'));
      end(stable.endpoint('b'), null, 101, 0);
    }
    expect(picks(balancer, 100)).not.toContain('b');
    for (let i = 0; i < 30; i++) {
      stable.now += 10;
      begin(stable.endpoint('a'));
      if (i % 2 === 0) end(stable.endpoint('a'), null, 503, 1);
      else end(stable.endpoint('a'), UPSTREAM_RESET, 0, 0);
    }
    expect(picks(balancer, 100)).not.toContain('a');
  });

  it('neither prefers nor shuns one that nobody has asked, and reads what other workers measured', () => {
    const stable = new Stable({ a: 1, b: 1, c: 1 });
    const balancer = stable.balancer(options);
    const second = stable.balancer(options, { worker: 2 });
    serve(stable, 'a', 100);
    serve(stable, 'b', 5);
    for (const counts of [shares(picks(balancer, 3_000)), shares(picks(second, 3_000))]) {
      expect(counts.c).toBeGreaterThan(500);
      expect(counts.b).toBeGreaterThan(500);
    }
    serve(stable, 'c', 5);
    expect(picks(second, 300)).not.toContain('a');
  });

  it('a reading of long ago does not come back when the word turns over', () => {
    const stable = new Stable({ a: 1, b: 1 });
    const balancer = stable.balancer(options);
    serve(stable, 'a', 30_000);
    serve(stable, 'b', 5);
    stable.now += 25.5 * 86_400_000;
    expect(picks(balancer, 200)).toContain('a');
  });
});
