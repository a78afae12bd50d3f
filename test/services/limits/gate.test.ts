/** The limits of a route together. */
import { expect, it } from 'vitest';
import { limit } from '../../../src/config/schema/limits/limits.ts';
import { Exchange } from '../../../src/exchange.ts';
import { LimitEngine } from '../../../src/services/limits/engine.ts';
import { type LimitCounter, limitStages } from '../../../src/services/limits/gate.ts';
import { open, plainSegment } from '../../shared/memory.ts';
import { QUIET } from './quiet.ts';

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
