import { describe, expect, it } from 'vitest';
import { Exchange } from '../../src/exchange.ts';
import { ChannelPattern, encodeSegment, isChannelName } from '../../src/services/channels/names.ts';
import type { Identity } from '../../src/services/identity.ts';

function caller(identity: Partial<Identity> | null, params: string[] = []): Exchange {
  const x = new Exchange(0);
  x.identity = identity as Identity | null;
  x.params = params;
  return x;
}

function matches(pattern: string, channel: string, x = caller(null), names: string[] = []): boolean {
  return new ChannelPattern(pattern, names).matches(channel.split('.'), x);
}

it('a name is made of segments', () => {
  for (const name of ['a', 'ticks.EURUSD', 'a_b:c-d.~%20', 'x'.repeat(128)])
    expect(isChannelName(name)).toBe(true);
  for (const name of ['', '.', 'a.', '.a', 'a..b', 'a b', 'a*', 'ä', 'a/b', '${x}', 'x'.repeat(129), 7, null])
    expect(isChannelName(name)).toBe(false);
});

describe('a pattern', () => {
  it('takes exactly what it says', () => {
    expect(matches('ticks.EURUSD', 'ticks.EURUSD')).toBe(true);
    expect(matches('ticks.EURUSD', 'ticks.GBPUSD')).toBe(false);
    expect(matches('ticks', 'ticks.EURUSD')).toBe(false);
  });

  it('takes one segment for a star, and at the end the rest', () => {
    expect(matches('a.*.c', 'a.b.c')).toBe(true);
    expect(matches('a.*.c', 'a.b.b.c')).toBe(false);
    expect(matches('a.*', 'a.b')).toBe(true);
    expect(matches('a.*', 'a.b.c.d')).toBe(true);
    expect(matches('a.*', 'a')).toBe(false);
    expect(matches('*', 'a.b')).toBe(true);
  });

  it('takes what is known of the caller, and nothing when it is not known', () => {
    const ann = caller({ user: 'ann', claims: { team: { id: 7 }, list: ['x'], empty: '' } }, ['lobby%201']);
    expect(matches('private.${auth.user}.*', 'private.ann.x', ann)).toBe(true);
    expect(matches('private.${auth.user}.*', 'private.bob.x', ann)).toBe(false);
    expect(matches('team-${claim.team.id}', 'team-7', ann)).toBe(true);
    expect(matches('room.${param.room}', 'room.lobby%201', ann, ['room'])).toBe(true);
    for (const claim of ['list', 'empty', 'none', 'team']) {
      expect(matches(`\${claim.${claim}}.x`, 'x.x', ann)).toBe(false);
      expect(matches(`a\${claim.${claim}}`, 'a', ann)).toBe(false);
    }
    expect(matches('private.${auth.user}', 'private.', caller({ user: '' }))).toBe(false);
    expect(matches('private.${auth.user}', 'private.undefined', caller(null))).toBe(false);
  });

  it('is not fooled by what a value is made of', () => {
    const as = (user: string) => caller({ user, claims: {} });
    expect(matches('p.${auth.user}.*', 'p.ann.orders.x', as('ann.orders'))).toBe(false);
    expect(matches('p.${auth.user}.*', 'p.ann.x', as('*'))).toBe(false);
    expect(matches('p.${auth.user}', 'p.a%40b%2Ec', as('a@b.c'))).toBe(true);
    // Two users never share a name.
    expect(encodeSegment('a%2Eb')).not.toBe(encodeSegment('a.b'));
    expect(encodeSegment("*.!'()ü|")).toBe('%2A%2E%21%27%28%29%C3%BC%7C');
    expect(isChannelName(encodeSegment("*.!'()ü|\u0000\n"))).toBe(true);
    // JSON can say half a surrogate pair: it has no bytes, and is nobody's name.
    expect(matches('p.${auth.user}', 'p.a', as('a\ud800'))).toBe(false);
    expect(matches('p.${auth.user}', 'p.%EF%BF%BD', as('\udc00'))).toBe(false);
  });
});
