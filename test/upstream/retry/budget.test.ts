/** Repetitions are a share of what is sent a first time, whatever happens; a few are always allowed. */
import { expect, it } from 'vitest';
import { Budget } from '../../../src/upstream/retry/budget.ts';

it('allows the share of the requests in its window, and no more', () => {
  const budget = new Budget({ share: 0.1, minimum: 0 });
  let taken = 0;
  for (let i = 0; i < 1_000; i++) {
    budget.request(i);
    if (budget.take(i)) taken++;
  }
  expect(taken).toBe(100);
});

it('allows nothing without requests and without a minimum', () => {
  expect(new Budget({ share: 1, minimum: 0 }).take(0)).toBe(false);
});

it('allows the minimum to a service that is asked rarely', () => {
  const budget = new Budget({ share: 0.1, minimum: 1 });
  let taken = 0;
  // Ten per window of ten seconds, though one request in ten would be a single one.
  for (let s = 0; s < 10; s++) {
    budget.request(s * 1_000);
    for (let i = 0; i < 3; i++) if (budget.take(s * 1_000)) taken++;
  }
  expect(taken).toBe(10);
});

it('forgets what is older than ten seconds, on both sides', () => {
  const budget = new Budget({ share: 0.5, minimum: 0 });
  for (let i = 0; i < 10; i++) budget.request(0);
  for (let i = 0; i < 5; i++) expect(budget.take(0)).toBe(true);
  expect(budget.take(9_999)).toBe(false);
  expect(budget.take(10_000)).toBe(false);
  budget.request(10_000);
  budget.request(10_000);
  expect(budget.take(10_000)).toBe(true);
  expect(budget.take(10_000)).toBe(false);
});

it('stays within the share over minutes, however the traffic comes and goes', () => {
  const budget = new Budget({ share: 0.1, minimum: 0 });
  let requests = 0;
  let taken = 0;
  for (let ms = 0; ms < 120_000; ms += 5) {
    const busy = Math.floor(ms / 7_000) % 2 === 0;
    for (let i = 0; i < (busy ? 4 : 1); i++) {
      budget.request(ms);
      requests++;
      if (budget.take(ms)) taken++;
    }
  }
  expect(taken / requests).toBeLessThanOrEqual(0.11);
  expect(taken / requests).toBeGreaterThan(0.08);
});

it('takes back what was not needed', () => {
  const budget = new Budget({ share: 1, minimum: 0 });
  budget.request(0);
  expect(budget.take(0)).toBe(true);
  budget.giveBack();
  expect(budget.take(0)).toBe(true);
});

it('is empty after a long pause, and works on', () => {
  const budget = new Budget({ share: 0.1, minimum: 0 });
  for (let i = 0; i < 100; i++) budget.request(0);
  expect(budget.take(3_600_000)).toBe(false);
  for (let i = 0; i < 10; i++) budget.request(3_600_000);
  expect(budget.take(3_600_000)).toBe(true);
});
