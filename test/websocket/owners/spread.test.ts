/** Doing something to many, evenly over a time. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LONGEST_REASON, withRetryHint } from '../../../src/websocket/owners/retry-hint.ts';
import { spread } from '../../../src/websocket/owners/spread.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function timesOf(count: number, windowMs: number): number[] {
  const startedAt = performance.now();
  const times: number[] = [];
  const seen = new Set<number>();
  const all = Array.from({ length: count }, (_, i) => i);
  spread(all, windowMs, (one) => {
    seen.add(one);
    times.push(performance.now() - startedAt);
  });
  vi.advanceTimersByTime(windowMs + 100);
  expect(seen.size).toBe(count);
  return times;
}

describe('what is spread', () => {
  it.each([
    [1000, 2000],
    [30, 1500],
    [5, 250],
  ])('%i over %i ms: each share of the time has its share of them', (count, windowMs) => {
    const times = timesOf(count, windowMs);
    for (let quarter = 1; quarter <= 4; quarter++) {
      const until = times.filter((time) => time <= (quarter * windowMs) / 4 + 20).length;
      expect(until).toBeGreaterThanOrEqual(Math.floor((quarter * count) / 4) - 1);
      expect(until).toBeLessThanOrEqual(Math.ceil((quarter * count) / 4 + (20 * count) / windowMs) + 1);
    }
  });

  it('takes no more than 50 ms for each: few do not wait for long', () => {
    const times = timesOf(10, 15_000);
    expect(Math.max(...times)).toBeLessThanOrEqual(520);
    expect(Math.max(...times)).toBeGreaterThan(400);
  });

  it('is in no order', () => {
    const order: number[] = [];
    spread(
      Array.from({ length: 100 }, (_, i) => i),
      100,
      (one) => order.push(one),
    );
    vi.advanceTimersByTime(200);
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
  });

  it('is done at once when there is no time', () => {
    let done = 0;
    spread([1, 2, 3], 0, () => done++);
    expect(done).toBe(3);
  });
});

describe('the hint when to come back', () => {
  it('differs, is a moment from 0.5 to 5 seconds, and fits into a close frame', () => {
    const hints = Array.from({ length: 50 }, () => withRetryHint('the gateway restarts: connect again'));
    expect(new Set(hints).size).toBeGreaterThan(10);
    for (const hint of hints) {
      const seconds = Number(/; retry-after=(\d\.\d)$/.exec(hint)?.[1]);
      expect(seconds).toBeGreaterThanOrEqual(0.5);
      expect(seconds).toBeLessThanOrEqual(5);
      expect(hint.length).toBeLessThanOrEqual(LONGEST_REASON);
    }
  });
});
