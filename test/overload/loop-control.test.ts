/** The controller against a loop that is only offered work: too much, less again, and in jumps. */
import { describe, expect, it } from 'vitest';
import { Lateness } from '../../src/overload/lateness.ts';
import { LoopControl, STEP_MS } from '../../src/overload/loop-control.ts';

const CEILING_MS = 50;
/** Milliseconds of work for a request that is served, and for one that is refused. */
const COST = 0.1;
const REFUSAL = 0.02;

/**
 * What is not done in a step waits in connections. Each turn of the loop takes what waits, at most `turnMs` of it, and
 * timers are as late as a turn is long.
 */
function loop(turnMs = 200) {
  const control = new LoopControl();
  let waiting = 0;
  return {
    control,
    /** One step with so many requests offered, by class. Its delay, and what was admitted of each. */
    step(offered: readonly number[]) {
      const admitted = offered.map((count, c) => count * (1 - control.shares[c]));
      const refused = offered.map((count, c) => count - admitted[c]);
      const sum = (all: readonly number[]) => all.reduce((a, b) => a + b, 0);
      waiting = Math.max(0, waiting + sum(admitted) * COST + sum(refused) * REFUSAL - STEP_MS);
      const delay = Math.min(waiting, turnMs);
      control.step(delay / CEILING_MS, offered);
      return { delay, admitted };
    },
  };
}

describe('at twice what the loop carries', () => {
  // 4,000 requests in a step, where 2,000 can be served.
  const offered = [2_000, 1_200, 800];

  it('settles: critical and normal requests are served, the delay stays near the ceiling, nothing swings', () => {
    const { step } = loop();
    const steps = Array.from({ length: 400 }, () => step(offered));
    const late = steps.slice(200);
    expect(late.every(({ admitted }) => admitted[2] === 800)).toBe(true);
    const mean = (of: (s: (typeof late)[0]) => number) =>
      late.reduce((sum, s) => sum + of(s), 0) / late.length;
    expect(mean(({ delay }) => delay)).toBeLessThan(CEILING_MS);
    const served = late.map(({ admitted }) => admitted.reduce((a, b) => a + b, 0));
    // What can be served besides refusing the rest is about 1,500: nearly all of it is used.
    expect(mean(({ admitted }) => admitted.reduce((a, b) => a + b, 0))).toBeGreaterThan(1_200);
    expect(Math.max(...served) - Math.min(...served)).toBeLessThan(1_000);
  });

  it('reacts within a second', () => {
    const { step, control } = loop();
    for (let i = 0; i < 5; i++) step(offered);
    expect(control.shares[0]).toBeGreaterThan(0.8);
  });

  it('lets everybody in again, seconds after it is over, without a swing', () => {
    const { step, control } = loop();
    for (let i = 0; i < 100; i++) step(offered);
    const after: number[] = [];
    for (let i = 0; i < 60; i++) {
      step(offered.map((count) => count / 4));
      after.push(control.shares[0]);
    }
    expect(after.at(-1)).toBe(0);
    for (let i = 10; i < after.length; i++) expect(after[i]).toBeLessThanOrEqual(after[i - 1]);
  });
});

describe('lateness', () => {
  const fire = (lateness: Lateness, gaps: readonly number[]) => {
    let now = 0;
    lateness.fired(now);
    for (const gap of gaps) {
      now += gap;
      lateness.fired(now);
    }
    return lateness.ms;
  };

  it('is nothing while there is too little to say', () => {
    expect(fire(new Lateness(), [500, 500, 500, 500])).toBe(0);
  });

  it('is that of most firings, not of one long pause', () => {
    expect(fire(new Lateness(), [50, 51, 900, 50, 52])).toBe(2);
    expect(fire(new Lateness(), [120, 110, 130, 90, 140])).toBe(80);
  });

  it('forgets', () => {
    const lateness = new Lateness();
    fire(lateness, [500, 500, 500, 500, 500]);
    lateness.forget();
    expect(lateness.ms).toBe(0);
  });
});
