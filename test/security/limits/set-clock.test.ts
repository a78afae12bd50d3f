/**
 * A clock that is set: by an operator, by NTP, or by somebody who can talk to it. An hour forth must not refill a bucket, an hour
 * back must not keep it empty, and nobody waits an hour for his turn. Rates go by the monotonic clock, which nobody can set;
 * only the calendar of quotas looks at the time of day, and believes it slowly.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type LimitConfig, limit as schema } from '../../../src/config/schema/limits/limits.ts';
import { LimitEngine } from '../../../src/services/limits/engine.ts';
import { limitStages } from '../../../src/services/limits/gate.ts';
import { Limit } from '../../../src/services/limits/limit.ts';
import { Queues } from '../../../src/services/limits/queue/arrival.ts';
import { WaitingRoom } from '../../../src/services/limits/queue/waiting-room.ts';
import { Asked } from '../../services/limits/queue/workers.ts';
import { QUIET } from '../../services/limits/quiet.ts';
import { open, plainSegment } from '../../shared/memory.ts';

const HOUR = 3_600_000;
/** Noon. */
const NOON = Date.UTC(2026, 0, 15, 12);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOON });
});
afterEach(() => {
  vi.useRealTimers();
});

type Definition = Parameters<typeof schema.parse>[0];

/** A limit for one key, by the clock of the machine. */
function limitOf(definition: Definition | LimitConfig) {
  const memory = open(plainSegment(undefined, Date.now()));
  const config = 'per' in (definition as object) ? (definition as LimitConfig) : schema.parse(definition);
  const engine = new LimitEngine(memory.table, memory.holds);
  const variant = new Limit('one', config, memory).variant([]);
  const ask = () =>
    engine.decide([variant], Int32Array.of(1, 2), Float64Array.of(1), memory.clock.now()).admitted;
  const admitted = (asked: number) => Array.from({ length: asked }, ask).filter(Boolean).length;
  /** As the primary does, each second. */
  const follow = () => memory.clock.follow(Date.now(), memory.clock.now());
  return { admitted, follow };
}

describe.each([
  ['an hour forth', HOUR],
  ['an hour back', -HOUR],
  ['a year forth', 8_760 * HOUR],
  ['to 1970', -NOON],
])('a clock that is set %s', (_, by) => {
  it.each([
    ['token-bucket', { by: ['ip'], rate: '20/h' }],
    ['sliding-window', { by: ['ip'], algorithm: 'sliding-window', rate: '20/h' }],
    ['concurrency', { by: ['ip'], algorithm: 'concurrency', max: 20 }],
  ] as [string, Definition][])('neither opens nor closes a limit: %s', (_name, definition) => {
    const { admitted, follow } = limitOf(definition);
    expect(admitted(15)).toBe(15);
    vi.setSystemTime(NOON + by);
    follow();
    expect(admitted(10)).toBe(5);
    vi.setSystemTime(NOON);
    follow();
    expect(admitted(10)).toBe(0);
  });

  it('does not begin a new day for a quota', () => {
    const config = { ...schema.parse({ by: ['ip'], rate: '1/s' }), rate: undefined };
    const { admitted, follow } = limitOf({
      ...config,
      algorithm: 'quota',
      max: 20,
      per: 'day',
    } as LimitConfig);
    expect(admitted(15)).toBe(15);
    vi.setSystemTime(NOON + by);
    for (let second = 0; second < 100; second++) follow();
    expect(admitted(10)).toBe(5);
  });

  it('ends no wait before its time, and none later', async () => {
    const memory = open(plainSegment(undefined, Date.now()));
    const engine = new LimitEngine(memory.table, memory.holds);
    const room = new WaitingRoom(memory, engine.decision);
    const queues = new Queues(room, engine.decision, memory.hasher(false));
    const counter = () => ({ admitted: 0, refused: 0, shadowed: 0, noRoom: 0 });
    const env = { ...QUIET, memory, engine, headers: 'off' as const, counter, queues };
    const over = { queue: { max: 10, deadline: '300ms' } };
    const routeOf = (definition: Definition) =>
      limitStages([{ name: 'one', config: schema.parse(definition) }], env, {
        name: 'r',
        service: null,
        paramNames: [],
      });
    const rate = routeOf({ by: ['ip'], rate: '10/s', burst: 1, over });
    const busy = routeOf({ by: ['ip'], algorithm: 'concurrency', max: 1, over });
    const [, next] = [new Asked({}, rate), new Asked({}, rate)];
    const [, late] = [new Asked({}, busy), new Asked({}, busy)];
    vi.setSystemTime(NOON + by);
    await sleep(20);
    expect([next!.state, late!.state]).toEqual(['waiting', 'waiting']);
    await vi.waitUntil(() => next!.state === 'admitted' && late!.state === 'refused', {
      timeout: 5_000,
      interval: 5,
    });
    expect(next!.x.waitedMs).toBeGreaterThan(90);
    expect(late!.x.waitedMs).toBeGreaterThanOrEqual(299);
  });
});
