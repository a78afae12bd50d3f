/** The algorithm by which machines share a limit, with a clock of the test's: what it promises, in figures. */
import { describe, expect, it } from 'vitest';
import { chance } from '../../services/limits/reference.ts';
import { ModelMachine, ModelRedis } from './machines.ts';

interface Scene {
  count: number;
  burst?: number;
  /** Requests per second that each machine gets. */
  demand: readonly number[];
  seconds: number;
  /** From when to when Redis is away, and whether it loses its data. */
  away?: readonly [from: number, to: number];
  loses?: boolean;
  seed?: number;
}

/** What was admitted in each millisecond, by machine. */
function play({ count, burst = count, demand, seconds, away, loses, seed = 1 }: Scene) {
  const random = chance(seed);
  const redis = new ModelRedis();
  const figures = { count, periodMs: 1000, burst };
  const machines = demand.map((_, n) => new ModelMachine(n, figures, demand.length, random));
  const next = demand.map((perSecond) => (random() * 1000) / perSecond);
  const phases = demand.map(() => Math.floor(random() * 10));
  const total = new Float64Array(seconds * 1000 + 1);
  const start = 60_000;
  for (let ms = 0; ms < seconds * 1000; ms++) {
    const isAway = away !== undefined && ms >= away[0] * 1000 && ms < away[1] * 1000;
    if (isAway && loses) redis.lose();
    for (const [n, machine] of machines.entries()) {
      if ((ms + phases[n]!) % 10 === 0) machine.tick(isAway ? null : redis, start + ms);
      while (next[n]! < ms + 1) {
        machine.ask(start + next[n]!);
        // Poisson: chance is harder than a metronome.
        next[n]! += (-Math.log(1 - random()) * 1000) / demand[n]!;
      }
    }
    total[ms + 1] = machines.reduce((sum, { admitted }) => sum + admitted, 0);
  }
  const between = (from: number, to: number) => total[to * 1000]! - total[from * 1000]!;
  return { admitted: machines.map(({ admitted }) => admitted), between, rounds: redis.rounds, machines };
}

const UNEQUAL = [1000, 500, 300, 150, 50];

describe('a limit of 1,000/s on five machines', () => {
  it('admits within 1 % more and 2 % less than its rate, whatever machine the requests come to', () => {
    for (const [seed, demand] of [UNEQUAL, [400, 400, 400, 400, 400], [3000, 10, 10, 10, 10]].entries()) {
      const { between, rounds } = play({ count: 1000, demand, seconds: 20, seed });
      const asked = demand.reduce((a, b) => a + b) * 20;
      const allowed = 1000 + 20 * 1000;
      expect(between(0, 20)).toBeLessThanOrEqual(allowed * 1.01);
      expect(between(5, 20)).toBeGreaterThan(15_000 * 0.98);
      expect(between(5, 20)).toBeLessThan(15_000 * 1.01);
      expect(rounds / asked).toBeLessThan(0.05);
    }
  });

  it('admits all that is asked for, as long as that is less', () => {
    const demand = [500, 200, 100, 50, 20];
    const { between, machines } = play({ count: 1000, demand, seconds: 20 });
    const refused = machines.reduce((sum, machine) => sum + machine.refused, 0);
    expect(refused / (between(0, 20) + refused)).toBeLessThan(0.02);
  });

  it('is shared in proportion to what the machines want', () => {
    const { admitted } = play({ count: 1000, demand: UNEQUAL, seconds: 20 });
    expect(admitted[0]! / admitted[2]!).toBeGreaterThan(2);
    expect(admitted[4]!).toBeGreaterThan(300);
  });
});

describe('a limit of 3/s on five machines', () => {
  it('admits between 2.5 and 3.3 in a second over 30 seconds, if enough come', () => {
    for (let seed = 1; seed <= 10; seed++) {
      for (const demand of [
        [1, 1, 1, 1, 1],
        [2, 2, 2, 2, 2],
        [5, 5, 5, 5, 5],
        [20, 5, 2, 1, 0.5],
        [500, 500, 500, 500, 500],
        [50, 0.1, 0.1, 0.1, 0.1],
      ]) {
        const { between } = play({ count: 3, demand, seconds: 30, seed });
        expect([demand, between(0, 30) / 30 >= 2.5, between(0, 30) / 30 <= 3.3]).toEqual([
          demand,
          true,
          true,
        ]);
      }
    }
  });

  it('refuses hardly anybody, if few come', () => {
    const { between, machines } = play({ count: 3, demand: [0.3, 0.3, 0.2, 0.2, 0.1], seconds: 300 });
    const refused = machines.reduce((sum, machine) => sum + machine.refused, 0);
    expect(refused / (between(0, 300) + refused)).toBeLessThan(0.1);
  });
});

describe('while Redis is away', () => {
  const scene = { count: 1000, demand: UNEQUAL, seconds: 25, away: [5, 15] as const };

  it.each([{ loses: false }, { loses: true }])(
    'machines admit their shares, and when it is back there is no burst: %o',
    ({ loses }) => {
      for (let seed = 1; seed <= 3; seed++) {
        const { between } = play({ ...scene, loses, seed });
        // The shares of machines that want less than theirs are nobody's: 200 + 200 + 200 + 150 + 50 in a second.
        expect(between(6, 15) / 9).toBeGreaterThan(780);
        expect(between(5, 15)).toBeLessThanOrEqual(10 * 1000 * 1.2);
        expect(between(15, 16)).toBeLessThanOrEqual(1000 * 1.1);
        expect(between(15, 25)).toBeLessThanOrEqual(10_000 * 1.02);
        expect(between(16, 25)).toBeGreaterThan(9_000 * 0.97);
      }
    },
  );

  it('a low limit is neither lost nor without one', () => {
    const { between } = play({ count: 3, demand: [5, 5, 5, 5, 5], seconds: 60, away: [10, 50], seed: 4 });
    expect(between(10, 50)).toBeLessThanOrEqual(40 * 3 * 1.2);
    expect(between(10, 50)).toBeGreaterThan(40 * 3 * 0.8);
    expect(between(50, 60)).toBeLessThanOrEqual(10 * 3 * 1.2);
  });
});

describe('whoever waits until a machine has forgotten him', () => {
  it.each([
    ['alone', true],
    ['with Redis', false],
  ])('gets no more than the limit: %s', (_, isAway) => {
    const redis = new ModelRedis();
    // So slow that the slot would be forgotten long before it is full.
    const figures = { count: 60, periodMs: 60_000, burst: 50 };
    const machine = new ModelMachine(0, figures, 5, chance(5));
    for (let ms = 0; ms < 300_000; ms += 10) {
      machine.tick(isAway ? null : redis, 60_000 + ms);
      if (ms % 5_000 < 600) for (let i = 0; i < 3; i++) machine.ask(60_000 + ms);
    }
    const [rate, burst] = isAway ? [1 / 5, 10] : [1, 50];
    expect(machine.admitted).toBeLessThanOrEqual(300 * rate + burst + 2);
    expect(machine.admitted).toBeGreaterThan(300 * rate * 0.8);
  });
});

describe('whoever wanders from machine to machine', () => {
  it('gets no more than the limit, and once what the machines may use before they have asked', () => {
    const random = chance(3);
    const redis = new ModelRedis();
    const figures = { count: 10, periodMs: 1000, burst: 10 };
    const machines = Array.from({ length: 5 }, (_, n) => new ModelMachine(n, figures, 5, random));
    let admitted = 0;
    for (let ms = 0; ms < 120_000; ms++) {
      for (const machine of machines) if (ms % 10 === 0) machine.tick(redis, 60_000 + ms);
      // All that one machine gives, then the next one, which has not heard of the key for a while.
      const turn = machines[Math.floor(ms / 700) % 5]!;
      if (ms % 10 === 5 && turn.ask(60_000 + ms)) admitted++;
    }
    expect(admitted).toBeLessThanOrEqual(120 * 10 + 10 + 5 * 2);
    expect(admitted).toBeGreaterThan(120 * 10 * 0.75);
  });

  it('finds all of a burst that nobody has used, on one machine, after a moment', () => {
    const redis = new ModelRedis();
    const figures = { count: 100, periodMs: 1000, burst: 200 };
    const machines = Array.from({ length: 5 }, (_, n) => new ModelMachine(n, figures, 5, Math.random));
    for (let ms = 0; ms < 500; ms++) {
      for (const machine of machines) if (ms % 10 === 0) machine.tick(redis, 60_000 + ms);
      machines[0]!.ask(60_000 + ms);
    }
    expect(machines[0]!.admitted).toBeGreaterThan(200);
  });
});
