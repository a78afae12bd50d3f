/** The limit is tried against services that exist as a formula: so many at once in time, more take longer. */
import { describe, expect, it } from 'vitest';
import { Gradient } from '../../../src/upstream/bulkhead/gradient.ts';

const OPTIONS = { min: 4, max: 1_000, tolerance: 1.5 };

/**
 * Uses the limit fully for so many milliseconds, from `now` on. A service with `capacity` answers that many in `baseMs`; what
 * is beyond waits its turn (Little's law). Gives the time at the end.
 */
function run(
  gradient: Gradient,
  service: { capacity: number; baseMs: number },
  ms: number,
  now: number,
): number {
  const end = now + ms;
  while (now < end) {
    const inFlight = gradient.limit;
    const latency = service.baseMs * Math.max(1, inFlight / service.capacity);
    // All that are in flight are answered, one after the other, within one latency.
    for (let i = 0; i < inFlight; i++) gradient.sample(latency, inFlight, now + (latency * i) / inFlight);
    now += latency;
  }
  return now;
}

describe('a limit that follows latency', () => {
  it.each([
    { capacity: 8, baseMs: 20 },
    { capacity: 50, baseMs: 20 },
    { capacity: 300, baseMs: 5 },
  ])('settles where the service begins to queue: $capacity at once', (service) => {
    const gradient = new Gradient(OPTIONS);
    run(gradient, service, 60_000, 0);
    expect(gradient.limit).toBeGreaterThanOrEqual(service.capacity * 0.8);
    expect(gradient.limit).toBeLessThanOrEqual(service.capacity * 2.5);
  });

  it('shrinks within two seconds when the service slows down to a tenth, and grows back when it recovers', () => {
    const gradient = new Gradient(OPTIONS);
    let now = run(gradient, { capacity: 100, baseMs: 20 }, 60_000, 0);
    const before = gradient.limit;
    now = run(gradient, { capacity: 10, baseMs: 200 }, 5_000, now);
    expect(gradient.limit).toBeLessThan(before / 4);
    run(gradient, { capacity: 100, baseMs: 20 }, 30_000, now);
    expect(gradient.limit).toBeGreaterThan(before * 0.7);
  });

  it('does not take long overload for normal', () => {
    const gradient = new Gradient(OPTIONS);
    let now = run(gradient, { capacity: 100, baseMs: 20 }, 30_000, 0);
    now = run(gradient, { capacity: 5, baseMs: 400 }, 300_000, now);
    expect(gradient.limit).toBeLessThanOrEqual(50);
    run(gradient, { capacity: 100, baseMs: 20 }, 60_000, now);
    expect(gradient.limit).toBeGreaterThan(70);
  });

  it('does not grow while nobody uses it', () => {
    const gradient = new Gradient(OPTIONS);
    for (let ms = 0; ms < 60_000; ms += 10) gradient.sample(20, 1, ms);
    expect(gradient.limit).toBe(4);
  });

  it('stays between its bounds', () => {
    const low = new Gradient({ min: 4, max: 30, tolerance: 1.5 });
    run(low, { capacity: 1_000, baseMs: 10 }, 60_000, 0);
    expect(low.limit).toBe(30);
    const high = new Gradient({ min: 12, max: 100, tolerance: 1 });
    const now = run(high, { capacity: 100, baseMs: 10 }, 10_000, 0);
    run(high, { capacity: 1, baseMs: 10 }, 20_000, now);
    expect(high.limit).toBe(12);
  });

  it('takes new bounds at once', () => {
    const gradient = new Gradient(OPTIONS);
    gradient.options = { min: 1, max: 3, tolerance: 1.5 };
    expect(gradient.limit).toBe(3);
    gradient.options = { min: 40, max: 90, tolerance: 1.5 };
    expect(gradient.limit).toBe(40);
  });

  it('believes after an hour that a service has become slower for good', () => {
    const gradient = new Gradient(OPTIONS);
    const now = run(gradient, { capacity: 50, baseMs: 20 }, 60_000, 0);
    run(gradient, { capacity: 50, baseMs: 60 }, 3_600_000, now);
    expect(gradient.limit).toBeGreaterThan(40);
  });

  it('believes it sooner when there is little to do', () => {
    const gradient = new Gradient(OPTIONS);
    let now = run(gradient, { capacity: 50, baseMs: 20 }, 60_000, 0);
    for (const end = now + 120_000; now < end; now += 5) gradient.sample(60, 1, now);
    run(gradient, { capacity: 50, baseMs: 60 }, 20_000, now);
    expect(gradient.limit).toBeGreaterThan(40);
  });

  it('grows to what a large service can do within three seconds', () => {
    const gradient = new Gradient(OPTIONS);
    run(gradient, { capacity: 300, baseMs: 10 }, 3_000, 0);
    expect(gradient.limit).toBeGreaterThan(250);
  });

  it('needs a handful of answers for a step, however long they take', () => {
    const gradient = new Gradient(OPTIONS);
    for (let i = 0; i < 9; i++) expect(gradient.sample(10, 20, i * 1_000)).toBe(false);
    expect(gradient.sample(10, 20, 9_000)).toBe(true);
  });
});
