import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { type LimitConfig, limit } from '../../../src/config/schema/limits/limits.ts';
import { type Decider, LimitEngine } from '../../../src/services/limits/engine.ts';
import { Limit } from '../../../src/services/limits/limit.ts';
import type { LimitMemory } from '../../../src/services/limits/memory.ts';
import { stoppedAt } from '../../shared/interruption.ts';
import { open, plainSegment } from '../../shared/memory.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const NOW = 10_000;

type Definition = Parameters<typeof limit.parse>[0];

/** As the schema gives it; a quota, which the engine knows and the schema does not take, as it is. */
function limitOf(memory: LimitMemory, name: string, definition: Record<string, unknown>): Limit {
  const { algorithm, max, per, ...others } = definition;
  if (algorithm !== 'quota') {
    return new Limit(name, limit.parse({ by: ['ip'], ...definition } as Definition), memory);
  }
  const base = limit.parse({ by: ['ip'], rate: '1/s', ...others });
  return new Limit(name, { ...base, rate: undefined, algorithm, max, per } as LimitConfig, memory);
}

/** One process that has these limits on one key. */
function deciderOf(memory: LimitMemory, definitions: Record<string, unknown>[], costs = [1, 1, 1, 1]) {
  const engine = new LimitEngine(memory.table, memory.holds);
  const limits = definitions.map((definition, i) => limitOf(memory, `limit${i}`, definition).variant([]));
  const hashes = new Int32Array(2 * limits.length);
  for (const [i, { hasher, salt }] of limits.entries()) {
    hasher.begin(salt);
    hasher.text('alice');
    hasher.end(hashes, i);
  }
  const prices = Float64Array.from(costs);
  const decide = (now = NOW) => engine.decide(limits as Decider[], hashes, prices, now);
  return { engine, decide };
}

const wide = { rate: '1000/s', burst: 100 };
const narrow = { rate: '1/s', burst: 2 };
const daily = { algorithm: 'quota', max: 50, per: 'day' };
const few = { algorithm: 'concurrency', max: 3 };
const minute = { algorithm: 'sliding-window', rate: '40/min' };

describe('the limits of a request', () => {
  it('are decided together: who is refused by one has consumed nothing of the others', () => {
    const memory = open(plainSegment());
    const { decide, engine } = deciderOf(memory, [wide, daily, few, narrow]);
    const first = decide();
    expect([first.admitted, first.refusedBy]).toEqual([true, -1]);
    expect([...first.remaining.slice(0, 4)]).toEqual([99, 49, 2, 1]);
    decide();
    for (let i = 0; i < 100; i++) {
      const refused = decide();
      expect([refused.admitted, refused.refusedBy]).toEqual([false, 3]);
      expect([...refused.remaining.slice(0, 4)]).toEqual([98, 48, 1, 0]);
      expect([...refused.holds.slice(0, 4)]).toEqual([-1, -1, -1, -1]);
    }
    expect(engine.decision.retryAfterMs).toBeCloseTo(1_000, 2);
  });

  it('name the one that refuses for longest, and the time after which none does', () => {
    const memory = open(plainSegment());
    const { decide } = deciderOf(memory, [narrow, { rate: '1/min', burst: 2 }]);
    decide();
    decide();
    const d = decide();
    expect([d.refusedBy, Math.round(d.retryAfterMs)]).toEqual([1, 60_000]);
  });

  it('have each its own cost', () => {
    const memory = open(plainSegment());
    const { decide } = deciderOf(memory, [wide, daily, minute], [10, 0, 5]);
    expect([...decide().remaining.slice(0, 3)]).toEqual([90, 50, 35]);
  });

  it('on trial are counted and told, but never refuse', () => {
    const memory = open(plainSegment());
    const { decide } = deciderOf(memory, [{ ...narrow, shadow: true }, wide]);
    decide();
    decide();
    const d = decide();
    expect([d.admitted, d.refusedBy, d.shadowed, d.retryAfterMs]).toEqual([true, -1, 1, 0]);
    expect(d.remaining[1]).toBe(97);
    const alone = deciderOf(open(plainSegment()), [{ ...narrow, shadow: true }]);
    for (let i = 0; i < 3; i++) alone.decide();
    expect([alone.engine.decision.admitted, alone.engine.decision.shadowed]).toEqual([true, 1]);
  });

  it('on concurrency hold until they are released', () => {
    const memory = open(plainSegment());
    const { decide, engine } = deciderOf(memory, [few]);
    const tokens = [0, 1, 2].map(() => decide().holds[0] as number);
    const d = decide();
    expect([d.admitted, d.refusedBy, d.retryAfterMs]).toEqual([false, 0, 1_000]);
    engine.release(tokens[1] as number);
    engine.release(-1);
    expect(decide().admitted).toBe(true);
  });

  it('say when it is not they who refuse but the table that is full', () => {
    const memory = open(plainSegment());
    // The table has 128 slots.
    for (let i = 0; i < 2_000; i++) {
      memory.table.obtain(Math.imul(i, 0x9e3779b1), Math.imul(i, 0x85ebca77), 4, 1 << 18, NOW);
    }
    const { decide } = deciderOf(memory, [narrow]);
    const d = decide();
    expect([d.admitted, d.noRoom, d.refusedBy, d.retryAfterMs]).toEqual([false, true, 0, 1_000]);
  });

  it('are the same for all processes, whichever decides and wherever it is stopped', () => {
    const definitions = [wide, daily, few, narrow];
    let n = 1;
    for (let reached = true; reached; n++) {
      const segment = plainSegment();
      const deciders = [1, 2].map((worker) => deciderOf(open(segment, worker), definitions));
      const admitted: boolean[] = [];
      const ask = (by: number) => {
        const d = deciders[by]?.decide();
        admitted.push(d?.admitted === true);
      };
      ask(0);
      reached = stoppedAt(
        n,
        () => ask(0),
        () => ask(1),
      );
      ask(1);
      // The second of two tokens goes to one of them, and what the loser took elsewhere is there again.
      expect({ n, admitted: admitted.filter(Boolean).length }).toEqual({ n, admitted: 2 });
      const d = deciders[0]?.decide();
      expect({ n, remaining: [...(d?.remaining.slice(0, 4) ?? [])] }).toEqual({
        n,
        remaining: [98, 48, 1, 0],
      });
    }
    expect(n).toBeGreaterThan(40);
  });

  it('are decided without allocating anything', () => {
    const memory = open(plainSegment());
    const { decide, engine } = deciderOf(memory, [
      { rate: '1000000/s' },
      { algorithm: 'sliding-window', rate: '1000000/s' },
      { ...daily, max: 1_000_000_000 },
      few,
    ]);
    let now = NOW;
    const call = () => {
      const d = decide(now);
      if (!d.admitted) throw new Error('the bench is about admitted requests');
      engine.release(d.holds[3] as number);
    };
    for (let i = 0; i < 20_000; i++) call();
    let least = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 5; round++) {
      now += 5_000;
      call();
      collect();
      const before = getHeapStatistics().used_heap_size;
      for (let i = 0; i < 20_000; i++) call();
      least = Math.min(least, getHeapStatistics().used_heap_size - before);
    }
    expect(least / 20_000).toBeLessThan(8);
  });
});

describe('a limit with rates by role', () => {
  const rates = { trader: '500/s', viewer: '20/s', default: '10/s' };

  it('gives the highest rate of those one has, else the default', () => {
    const byRole = limitOf(open(plainSegment()), 'roles', { rate: rates });
    const quota = (...roles: string[]) => byRole.variant(roles).algorithm.quota;
    expect([quota(), quota('guest'), quota('viewer'), quota('viewer', 'trader')]).toEqual([10, 10, 20, 500]);
  });
});

describe('what is counted', () => {
  const salted = (definition: Record<string, unknown>, name = 'a', memory = open(plainSegment())) => [
    ...limitOf(memory, name, definition).variant([]).salt,
  ];
  const memory = open(plainSegment());

  it('is kept over a reload that changes the most, not the way of counting', () => {
    expect(salted(daily, 'a', memory)).toEqual(salted({ ...daily, max: 7 }, 'a', memory));
    expect(salted(few, 'a', memory)).toEqual(salted({ ...few, max: 9 }, 'a', memory));
    expect(salted(minute, 'a', memory)).toEqual(salted({ ...minute, rate: '1/min' }, 'a', memory));
    expect(salted(wide, 'a', memory)).not.toEqual(salted({ ...wide, burst: 99 }, 'a', memory));
    expect(salted(daily, 'a', memory)).not.toEqual(salted({ ...daily, per: 'week' }, 'a', memory));
  });

  it('is apart for each limit, and not to be guessed', () => {
    expect(salted(wide, 'a', memory)).not.toEqual(salted(wide, 'b', memory));
    expect(salted(wide)).not.toEqual(salted(wide));
  });
});
