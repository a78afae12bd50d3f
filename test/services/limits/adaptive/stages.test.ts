/** An adaptive limit among the limits of a route. */
import { describe, expect, it } from 'vitest';
import { limit } from '../../../../src/config/schema/limits/limits.ts';
import { RATE_LIMITED } from '../../../../src/errors.ts';
import { Exchange } from '../../../../src/exchange.ts';
import { LimitEngine } from '../../../../src/services/limits/engine.ts';
import { type LimitCounter, limitStages } from '../../../../src/services/limits/gate.ts';
import type { HeaderStyle } from '../../../../src/services/limits/limit-fields.ts';
import { UNTIL } from '../../../../src/shared/profile-table.ts';
import { noting } from '../../../overload/log-lines.ts';
import { open, plainSegment, SMALL } from '../../../shared/memory.ts';

function route(headers: HeaderStyle, ...definitions: Record<string, unknown>[]) {
  const memory = open(plainSegment({ ...SMALL, adaptiveKeys: 100 }));
  const counters = new Map<string, LimitCounter>();
  const counter = (name: string) => {
    const known = counters.get(name) ?? { admitted: 0, refused: 0, shadowed: 0, noRoom: 0 };
    counters.set(name, known);
    return known;
  };
  const limits = definitions.map((definition, i) => ({
    name: `limit${i}`,
    config: limit.parse({ by: ['ip'], ...definition } as never),
  }));
  const engine = new LimitEngine(memory.table, memory.holds);
  const decided = () => ({ throttled: 0, kept: 0, released: 0 });
  const env = { memory, engine, headers, counter, decided, log: noting().log, queues: null, strict: null };
  const stages = limitStages(limits, env, { name: 'r', service: null, paramNames: [] });
  const ask = (status = 200) => {
    const x = new Exchange(0);
    x.clientIp = '192.0.2.1';
    stages.onArrival?.(x);
    x.status = x.failure?.status ?? status;
    stages.onResponse?.(x);
    stages.onDone?.(x);
    return x;
  };
  /** Whoever has asked so far is throttled from now on. */
  const throttle = () => {
    const { words } = memory.adaptive.profiles;
    for (let p = 0; p < words.length; p += 16) if (words[p] !== 0) words[p + UNTIL] = 2 ** 30;
  };
  return { ask, throttle, counters };
}

const ODD = { algorithm: 'adaptive', floor: '1/h', shadow: false };

describe('an adaptive limit', () => {
  it.each(['standard', 'legacy', 'both', 'off'] as const)('is not told to clients: headers %s', (style) => {
    expect(route(style, ODD).ask().answerHeaders).toEqual([]);
  });

  it('leaves the fields of others as they are', () => {
    const { answerHeaders } = route('both', ODD, { rate: '10/s' }).ask();
    expect(answerHeaders).toEqual([
      'ratelimit-policy',
      '"limit1";q=10;w=1',
      'ratelimit',
      '"limit1";r=9;t=1',
      'x-ratelimit-limit',
      '10',
      'x-ratelimit-remaining',
      '9',
      'x-ratelimit-reset',
      '1',
    ]);
  });

  it('refuses by its name, with when to come back, and takes nothing from others', () => {
    const { ask, throttle, counters } = route('standard', ODD, { rate: '10/h' });
    ask();
    throttle();
    ask(); // the floor
    const x = ask();
    expect(x.failure).toBe(RATE_LIMITED);
    expect(x.detail).toContain('"limit0"');
    expect(x.retryAfterS).toBeGreaterThan(3_000);
    expect(x.answerHeaders.at(-1)).toMatch(/^"limit1";r=8;/);
    expect(counters.get('limit0')).toMatchObject({ admitted: 2, refused: 1 });
    expect(counters.get('limit1')).toMatchObject({ admitted: 2, refused: 0 });
  });

  it('on trial lets pass and counts whom it would have refused', () => {
    const { ask, throttle, counters } = route('standard', { ...ODD, shadow: undefined });
    ask();
    throttle();
    for (let i = 0; i < 5; i++) expect(ask().failure).toBeNull();
    expect(counters.get('limit0')).toEqual({ admitted: 2, refused: 0, shadowed: 4, noRoom: 0 });
  });

  it('beside one on concurrency gives back what that one holds', () => {
    const { ask } = route('off', ODD, { algorithm: 'concurrency', max: 1 });
    for (let i = 0; i < 5; i++) expect(ask(404).failure).toBeNull();
  });
});
