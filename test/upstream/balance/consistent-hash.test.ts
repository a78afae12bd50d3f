import { describe, expect, it } from 'vitest';
import type { Route } from '../../../src/config/build.ts';
import { Exchange } from '../../../src/exchange.ts';
import { UNHEALTHY } from '../../../src/shared/endpoint-table.ts';
import type { Balancer } from '../../../src/upstream/balance/balancer.ts';
import { compileHashKey } from '../../../src/upstream/balance/hash/key.ts';
import { begin, end, Stable, shares } from './stable.ts';

const KEYS = Array.from({ length: 20_000 }, (_, i) => `room-${i}`);
const TEN = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`e${i}`, 1]));
const byRoom = (more = {}) => ({ balance: { type: 'consistent-hash', by: 'header:x-room', ...more } });

function request(key: string): Exchange {
  const x = new Exchange(0);
  x.headers = ['x-room', key];
  return x;
}

function ofKeys(balancer: Balancer, keys = KEYS): string[] {
  return keys.map((key) => balancer.pick(request(key), null)!.authority);
}

const moved = (before: string[], after: string[]) => before.filter((name, i) => name !== after[i]).length;

describe('consistent hash', () => {
  it('one of ten removed: only its own keys move, 11 % at most; added again, all are where they were', () => {
    const stable = new Stable(TEN);
    const balancer = stable.balancer(byRoom());
    const before = ofKeys(balancer);
    const own = before.filter((name) => name === 'e3').length;
    stable.remove('e3');
    balancer.take(stable.members());
    const without = ofKeys(balancer);
    expect(moved(before, without)).toBe(own);
    expect(own / KEYS.length).toBeLessThanOrEqual(0.11);
    stable.add('e3');
    balancer.take(stable.members().reverse());
    expect(moved(before, ofKeys(balancer))).toBe(0);
  });

  it('one of ten that is unavailable is the same as removed', () => {
    const stable = new Stable(TEN);
    const balancer = stable.balancer(byRoom());
    const before = ofKeys(balancer);
    stable.mark('e7', UNHEALTHY);
    const after = ofKeys(balancer);
    expect(after).not.toContain('e7');
    expect(moved(before, after)).toBe(before.filter((name) => name === 'e7').length);
  });

  it('spreads keys evenly, and by weight', () => {
    for (const count of Object.values(shares(ofKeys(new Stable(TEN).balancer(byRoom())))))
      expect(Math.abs(count - 2_000)).toBeLessThan(250);
    const { a, b, c } = shares(ofKeys(new Stable({ a: 5, b: 3, c: 2 }).balancer(byRoom())));
    expect(Math.abs(a! - 10_000)).toBeLessThan(500);
    expect(Math.abs(b! - 6_000)).toBeLessThan(400);
    expect(Math.abs(c! - 4_000)).toBeLessThan(400);
  });

  it('moves keys only to the one whose weight grows', () => {
    const stable = new Stable({ a: 1, b: 1, c: 1 });
    const balancer = stable.balancer(byRoom());
    const before = ofKeys(balancer);
    stable.add('a', 2);
    balancer.take(stable.members());
    const after = ofKeys(balancer);
    expect(new Set(after.filter((name, i) => name !== before[i]))).toEqual(new Set(['a']));
    expect(after.filter((name) => name === 'a').length / KEYS.length).toBeCloseTo(0.5, 1);
  });

  it('chooses alike in all workers, and for a thousand endpoints', () => {
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`e${i}`, 1 + (i % 3)]));
    const stable = new Stable(many);
    const one = ofKeys(stable.balancer(byRoom()));
    expect(ofKeys(stable.balancer(byRoom(), { worker: 2 }))).toEqual(one);
    expect(new Set(one).size).toBeGreaterThan(990);
  });

  it('finds the same endpoints whether it remembers them or works them out, as endpoints come, go and change', () => {
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`e${i}`, 1 + (i % 2)]));
    const stable = new Stable(many);
    const balancer = stable.balancer(byRoom());
    const keys = KEYS.slice(0, 4_000);
    const agrees = () => expect(ofKeys(balancer, keys)).toEqual(ofKeys(stable.balancer(byRoom()), keys));
    ofKeys(balancer, keys);
    const steps: (() => void)[] = [
      () => stable.mark('e7', UNHEALTHY),
      () => stable.mark('e8', UNHEALTHY),
      () => stable.mark('e7', UNHEALTHY, false),
      () => stable.add('new', 5),
      () => stable.add('e3', 9),
      () => stable.add('e3', 1),
      () => stable.remove('e1'),
      () => Array.from({ length: 20 }, (_, i) => stable.add(`late${i}`)),
    ];
    for (const step of steps) {
      step();
      balancer.take(stable.members());
      agrees();
    }
  });

  it('sends a key whose endpoint has just failed to the same other one each time', () => {
    const stable = new Stable(TEN);
    const balancer = stable.balancer(byRoom());
    const first = balancer.pick(request('lobby'), null)!;
    const second = balancer.pick(request('lobby'), first)!;
    expect(second).not.toBe(first);
    for (let i = 0; i < 10; i++) expect(balancer.pick(request('lobby'), first)).toBe(second);
  });

  it('takes endpoints in turn for requests without the key', () => {
    const balancer = new Stable({ a: 1, b: 1, c: 1 }).balancer(byRoom());
    const names = Array.from({ length: 6 }, () => balancer.pick(new Exchange(0), null)?.authority);
    expect(names.join('')).toBe('abcabc');
  });
});

describe('a key', () => {
  const route = { paramNames: ['org', 'room'] } as unknown as Route;
  const other = { paramNames: ['room'] } as unknown as Route;
  const cases: [by: string, one: (x: Exchange) => void, same: (x: Exchange) => void][] = [
    ['user', (x) => (x.identity = { user: 'u7' } as never), (x) => (x.identity = { user: 'u7' } as never)],
    [
      'ip',
      (x) => (x.clientIp = '10.0.0.7'),
      (x) => Object.assign(x, { clientIp: '10.0.0.7', peerIp: '::1' }),
    ],
    [
      'cookie:room',
      (x) => (x.headers = ['cookie', 'room=7']),
      (x) => (x.headers = ['cookie', 'a=1;  room=7; room=8']),
    ],
    [
      'param:room',
      (x) => Object.assign(x, { route, params: ['acme', '7'] }),
      (x) => Object.assign(x, { route: other, params: ['7'] }),
    ],
  ];

  it.each(cases)('%s is the same wherever it stands', (by, one, same) => {
    const key = compileHashKey(by);
    const keys = [one, same].map((fill) => {
      const x = new Exchange(0);
      fill(x);
      return key(x);
    });
    expect(keys[0]).toContain('7');
    expect(keys[1]).toBe(keys[0]);
    expect(key(new Exchange(0))).toBe('');
  });
});

describe('a bound on the load', () => {
  it('holds for one key that all ask for, and the key stays where it can', () => {
    const stable = new Stable(TEN);
    const balancer = stable.balancer(byRoom({ maxLoad: 1.25 }));
    const first = balancer.pick(request('hot'), null)!;
    const taken = Array.from({ length: 1_000 }, () => {
      const endpoint = balancer.pick(request('hot'), null)!;
      begin(endpoint);
      return endpoint;
    });
    const counts = Object.values(shares(taken.map(({ authority }) => authority)));
    expect(Math.max(...counts)).toBeLessThanOrEqual(Math.ceil(1.25 * 100));
    expect(shares(taken.map(({ authority }) => authority))[first.authority]).toBe(125);
    for (const endpoint of taken) end(endpoint, null, 200, 1);
    expect(balancer.pick(request('hot'), null)).toBe(first);
  });

  it('holds by weight, and counts what other workers have in flight', () => {
    const stable = new Stable({ a: 3, b: 1 });
    const balancer = stable.balancer(byRoom({ maxLoad: 1.5 }));
    const other = stable.worker(2);
    other.inFlight[stable.slot('b')] = 100;
    const names = ofKeys(balancer, KEYS.slice(0, 100));
    expect(new Set(names)).toEqual(new Set(['a']));
  });
});
