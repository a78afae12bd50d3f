/** The limits of a route together. */
import { describe, expect, it } from 'vitest';
import { limit } from '../../../src/config/schema/limits/limits.ts';
import { Exchange } from '../../../src/exchange.ts';
import { LimitEngine } from '../../../src/services/limits/engine.ts';
import { type LimitCounter, limitStages } from '../../../src/services/limits/gate.ts';
import { open, plainSegment } from '../../shared/memory.ts';
import { QUIET } from './quiet.ts';

type Headers = 'off' | 'standard' | 'legacy' | 'both';

/** A route with these limits, by name. Gives what answers would say of a request with these headers. */
function routeWith(limits: Record<string, object>, headers: Headers = 'both') {
  const memory = open(plainSegment());
  const env = {
    ...QUIET,
    memory,
    engine: new LimitEngine(memory.table, memory.holds),
    headers,
    counter: () => ({ admitted: 0, refused: 0, shadowed: 0, noRoom: 0 }),
  } as const;
  const named = Object.entries(limits).map(([name, config]) => ({ name, config: limit.parse(config) }));
  const stages = limitStages(named, env, { name: 'r', service: null, paramNames: [] });
  return (fields: Record<string, string> = {}) => {
    const x = new Exchange(0);
    x.headers = Object.entries(fields).flat();
    stages.onArrival?.(x);
    x.answerHeaders = [];
    stages.onResponse?.(x);
    const told: Record<string, string> = {};
    for (let i = 0; i < x.answerHeaders.length; i += 2) told[x.answerHeaders[i]] = x.answerHeaders[i + 1];
    return { passed: x.failure === null, detail: x.detail, retryAfterS: x.retryAfterS, told };
  };
}

describe('what a header says that a request costs', () => {
  const priced = (cost: object) => {
    const ask = routeWith({
      one: { by: ['global'], rate: '10/h', cost: { header: 'x-cost', max: 5, ...cost } },
    });
    return (written: string) => 10 - Number(/r=(\d+)/.exec(ask({ 'x-cost': written }).told.ratelimit)?.[1]);
  };

  it.each([
    ['3', 3],
    ['0', 1],
    ['999999999', 5],
    ['9'.repeat(400), 5],
    ['1.5', 1],
    ['1e3', 1],
    ['-2', 1],
    ['', 1],
  ])('%s', (written, cost) => {
    expect(priced({})(written)).toBe(cost);
  });

  it('may be nothing where the limit allows that', () => {
    expect(priced({ min: 0 })('0')).toBe(0);
    expect(priced({ min: 2, default: 2 })('1')).toBe(2);
  });

  it('is called too much where the limit will never admit it', () => {
    const ask = routeWith({ one: { by: ['global'], rate: '3/h', cost: { header: 'x-cost' } } });
    expect(ask({ 'x-cost': '4' }).detail).toBe('The limit "one" never admits what costs so much.');
    for (let i = 0; i < 3; i++) expect(ask().passed).toBe(true);
    expect(ask().detail).toBe('The limit "one" is used up.');
  });
});

describe('what answers tell', () => {
  it('of a limit on requests in flight says that they are meant', () => {
    const ask = routeWith({
      rate: { by: ['global'], rate: '10/min' },
      flight: { by: ['global'], algorithm: 'concurrency', max: 3 },
    });
    expect(ask().told['ratelimit-policy']).toBe('"rate";q=10;w=60, "flight";q=3;qu="concurrent-requests"');
  });

  it('leaves out limits on trial', () => {
    const ask = routeWith({
      trial: { by: ['global'], rate: '1/h', shadow: true },
      real: { by: ['global'], rate: '9/h' },
    });
    ask();
    expect(ask().told).toMatchObject({ ratelimit: '"real";r=7;t=800', 'x-ratelimit-remaining': '7' });
    expect(routeWith({ trial: { by: ['global'], rate: '1/h', shadow: true } })().told).toEqual({});
  });

  it('names the limit that keeps the request out for longest, in the older fields as well', () => {
    const ask = routeWith({
      brief: { by: ['global'], rate: '2/s' },
      long: { by: ['global'], rate: '2/h' },
    });
    ask();
    ask();
    expect(ask()).toMatchObject({
      passed: false,
      detail: 'The limit "long" is used up.',
      retryAfterS: expect.closeTo(1800, -1),
      told: {
        'x-ratelimit-limit': '2',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': expect.stringMatching(/^360\d$/),
      },
    });
  });
});

it('a request that is refused gives nothing back to a limit on trial, which it took nothing from', () => {
  const memory = open(plainSegment());
  const counters = new Map<string, LimitCounter>();
  const counter = (name: string) => {
    const known = counters.get(name) ?? { admitted: 0, refused: 0, shadowed: 0, noRoom: 0 };
    counters.set(name, known);
    return known;
  };
  const env = {
    ...QUIET,
    memory,
    engine: new LimitEngine(memory.table, memory.holds),
    headers: 'off',
    counter,
  } as const;
  const limits = [
    { name: 'trial', config: limit.parse({ by: ['global'], rate: '1/h', shadow: true }) },
    { name: 'user', config: limit.parse({ by: ['user'], rate: '1/h' }) },
  ];
  const { onArrival, onRequest } = limitStages(limits, env, { name: 'r', service: null, paramNames: [] });
  for (let i = 0; i < 3; i++) {
    const x = new Exchange(0);
    onArrival?.(x);
    onRequest?.(x);
  }
  expect(counters.get('user')).toMatchObject({ admitted: 1, refused: 2 });
  expect(counters.get('trial')).toMatchObject({ admitted: 1, shadowed: 2 });
});
