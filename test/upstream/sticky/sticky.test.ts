import { describe, expect, it } from 'vitest';
import { Exchange } from '../../../src/exchange.ts';
import { DRAINED, UNHEALTHY } from '../../../src/shared/endpoint-table.ts';
import type { Balancer } from '../../../src/upstream/balance/balancer.ts';
import { findCookie } from '../../../src/upstream/sticky/cookies.ts';
import { Stable } from '../balance/stable.ts';

const sticky = { cookie: 'at', secret: 'a-secret-of-somebody' };

function request(cookie?: string): Exchange {
  const x = new Exchange(0);
  if (cookie !== undefined) x.headers = ['accept', '*/*', 'cookie', cookie];
  return x;
}

/** A first visit: where it led, and the pair to send back. */
function visit(balancer: Balancer, x = request()) {
  const name = balancer.pick(x, null)?.authority;
  return { name, field: x.stickyCookie, pair: x.stickyCookie.split(';')[0]! };
}

describe('a sticky session', () => {
  it('begins with a cookie, and stays with its endpoint without another one', () => {
    const balancer = new Stable({ a: 1, b: 1, c: 1 }).balancer({ sticky });
    const { name, field, pair } = visit(balancer);
    expect(field).toMatch(/^at=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/);
    for (let i = 0; i < 10; i++)
      expect(visit(balancer, request(`x=1; ${pair}`))).toMatchObject({ name, field: '' });
  });

  it('is known to other gateways with the same secret, whatever the order of their endpoints', () => {
    const { name, pair } = visit(new Stable({ a: 1, b: 1, c: 1 }).balancer({ sticky }));
    const elsewhere = new Stable({ c: 3, b: 1, a: 2 }).balancer({ sticky });
    expect(visit(elsewhere, request(pair))).toMatchObject({ name, field: '' });
    const stranger = new Stable({ a: 1, b: 1, c: 1 }).balancer({
      sticky: { ...sticky, secret: 'another-secret-yet' },
    });
    expect(visit(stranger, request(pair)).field).not.toBe('');
  });

  it('takes no notice of a cookie that is made up or changed, and never shows an address', () => {
    const balancer = new Stable({ a: 1, b: 1 }).balancer({ sticky });
    const { pair, field } = visit(balancer);
    const changed = pair.slice(0, -1) + (pair.endsWith('A') ? 'B' : 'A');
    for (const forged of [changed, 'at=http://a', 'at=a', 'at=', 'at', 'at=__proto__', `not-${pair}`]) {
      expect(visit(balancer, request(forged)).field, forged).not.toBe('');
    }
    expect(field).not.toContain('http');
  });

  it('finds its cookie among several of that name', () => {
    const balancer = new Stable({ a: 1, b: 1, c: 1 }).balancer({ sticky });
    const { name, pair } = visit(balancer);
    expect(visit(balancer, request(`at=old; ${pair}`))).toMatchObject({ name, field: '' });
  });

  it.each([UNHEALTHY, DRAINED])(
    'moves when its endpoint is out (%i), with a new cookie, and stays there',
    (reason) => {
      const stable = new Stable({ a: 1, b: 1, c: 1 });
      const balancer = stable.balancer({ sticky });
      const first = visit(balancer);
      stable.mark(first.name!, reason);
      const second = visit(balancer, request(first.pair));
      expect(second.name).not.toBe(first.name);
      expect(second.field).not.toBe('');
      stable.mark(first.name!, reason, false);
      expect(visit(balancer, request(second.pair))).toMatchObject({ name: second.name, field: '' });
    },
  );

  it('moves when its endpoint has just failed', () => {
    const stable = new Stable({ a: 1, b: 1 });
    const balancer = stable.balancer({ sticky });
    const { name, pair } = visit(balancer);
    const x = request(pair);
    expect(balancer.pick(x, stable.endpoint(name!))?.authority).not.toBe(name);
    expect(x.stickyCookie).not.toBe('');
  });

  it('stays when other endpoints come and go', () => {
    const stable = new Stable({ a: 1, b: 1, c: 1 });
    const balancer = stable.balancer({ sticky, balance: 'least-requests' });
    const { name, pair } = visit(balancer);
    stable.add('d');
    stable.remove(['a', 'b', 'c'].find((other) => other !== name)!);
    balancer.take(stable.members());
    expect(visit(balancer, request(pair))).toMatchObject({ name, field: '' });
    stable.remove(name!);
    balancer.take(stable.members());
    expect(visit(balancer, request(pair)).field).not.toBe('');
  });

  it('has the attributes it is given; Secure over https, and where browsers demand it', () => {
    const fieldOf = (options: object, x = request()) =>
      visit(new Stable({ a: 1 }).balancer({ sticky: { ...sticky, ...options } }), x).field;
    expect(fieldOf({ ttl: '8h', path: '/api', sameSite: 'strict' })).toMatch(
      /^at=[\w-]+; Path=\/api; Max-Age=28800; HttpOnly; SameSite=Strict$/,
    );
    const https = Object.assign(request(), { scheme: 'https' });
    expect(fieldOf({}, https)).toContain('; HttpOnly; Secure; ');
    const behind = Object.assign(request(), { peerTrusted: true, forwardedProto: 'https' });
    expect(fieldOf({}, behind)).toContain('; Secure; ');
    const liar = Object.assign(request(), { scheme: 'https', forwardedProto: 'http' });
    expect(fieldOf({}, liar)).toContain('; Secure; ');
    expect(fieldOf({ sameSite: 'none' })).toContain('; Secure; SameSite=None');
    expect(fieldOf({ cookie: '__Host-at' })).toContain('; Secure; ');
  });

  it('sets no cookie when there is no endpoint', () => {
    const stable = new Stable({ a: 1 });
    const balancer = stable.balancer({ sticky });
    stable.mark('a', UNHEALTHY);
    expect(visit(balancer)).toEqual({ name: undefined, field: '', pair: '' });
  });
});

describe('cookies', () => {
  it.each([
    ['a=1', '1'],
    ['b=2; a=1', '1'],
    ['b=2;a=1 ;c=3', '1'],
    ['a=', ''],
    ['aa=1; xa=2', undefined],
    ['a', undefined],
    [';;; a=x=y', 'x=y'],
    ['', undefined],
  ])('%j', (field, value) => {
    expect(findCookie(request(field), 'a', (found) => found)).toBe(value);
  });
});
