/** Which endpoints may be chosen, and with what weight: zones, groups, slow start, panic. */
import { describe, expect, it } from 'vitest';
import { BROKEN, DRAINED, UNHEALTHY } from '../../../src/shared/endpoint-table.ts';
import { picks, Stable, shares, X } from './stable.ts';

describe('zones', () => {
  const members = {
    a: { zone: 'east' },
    b: { zone: 'east' },
    c: { zone: 'east' },
    d: { zone: 'east' },
    e: { zone: 'west' },
    f: {},
  };

  it('the own zone first', () => {
    const balancer = new Stable(members).balancer({}, { zone: 'east' });
    expect(shares(picks(balancer, 400))).toEqual({ a: 100, b: 100, c: 100, d: 100 });
  });

  it('the more is missing, the more spills over', () => {
    const stable = new Stable(members);
    const balancer = stable.balancer({ zones: { spillBelow: '75%' } }, { zone: 'east' });
    stable.mark('a', UNHEALTHY);
    expect(shares(picks(balancer, 300))).toEqual({ b: 100, c: 100, d: 100 });
    stable.mark('b', UNHEALTHY);
    const half = shares(picks(balancer, 6_000));
    expect((half.c! + half.d!) / 6_000).toBeCloseTo(2 / 3, 2);
    expect(half.e! / 6_000).toBeCloseTo(1 / 6, 2);
    stable.mark('c', UNHEALTHY);
    stable.mark('d', UNHEALTHY);
    expect(shares(picks(balancer, 400))).toEqual({ e: 200, f: 200 });
    for (const name of 'abcd') stable.mark(name, UNHEALTHY, false);
    expect(shares(picks(balancer, 400))).toEqual({ a: 100, b: 100, c: 100, d: 100 });
  });

  it('make no difference without endpoints in the own one, or switched off', () => {
    const stable = new Stable(members);
    expect(Object.keys(shares(picks(stable.balancer({}, { zone: 'north' }), 60)))).toHaveLength(6);
    expect(Object.keys(shares(picks(stable.balancer({ zones: 'off' }, { zone: 'east' }), 60)))).toHaveLength(
      6,
    );
    expect(Object.keys(shares(picks(stable.balancer(), 60)))).toHaveLength(6);
  });

  it.each(['least-requests', 'peak-ewma', 'random', { type: 'consistent-hash', by: 'ip' }])(
    'hold for %j',
    (balance) => {
      const stable = new Stable(members);
      const balancer = stable.balancer({ balance, zones: { spillBelow: '100%' } }, { zone: 'east' });
      const zoneOf = (name: string) => ('abcd'.includes(name) ? 'east' : 'elsewhere');
      const zones = () =>
        shares(
          Array.from({ length: 4_000 }, (_, i) => {
            X.clientIp = `10.0.${i >> 8}.${i & 255}`;
            return zoneOf(balancer.pick(X, null)!.authority);
          }),
        );
      expect(zones()).toEqual({ east: 4_000 });
      stable.mark('a', UNHEALTHY);
      stable.mark('b', UNHEALTHY);
      expect(zones().east! / 4_000).toBeCloseTo(0.5, 1);
    },
  );
});

describe('failover', () => {
  const members = {
    a: { priority: 0, weight: 3 },
    b: { priority: 0 },
    c: { priority: 1 },
    d: { priority: 1 },
    e: { priority: 5 },
  };

  it('asks the next group only when the first is out, and goes back', () => {
    const stable = new Stable(members);
    const balancer = stable.balancer({ balance: 'failover' });
    expect(shares(picks(balancer, 400))).toEqual({ a: 300, b: 100 });
    stable.mark('a', UNHEALTHY);
    expect(shares(picks(balancer, 10))).toEqual({ b: 10 });
    stable.mark('b', DRAINED);
    expect(shares(picks(balancer, 10))).toEqual({ c: 5, d: 5 });
    stable.mark('c', UNHEALTHY);
    stable.mark('d', UNHEALTHY);
    expect(shares(picks(balancer, 10))).toEqual({ e: 10 });
    stable.mark('e', UNHEALTHY);
    expect(balancer.pick(X, null)).toBeNull();
    stable.mark('a', UNHEALTHY, false);
    expect(shares(picks(balancer, 10))).toEqual({ a: 10 });
  });

  it('takes a group for out that has too little left; when all have, the one with most', () => {
    const stable = new Stable(members);
    const balancer = stable.balancer({ balance: { type: 'failover', below: '60%' } });
    stable.mark('b', UNHEALTHY);
    expect(shares(picks(balancer, 10))).toEqual({ a: 10 }); // 3 of 4
    stable.mark('b', UNHEALTHY, false);
    stable.mark('a', UNHEALTHY); // 1 of 4
    expect(shares(picks(balancer, 10))).toEqual({ c: 5, d: 5 });
    stable.mark('c', UNHEALTHY); // 1 of 2
    expect(shares(picks(balancer, 10))).toEqual({ e: 10 });
    stable.mark('e', UNHEALTHY);
    expect(shares(picks(balancer, 10))).toEqual({ d: 10 });
  });

  it('chooses within the group as it is told, and by zone', () => {
    const zoned = {
      a: { zone: 'east' },
      b: { zone: 'west' },
      c: { zone: 'east', priority: 1 },
      d: { zone: 'west', priority: 1 },
    };
    const stable = new Stable(zoned);
    const balancer = stable.balancer(
      { balance: { type: 'failover', within: 'least-requests' } },
      { zone: 'east' },
    );
    expect(shares(picks(balancer, 10))).toEqual({ a: 10 });
    stable.mark('a', UNHEALTHY);
    expect(shares(picks(balancer, 10))).toEqual({ b: 10 });
    stable.mark('b', UNHEALTHY);
    expect(shares(picks(balancer, 10))).toEqual({ c: 10 });
  });
});

describe('slow start', () => {
  const options = { slowStart: '30s' };
  const shareOfA = (balancer: ReturnType<Stable['balancer']>) =>
    (shares(picks(balancer, 4_000)).a ?? 0) / 4_000;
  /** Of two equal endpoints, one with this part of its weight. */
  const of = (part: number) => part / (1 + part);

  it('grows evenly for one that has come back, in all workers alike', () => {
    const stable = new Stable({ a: 1, b: 1 });
    const one = stable.balancer(options);
    const two = stable.balancer(options, { worker: 2 });
    stable.mark('a', UNHEALTHY);
    expect(shareOfA(one)).toBe(0);
    stable.mark('a', UNHEALTHY, false);
    for (const [afterS, part] of [
      [0, 0.1],
      [6, 0.2],
      [15, 0.5],
      [24, 0.8],
      [30, 1],
      [31, 1],
    ] as const) {
      stable.now = 1_000_000 + afterS * 1_000;
      expect(shareOfA(one)).toBeCloseTo(of(part), 2);
      expect(shareOfA(two)).toBeCloseTo(of(part), 2);
    }
  });

  it('is for those that join, not for those that are there from the beginning', () => {
    const stable = new Stable({ b: 1 });
    const balancer = stable.balancer(options);
    stable.add('a');
    stable.table.startSlowly(stable.slot('a'));
    balancer.take(stable.members());
    expect(shareOfA(balancer)).toBeCloseTo(of(0.1), 2);
    expect(shareOfA(new Stable({ a: 1, b: 1 }).balancer(options))).toBe(0.5);
  });

  it('begins when the last reason is gone, not before', () => {
    const stable = new Stable({ a: 1, b: 1 });
    const balancer = stable.balancer(options);
    stable.mark('a', UNHEALTHY);
    stable.mark('a', DRAINED);
    stable.mark('a', UNHEALTHY, false);
    stable.now += 60_000;
    expect(shareOfA(balancer)).toBe(0);
    stable.mark('a', DRAINED, false);
    expect(shareOfA(balancer)).toBeCloseTo(of(0.1), 2);
  });

  it('moves keys of consistent hashing only to the one that grows', () => {
    const stable = new Stable({ a: 1, b: 1, c: 1 });
    const balancer = stable.balancer({ ...options, balance: { type: 'consistent-hash', by: 'ip' } });
    const ofKeys = () =>
      Array.from({ length: 2_000 }, (_, i) => {
        X.clientIp = `10.1.${i >> 8}.${i & 255}`;
        return balancer.pick(X, null)!.authority;
      });
    const home = ofKeys();
    stable.mark('a', UNHEALTHY);
    stable.mark('a', UNHEALTHY, false);
    let before = ofKeys();
    for (let i = 0; i < 6; i++) {
      stable.now += 6_000;
      const after = ofKeys();
      expect(after.filter((name, key) => name !== before[key] && name !== 'a')).toEqual([]);
      before = after;
    }
    expect(before).toEqual(home);
  });

  it('off: at once', () => {
    const stable = new Stable({ a: 1, b: 1 });
    const balancer = stable.balancer();
    stable.mark('a', UNHEALTHY);
    stable.mark('a', UNHEALTHY, false);
    expect(shareOfA(balancer)).toBe(0.5);
  });
});

describe('an endpoint that is out', () => {
  it('is asked again as time goes by, for it may know better', () => {
    const stable = new Stable({ a: 1, b: 1 });
    const balancer = stable.balancer();
    const a = stable.endpoint('a');
    const until = stable.now + 1_000;
    const { table } = stable;
    Object.defineProperty(a, 'available', {
      get() {
        if (stable.now >= until) table.mark(stable.slot('a'), UNHEALTHY, false);
        return table.isAvailable(stable.slot('a'));
      },
    });
    stable.mark('a', UNHEALTHY);
    expect(picks(balancer, 20)).not.toContain('a');
    stable.now = until - 1;
    expect(picks(balancer, 20)).not.toContain('a');
    stable.now = until + 20;
    expect(picks(balancer, 20)).toContain('a');
  });
});

describe('panic', () => {
  it('uses all but the drained when too few are left, and stops when enough are back', () => {
    const stable = new Stable({ a: 1, b: 1, c: 1, d: 1 });
    const balancer = stable.balancer({ panic: '50%' });
    stable.mark('a', UNHEALTHY);
    stable.mark('b', UNHEALTHY);
    expect(shares(picks(balancer, 4))).toEqual({ c: 2, d: 2 });
    stable.mark('c', UNHEALTHY);
    expect(shares(picks(balancer, 4))).toEqual({ a: 1, b: 1, c: 1, d: 1 });
    stable.mark('a', DRAINED);
    expect(shares(picks(balancer, 6))).toEqual({ b: 2, c: 2, d: 2 });
    stable.mark('c', UNHEALTHY, false);
    expect(shares(picks(balancer, 4))).toEqual({ c: 2, d: 2 });
  });

  it('leaves those out whose breaker would refuse', () => {
    const stable = new Stable({ a: 1, b: 1, c: 1, d: 1 });
    const balancer = stable.balancer({ panic: '50%' });
    stable.mark('a', BROKEN);
    stable.mark('b', BROKEN);
    stable.mark('c', UNHEALTHY);
    expect(shares(picks(balancer, 4))).toEqual({ c: 2, d: 2 });
    stable.mark('c', BROKEN);
    expect(shares(picks(balancer, 4))).toEqual({ d: 4 });
    stable.mark('d', BROKEN);
    expect(balancer.pick(X, null)).toBeNull();
  });

  it('is off unless it is asked for', () => {
    const stable = new Stable({ a: 1, b: 1, c: 1 });
    const balancer = stable.balancer();
    for (const name of 'abc') stable.mark(name, UNHEALTHY);
    expect(balancer.pick(X, null)).toBeNull();
  });

  it('finds none when all are drained', () => {
    const stable = new Stable({ a: 1, b: 1 });
    const balancer = stable.balancer({ panic: '100%' });
    for (const name of 'ab') stable.mark(name, DRAINED);
    expect(balancer.pick(X, null)).toBeNull();
  });
});
