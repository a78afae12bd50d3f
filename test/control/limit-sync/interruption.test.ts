/** Workers that are stopped, or killed, before each access to shared memory in turn, while the primary asks Redis and writes what it said. */
import { describe, expect, it } from 'vitest';
import { killedAt, stoppedAt } from '../../shared/interruption.ts';
import { ModelMachine, ModelRedis } from './machines.ts';

/** So slow that nothing is earned meanwhile. */
const FIGURES = { count: 1, periodMs: 1e9, burst: 40 };
const START = 60_000;

function scene() {
  const redis = new ModelRedis();
  const machine = new ModelMachine(0, FIGURES, 1, () => 0.5);
  let now = START;
  /** Until everything is said and written. */
  const rounds = () => {
    for (let i = 0; i < 60; i++) {
      now += 10;
      machine.tick(redis, now);
    }
  };
  return { machine, rounds, ask: () => machine.ask(now), at: () => now };
}

/** Asks until nobody is admitted any more, however often Redis is asked in between. */
function drain({ machine, rounds, ask }: ReturnType<typeof scene>): number {
  for (let i = 0; i < 60; i++) {
    while (ask());
    rounds();
  }
  return machine.admitted;
}

describe.each([
  ['a key that the primary does not know', 0],
  ['a key whose tokens are at hand', 3],
])('%s', (_, before) => {
  const prepared = () => {
    const all = scene();
    for (let i = 0; i < before; i++) all.ask();
    if (before > 0) all.rounds();
    return all;
  };

  it('loses and wins nothing when the worker stands still anywhere', () => {
    let n = 0;
    for (let reached = true; reached; ) {
      n++;
      const all = prepared();
      reached = stoppedAt(n, () => void all.ask(), all.rounds);
      expect([n, drain(all)]).toEqual([n, 40]);
    }
    expect(n).toBeGreaterThan(8);
  });

  it('is as before, but for one token, when the worker is killed anywhere', () => {
    let n = 0;
    for (let reached = true; reached; ) {
      n++;
      const all = prepared();
      reached = killedAt(n, () => void all.ask());
      all.rounds();
      expect([n, [39, 40].includes(drain(all))]).toEqual([n, true]);
    }
  });
});

it('a primary that stands still anywhere in a round neither makes nor loses tokens', () => {
  let n = 0;
  for (let reached = true; reached; ) {
    n++;
    const all = scene();
    for (let i = 0; i < 5; i++) all.ask();
    reached = stoppedAt(n, all.rounds, () => {
      for (let i = 0; i < 4; i++) all.ask();
    });
    expect([n, drain(all)]).toEqual([n, 40]);
  }
  expect(n).toBeGreaterThan(20);
});
