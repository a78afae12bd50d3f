import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadlines, type Timed } from '../../src/upstream/deadlines.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] }));
afterEach(() => void vi.useRealTimers());

/** Notes when it expired. */
function timed(deadlines: Deadlines, ms: number, then = () => {}): Timed & { expiredAt: number[] } {
  const one = {
    dueAt: performance.now() + ms,
    slot: -1,
    expiredAt: [] as number[],
    expire() {
      one.expiredAt.push(performance.now());
      deadlines.remove(one);
      then();
    },
  };
  deadlines.add(one, performance.now());
  return one;
}

describe('a deadline', () => {
  it('expires once, no earlier than due and at most one tick later', () => {
    const deadlines = new Deadlines();
    const startedAt = performance.now();
    const all = [0, 1, 19, 20, 21, 100, 250, 1000].map((ms) => ({ ms, one: timed(deadlines, ms) }));
    vi.advanceTimersByTime(2000);
    for (const { ms, one } of all) {
      expect(one.expiredAt).toHaveLength(1);
      const late = one.expiredAt[0] - startedAt - ms;
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThanOrEqual(20);
    }
  });

  it('does not expire when it was removed', () => {
    const deadlines = new Deadlines();
    const removed = timed(deadlines, 100);
    const kept = timed(deadlines, 100);
    deadlines.remove(removed);
    deadlines.remove(removed);
    vi.advanceTimersByTime(1000);
    expect(removed.expiredAt).toEqual([]);
    expect(kept.expiredAt).toHaveLength(1);
  });

  it('follows when it is moved', () => {
    const deadlines = new Deadlines();
    const one = timed(deadlines, 100);
    vi.advanceTimersByTime(80);
    one.dueAt = performance.now() + 500;
    vi.advanceTimersByTime(400);
    expect(one.expiredAt).toEqual([]);
    vi.advanceTimersByTime(200);
    expect(one.expiredAt).toHaveLength(1);
  });

  it('at infinity never comes', () => {
    const deadlines = new Deadlines();
    const one = timed(deadlines, Number.POSITIVE_INFINITY);
    vi.advanceTimersByTime(60_000);
    expect(one.expiredAt).toEqual([]);
  });

  it('may remove and add others when it expires', () => {
    const deadlines = new Deadlines();
    const later = timed(deadlines, 200);
    let added: ReturnType<typeof timed> | undefined;
    timed(deadlines, 100, () => {
      deadlines.remove(later);
      added = timed(deadlines, 50);
    });
    const other = timed(deadlines, 100);
    vi.advanceTimersByTime(1000);
    expect(later.expiredAt).toEqual([]);
    expect(added?.expiredAt).toHaveLength(1);
    expect(other.expiredAt).toHaveLength(1);
  });
});

describe('the clock', () => {
  it('runs only while somebody is timed, and shortly after', () => {
    const deadlines = new Deadlines();
    expect(vi.getTimerCount()).toBe(0);
    const one = timed(deadlines, 10_000);
    expect(vi.getTimerCount()).toBe(1);
    deadlines.remove(one);
    vi.advanceTimersByTime(5000);
    expect(vi.getTimerCount()).toBe(0);
    const again = timed(deadlines, 100);
    vi.advanceTimersByTime(200);
    expect(again.expiredAt).toHaveLength(1);
  });

  it('is one for all, and at most a tick behind', () => {
    const deadlines = new Deadlines();
    for (let i = 0; i < 1000; i++) timed(deadlines, 60_000);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(510);
    expect(performance.now() - deadlines.now).toBeLessThanOrEqual(20);
  });
});

it('keeps its books when many come and go', () => {
  const deadlines = new Deadlines();
  const live = new Set<ReturnType<typeof timed>>();
  const dead: ReturnType<typeof timed>[] = [];
  for (let i = 0; i < 2000; i++) {
    live.add(timed(deadlines, 100));
    // Takes out one here and there, in no order.
    const [victim] = [...live].slice((i * 7919) % live.size);
    if (i % 3 !== 0) continue;
    deadlines.remove(victim);
    live.delete(victim);
    dead.push(victim);
  }
  vi.advanceTimersByTime(500);
  for (const one of live) expect(one.expiredAt).toHaveLength(1);
  for (const one of dead) expect(one.expiredAt).toEqual([]);
});
