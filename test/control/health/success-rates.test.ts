import { expect, it } from 'vitest';
import { SuccessRates } from '../../../src/control/health/success-rates.ts';

const OPTIONS = { interval: 10_000, minimumCalls: 100, minimumEndpoints: 3, deviations: 1.5 };

function setUp() {
  const clock = { now: 0 };
  const rates = new SuccessRates(() => clock.now);
  const totals = new Map<number, { calls: number; failures: number }>();
  /** What happened in one interval: calls and failures by slot. */
  const interval = (happened: [calls: number, failures: number][]) => {
    clock.now += 10_000;
    for (const [slot, [calls, failures]] of happened.entries()) {
      const before = totals.get(slot) ?? { calls: 0, failures: 0 };
      totals.set(slot, { calls: before.calls + calls, failures: before.failures + failures });
    }
    return rates.outliers(
      [...totals].map(([slot, counted]) => ({ slot, ...counted })),
      OPTIONS,
    );
  };
  interval([
    [0, 0],
    [0, 0],
    [0, 0],
    [0, 0],
    [0, 0],
  ]);
  return { rates, interval, clock };
}

it('finds the endpoint that fails far more often than the others', () => {
  const { interval } = setUp();
  expect(
    interval([
      [200, 2],
      [200, 0],
      [200, 3],
      [200, 1],
      [200, 60],
    ]),
  ).toEqual([4]);
});

it('finds none when all fail alike, or none does', () => {
  const { interval } = setUp();
  expect(
    interval([
      [200, 100],
      [200, 100],
      [200, 100],
      [200, 100],
      [200, 100],
    ]),
  ).toEqual([]);
  expect(
    interval([
      [200, 0],
      [200, 0],
      [200, 0],
      [200, 0],
      [200, 0],
    ]),
  ).toEqual([]);
});

it('compares none that had too few requests, nor too few endpoints', () => {
  const { interval } = setUp();
  expect(
    interval([
      [200, 2],
      [200, 0],
      [200, 3],
      [200, 1],
      [99, 99],
    ]),
  ).toEqual([]);
  expect(
    interval([
      [200, 200],
      [200, 0],
      [0, 0],
      [0, 0],
      [0, 0],
    ]),
  ).toEqual([]);
});

it('looks at what happened in the interval alone, and once', () => {
  const { interval, rates, clock } = setUp();
  expect(
    interval([
      [200, 0],
      [200, 0],
      [200, 0],
      [200, 0],
      [200, 100],
    ]),
  ).toEqual([4]);
  expect(
    interval([
      [200, 0],
      [200, 0],
      [200, 0],
      [200, 0],
      [200, 0],
    ]),
  ).toEqual([]);
  clock.now += 5_000;
  expect(rates.outliers([], OPTIONS)).toEqual([]);
});
