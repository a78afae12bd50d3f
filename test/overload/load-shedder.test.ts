/** Who is refused at which reading: readings and time are the test's. */
import { describe, expect, it } from 'vitest';
import { OVERLOADED } from '../../src/errors.ts';
import { Exchange } from '../../src/exchange.ts';
import { TICK_MS } from '../../src/overload/lateness.ts';
import { type Ceilings, LoadShedder } from '../../src/overload/load-shedder.ts';
import { LOOP_DELAY, PRIORITIES, type Priority, SIGNALS } from '../../src/overload/overload.ts';
import { CONTINUE } from '../../src/pipeline.ts';
import { noting } from './log-lines.ts';

const NONE: Ceilings = { loopDelayMs: 0, inFlight: 0, memory: null, retryAfterMs: 5_000 };
const STEP = 200;

/** A gateway with these ceilings, of which the test says what is in flight. */
function gateway(ceilings: Partial<Ceilings>, random?: () => number) {
  const { log, lines } = noting();
  const load = { inFlight: 0 };
  const shedder = new LoadShedder(load, log, random);
  shedder.adopt({ ...NONE, ...ceilings });
  const stages = new Map(PRIORITIES.map((priority) => [priority, shedder.stage(priority)]));
  const ask = (priority: Priority, x = new Exchange(0)) => stages.get(priority)?.(x) === CONTINUE;
  /** The part of a thousand requests that is refused while `others` are in flight. */
  const refused = (priority: Priority, others = load.inFlight) => {
    load.inFlight = others + 1;
    let count = 0;
    for (let i = 0; i < 1000; i++) if (!ask(priority)) count++;
    load.inFlight = others;
    return count / 1000;
  };
  let now = 0;
  /** Several steps at this delay of the loop. */
  const steps = (count: number, lateMs: number, traffic: () => void = () => {}) => {
    for (let i = 0; i < count; i++) {
      traffic();
      now += STEP;
      shedder.step(now, lateMs);
    }
  };
  return { shedder, load, ask, refused, steps, lines };
}

describe('requests in flight', () => {
  const { refused } = gateway({ inFlight: 100 });

  it.each([
    ['a calm gateway', 50, [0, 0, 0]],
    ['up to seven tenths', 70, [1, 0, 0]],
    ['up to 85 in a hundred', 85, [1, 1, 0]],
    ['up to 95 in a hundred', 95, [1, 1, 0]],
    ['at the ceiling', 100, [1, 1, 1]],
    ['beyond it', 500, [1, 1, 1]],
  ])('refuse by class: %s (%i)', (_, others, expected) => {
    expect(PRIORITIES.map((priority) => refused(priority, others))).toEqual(expected);
  });

  it('refuse a fraction in between, more with each', () => {
    for (const [others, share] of [
      [54, 0.2],
      [60, 0.5],
      [66, 0.8],
    ] as const)
      expect(Math.abs(refused('background', others) - share)).toBeLessThan(0.08);
  });

  it('are never more than the ceiling', () => {
    const { load, ask } = gateway({ inFlight: 20 });
    for (let i = 0; i < 200; i++) {
      load.inFlight++;
      if (!ask(i % 2 === 0 ? 'critical' : 'background')) load.inFlight--;
    }
    expect(load.inFlight).toBe(20);
  });

  it('leave a ceiling of one a request', () => {
    const { load, ask } = gateway({ inFlight: 1 });
    load.inFlight = 1;
    expect([ask('background'), ask('critical')]).toEqual([true, true]);
    load.inFlight = 2;
    expect(ask('critical')).toBe(false);
  });
});

describe('a refused request', () => {
  it('is told when to come back: whole seconds from one to the most, spread', () => {
    const { load, ask } = gateway({ inFlight: 1, retryAfterMs: 5_000 });
    load.inFlight = 10;
    const seconds = new Set<number>();
    for (let i = 0; i < 500; i++) {
      const x = new Exchange(0);
      expect(ask('normal', x)).toBe(false);
      expect(x.failure).toBe(OVERLOADED);
      seconds.add(x.retryAfterS);
    }
    expect([...seconds].sort()).toEqual([1, 2, 3, 4, 5]);
  });

  it('is counted by class and signal, once', () => {
    const { shedder, refused } = gateway({ inFlight: 10 });
    refused('normal', 10);
    const { shed } = shedder.report();
    expect([...shed.entries()].filter(([, count]) => count > 0)).toEqual([[1 * SIGNALS.length + 1, 1000]]);
    expect(shedder.report().shed.every((count) => count === 0)).toBe(true);
  });
});

describe('a calm gateway', () => {
  it('looks at no request: one comparison with what is in flight', () => {
    const { shedder } = gateway({ inFlight: 100, loopDelayMs: 50, memory: () => 0.2 });
    expect(shedder.calmUpTo).toBe(50);
    shedder.step(STEP, 10);
    expect(shedder.calmUpTo).toBe(50);
    expect(gateway({ loopDelayMs: 50 }).shedder.calmUpTo).toBeGreaterThan(1e6);
  });

  it('pays one roll of the dice only for classes that are refused in part', () => {
    let rolls = 0;
    const { refused } = gateway({ inFlight: 100 }, () => {
      rolls++;
      return 0.99;
    });
    refused('critical', 90);
    expect(rolls).toBe(0);
  });
});

describe('the delay of the event loop', () => {
  it('ends a turn that lasts: once the loop has been late, what comes too late in a turn is refused, by class', () => {
    const { shedder, ask } = gateway({ loopDelayMs: 25 }, () => 0.5);
    const admitted = (at: number) => PRIORITIES.map((priority) => ask(priority, new Exchange(at)));
    for (let now = 0; now <= 100; now += TICK_MS) shedder.tick(now);
    // A turn of 300 ms, out of a calm: nobody knows that it is not a single pause.
    expect(admitted(399)).toEqual([true, true, true]);
    shedder.tick(400);
    // The timer is due at 450: the turn that goes on beyond it is looked at.
    expect(admitted(474)).toEqual([true, true, true]);
    expect(admitted(476)).toEqual([false, true, true]);
    expect(admitted(501)).toEqual([false, false, true]);
    expect(admitted(551)).toEqual([false, false, false]);
    const shed = shedder.report().shed;
    expect(PRIORITIES.map((_, c) => shed[c * SIGNALS.length + LOOP_DELAY])).toEqual([3, 2, 1]);
  });

  it('looks at no request again when five turns were short', () => {
    const { shedder } = gateway({ loopDelayMs: 25 });
    for (const now of [0, 50, 400]) shedder.tick(now);
    expect(shedder.calmUpTo).toBe(-1);
    for (let now = 450; now <= 650; now += TICK_MS) shedder.tick(now);
    expect(shedder.calmUpTo).toBeGreaterThan(1e6);
  });

  it('refuses the lowest class first, more with each step, and the next one only when that is not enough', () => {
    const { refused, steps } = gateway({ loopDelayMs: 50 });
    const traffic = () => void PRIORITIES.map((priority) => refused(priority));
    const seen: number[][] = [];
    for (let i = 0; i < 12; i++) {
      steps(1, 60, traffic);
      seen.push(PRIORITIES.map((priority) => refused(priority)));
    }
    const background = seen.map(([share]) => share);
    expect(background[0]).toBeGreaterThan(0);
    expect(background[0]).toBeLessThan(0.6);
    expect(background.at(-1)).toBe(1);
    for (const [low, normal, critical] of seen) {
      if (normal > 0) expect(low).toBe(1);
      if (critical > 0) expect(normal).toBe(1);
    }
    expect(seen.at(-1)?.[1]).toBeGreaterThan(0);
  });

  it('never refuses critical requests below the ceiling, nor more than nine in ten above it', () => {
    const { refused, steps } = gateway({ loopDelayMs: 50 });
    const traffic = () => void PRIORITIES.map((priority) => refused(priority));
    steps(100, 49, traffic);
    expect(PRIORITIES.map((priority) => refused(priority))).toEqual([1, 1, 0]);
    steps(300, 500, traffic);
    expect(refused('critical')).toBeGreaterThan(0.8);
    expect(refused('critical')).toBeLessThan(0.95);
  });

  it('holds what it has between half and four fifths of the ceiling, and lets go below, critical first', () => {
    const { shedder, refused, steps } = gateway({ loopDelayMs: 50 });
    const traffic = () => void PRIORITIES.map((priority) => refused(priority));
    steps(20, 60, traffic);
    const before = shedder.report().refusing;
    steps(20, 30, traffic);
    expect(shedder.report().refusing).toEqual(before);
    let last = before;
    for (let i = 0; i < 60; i++) {
      steps(1, 5, traffic);
      const { refusing } = shedder.report();
      if (refusing.critical > 0) expect(refusing.normal).toBe(1);
      if (refusing.normal > 0) expect(refusing.background).toBe(1);
      expect(refusing.background).toBeLessThanOrEqual(last.background);
      last = refusing;
    }
    expect(last).toEqual({ background: 0, normal: 0, critical: 0 });
  });

  it('goes past a class that sends nothing', () => {
    const { refused, steps } = gateway({ loopDelayMs: 50 });
    steps(4, 60, () => void refused('normal'));
    expect(refused('normal')).toBeGreaterThan(0.2);
  });
});

describe('memory', () => {
  it('refuses by class near the ceiling, and leaves one critical request in ten beyond it', () => {
    let used = 0;
    const { refused, steps } = gateway({ memory: () => used });
    const at = (reading: number) => {
      used = reading;
      steps(5, 0);
      return PRIORITIES.map((priority) => refused(priority));
    };
    expect(at(0.89)).toEqual([0, 0, 0]);
    expect(at(0.94)).toEqual([1, 0, 0]);
    expect(at(0.98)).toEqual([1, 1, 0]);
    const [, , critical] = at(1.5);
    expect(critical).toBeGreaterThan(0.85);
    expect(critical).toBeLessThan(0.95);
    expect(at(0.5)).toEqual([0, 0, 0]);
  });

  it('does not follow a reading that trembles', () => {
    let used = 0.92;
    const { shedder, steps } = gateway({ memory: () => used });
    steps(5, 0);
    const before = shedder.report().refusing.background;
    expect(before).toBeCloseTo(0.5);
    used = 0.905;
    steps(5, 0);
    expect(shedder.report().refusing.background).toBe(before);
    used = 0.87;
    steps(5, 0);
    expect(shedder.report().refusing.background).toBe(0);
  });
});

describe('the log', () => {
  it('has one line when a class begins to be refused and one when that is over, with the figures', () => {
    const { refused, steps, lines } = gateway({ inFlight: 100, loopDelayMs: 50 });
    steps(10, 0, () => void refused('background', 95));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      level: 'warn',
      msg: 'overload: shedding begins',
      priority: 'background',
      signal: 'inFlight',
      inFlight: 95,
      inFlightCeiling: 100,
      pressure: { inFlight: 0.95 },
    });
    steps(60, 0, () => void refused('background', 10));
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatchObject({
      level: 'info',
      msg: 'overload: shedding has ended',
      priority: 'background',
      refused: 10_000,
      highest: 1,
    });
  });
});

describe('another configuration', () => {
  it('changes ceilings under stages that are in use', () => {
    const { shedder, refused, steps } = gateway({ inFlight: 10, loopDelayMs: 50, memory: () => 2 });
    steps(20, 100);
    expect(refused('normal', 10)).toBe(1);
    shedder.adopt(NONE);
    expect(PRIORITIES.map((priority) => refused(priority, 1000))).toEqual([0, 0, 0]);
  });
});

describe('warming up', () => {
  it('holds what is refused: a reload in the middle of an overload lets nobody in', () => {
    const { log } = noting();
    const shedder = new LoadShedder({ inFlight: 0 }, log);
    shedder.adopt({ ...NONE, loopDelayMs: 50 });
    let now = 0;
    for (; now < 4_000; now += 200) shedder.tick(now);
    const { refusing } = shedder.report();
    expect(refusing.background).toBeGreaterThan(0);
    shedder.warmUp(now + 2_000);
    for (const end = now + 2_000; now < end; now += 50) shedder.tick(now);
    expect(shedder.report().refusing).toEqual(refusing);
  });

  it('takes no notice of the delay until it is over', () => {
    const { log } = noting();
    const shedder = new LoadShedder({ inFlight: 0 }, log);
    shedder.adopt({ ...NONE, loopDelayMs: 50 });
    shedder.warmUp(5_000);
    let now = 0;
    for (; now < 5_000; now += 500) shedder.tick(now);
    expect(shedder.report()).toMatchObject({ pressure: { loopDelay: 0 }, refusing: { background: 0 } });
    for (; now < 15_000; now += 500) shedder.tick(now);
    expect(shedder.report().pressure.loopDelay).toBe(9);
    expect(shedder.report().refusing.background).toBeGreaterThan(0);
  });
});
