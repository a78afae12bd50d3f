import { expect, test } from 'vitest';
import { BackOff } from '../../src/control/back-off.ts';

test('the first death is forgiven, then the wait doubles up to ten seconds', () => {
  const backOff = new BackOff(() => 0);
  const waits = Array.from({ length: 10 }, () => backOff.next(50));
  expect(waits).toEqual([0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
});

test('one that lived ten seconds begins anew', () => {
  const backOff = new BackOff(() => 0);
  for (let i = 0; i < 5; i++) backOff.next(50);
  expect(backOff.next(10_000)).toBe(0);
  expect(backOff.next(50)).toBe(100);
});

test('chance takes off a fifth at most', () => {
  const backOff = new BackOff(() => 1);
  backOff.next(50);
  expect(backOff.next(50)).toBe(80);
});
