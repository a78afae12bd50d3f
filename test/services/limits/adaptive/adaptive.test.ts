/** The algorithm in the engine, over shared memory, with the test's clock. */
import { describe, expect, it } from 'vitest';
import { limit } from '../../../../src/config/schema/limits/limits.ts';
import type { AdaptiveEvent } from '../../../../src/services/limits/adaptive/adaptive.ts';
import { type Decider, LimitEngine } from '../../../../src/services/limits/engine.ts';
import { Limit } from '../../../../src/services/limits/limit.ts';
import type { LimitMemory } from '../../../../src/services/limits/memory.ts';
import { open, plainSegment, SMALL } from '../../../shared/memory.ts';

const UNUSUAL = { algorithm: 'adaptive', floor: '5/s', learn: '1m', for: '30s', shadow: false };

function memoryFor(keys = 1_000): LimitMemory[] {
  const segment = plainSegment({ ...SMALL, keys: 1_000, adaptiveKeys: keys });
  return [1, 2, 3].map((worker) => open(segment, worker));
}

/** One process that has these limits. */
function process(memory: LimitMemory, ...definitions: Record<string, unknown>[]) {
  const engine = new LimitEngine(memory.table, memory.holds);
  const limits = definitions.map((definition, i) =>
    new Limit(`limit${i}`, limit.parse({ by: ['user'], ...definition } as never), memory).variant([]),
  );
  const hashes = new Int32Array(2 * limits.length);
  const prices = new Float64Array(limits.length).fill(1);
  return {
    engine,
    events: memory.adaptive.events as AdaptiveEvent[],
    ask(key: string, now: number) {
      for (const [i, { hasher, salt }] of limits.entries()) {
        hasher.begin(salt);
        hasher.text(key);
        hasher.end(hashes, i);
      }
      return engine.decide(limits as Decider[], hashes, prices, now);
    },
  };
}

type Process = ReturnType<typeof process>;

/** Seconds of a key at this rate, over several processes in turn. How many were admitted. */
function run(
  processes: readonly Process[],
  key: string,
  from: number,
  seconds: number,
  rate: number,
): number {
  let admitted = 0;
  for (let i = 0; i < seconds * rate; i++) {
    const { admitted: yes } = (processes[i % processes.length] as Process).ask(key, from + (i * 1000) / rate);
    if (yes) admitted++;
  }
  return admitted;
}

const decisions = ({ events }: Process) => events.map(({ decision }) => decision);

describe('an adaptive limit', () => {
  it('never throttles a key that stays as it is', () => {
    const one = process(memoryFor()[0]!, UNUSUAL);
    expect(run([one], 'alice', 0, 600, 20)).toBe(12_000);
    expect(one.events).toEqual([]);
  });

  it('throttles one that jumps to the floor within three seconds, for a while, and lets it go after', () => {
    const one = process(memoryFor()[0]!, UNUSUAL);
    run([one], 'alice', 0, 120, 20);
    const before = run([one], 'alice', 120_000, 3, 400);
    expect(before).toBeLessThan(1_200);
    expect(decisions(one)).toEqual(['throttled']);
    // The floor: 5 per second and a second's worth of burst.
    const during = run([one], 'alice', 123_000, 20, 400);
    expect(during).toBeGreaterThanOrEqual(99);
    expect(during).toBeLessThanOrEqual(106);
    expect(one.ask('alice', 143_000).retryAfterMs).toBeLessThanOrEqual(200);
    run([one], 'alice', 143_001, 30, 20);
    expect(decisions(one)).toEqual(['throttled', 'released']);
    expect(run([one], 'alice', 180_000, 60, 20)).toBe(1_200);
  });

  it('keeps one throttled that does not stop', () => {
    const one = process(memoryFor()[0]!, UNUSUAL);
    run([one], 'alice', 0, 120, 20);
    run([one], 'alice', 120_000, 100, 400);
    expect(decisions(one)).toEqual(['throttled', 'kept', 'kept', 'kept']);
  });

  it('throttles nobody else', () => {
    const one = process(memoryFor()[0]!, UNUSUAL);
    run([one], 'bob', 0, 120, 20);
    run([one], 'alice', 0, 120, 20);
    run([one], 'alice', 120_000, 10, 400);
    expect(decisions(one)).toEqual(['throttled']);
    expect(run([one], 'bob', 120_000, 10, 20)).toBe(200);
  });

  it('says what it has seen', () => {
    const one = process(memoryFor()[0]!, UNUSUAL);
    run([one], 'alice', 0, 120, 20);
    run([one], 'alice', 120_000, 3, 400);
    const { limit, opinion } = one.events[0] as AdaptiveEvent;
    expect(limit).toBe('limit0');
    expect(opinion.signal).toBe('rate');
    expect(opinion.usual).toBeCloseTo(20, 0);
    expect(opinion.now).toBeGreaterThan(opinion.threshold);
  });

  it('on trial refuses nothing and decides the same; unless it is said otherwise, it is on trial', () => {
    const { shadow: _, ...rest } = UNUSUAL;
    const one = process(memoryFor()[0]!, rest);
    run([one], 'alice', 0, 120, 20);
    let shadowed = 0;
    for (let i = 0; i < 4_000; i++) {
      const decision = one.ask('alice', 120_000 + i * 2.5);
      expect(decision.admitted).toBe(true);
      shadowed += decision.shadowed;
    }
    expect(decisions(one)).toEqual(['throttled']);
    expect(shadowed).toBeGreaterThan(2_500);
  });

  it('counts each request once when there are others beside it, and gives the floor back when they refuse', () => {
    const one = process(memoryFor()[0]!, UNUSUAL, { rate: '1000/s' });
    run([one], 'alice', 0, 120, 20);
    run([one], 'alice', 120_000, 3, 400);
    expect(one.events[0]?.opinion.usual).toBeCloseTo(20, 0);
    const narrow = process(memoryFor()[0]!, UNUSUAL, { rate: '1/h', burst: 3_000 });
    run([narrow], 'alice', 0, 120, 20);
    run([narrow], 'alice', 120_000, 3, 400);
    expect(decisions(narrow)).toEqual(['throttled']);
  });
});

describe('several processes', () => {
  it('are one: it does not matter who serves how much of a key', () => {
    const processes = memoryFor().map((memory) => process(memory, UNUSUAL));
    const [first, second, third] = processes as [Process, Process, Process];
    run(processes, 'alice', 0, 120, 21);
    run([first, first, first, second], 'alice', 120_000, 60, 21);
    expect(processes.flatMap(decisions)).toEqual([]);
    // The jump comes in by one of them alone, and holds for all.
    run([third], 'alice', 180_000, 3, 400);
    expect(processes.flatMap(decisions)).toEqual(['throttled']);
    const admitted = run([first, second], 'alice', 183_000, 10, 300);
    expect(admitted).toBeGreaterThanOrEqual(49);
    expect(admitted).toBeLessThanOrEqual(56);
  });
});

describe('more keys than there is room for', () => {
  it('are forgotten, newest known first; those that are known for long are not', () => {
    const memory = memoryFor(1_000)[0]!;
    const one = process(memory, UNUSUAL);
    run([one], 'alice', 0, 120, 20);
    for (let i = 0; i < 50_000; i++) one.ask(`flood ${i}`, 120_000 + i / 10);
    expect(memory.adaptive.profiles.counts().evicted).toBeGreaterThan(40_000);
    run([one], 'alice', 125_000, 4, 400);
    expect(decisions(one)).toEqual(['throttled']);
  });
});

describe('another configuration', () => {
  it('keeps what is known of keys as long as name and keys stay, and begins a new floor', () => {
    const memory = memoryFor()[0]!;
    run([process(memory, UNUSUAL)], 'alice', 0, 120, 20);
    const next = process(memory, { ...UNUSUAL, floor: '50/s', sensitivity: 3 });
    run([next], 'alice', 120_000, 3, 400);
    expect(decisions(next)).toEqual(['throttled']);
    const admitted = run([next], 'alice', 123_000, 10, 400);
    expect(admitted).toBeGreaterThanOrEqual(498);
    expect(admitted).toBeLessThanOrEqual(552);
  });
});
