/** How long messages are in the gateway. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HopClock, TIMED_OF } from '../../../src/websocket/owners/hop-clock.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setImmediate', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function next(clock: HopClock): boolean {
  for (let i = 1; i < TIMED_OF; i++) expect(clock.due()).toBe(false);
  return clock.due();
}

describe('a clock of hops', () => {
  it('times one message in so many, at once when the peer has taken it', () => {
    const clock = new HopClock();
    expect(next(clock)).toBe(true);
    const since = performance.now();
    vi.advanceTimersByTime(2);
    clock.time(since, { waiting: 0 });
    expect(clock.take()).toEqual({ times: Uint32Array.of(2000, 1), sumMs: 2 });
    expect(clock.take()).toEqual({ times: Uint32Array.of(), sumMs: 0 });
  });

  it('follows one that waits for a slow peer, and no other meanwhile', () => {
    const clock = new HopClock();
    const peer = { waiting: 100 };
    next(clock);
    clock.time(performance.now(), peer);
    vi.advanceTimersByTime(500);
    expect(next(clock)).toBe(false);
    expect(clock.take().times).toHaveLength(0);
    peer.waiting = 0;
    vi.advanceTimersByTime(20);
    const { sumMs } = clock.take();
    expect(sumMs).toBeGreaterThanOrEqual(500);
    expect(sumMs).toBeLessThanOrEqual(520);
    expect(next(clock)).toBe(true);
  });

  it('gives up on a peer that takes nothing', () => {
    const clock = new HopClock();
    next(clock);
    clock.time(performance.now(), { waiting: 1 });
    vi.advanceTimersByTime(20_000);
    expect(clock.take().sumMs).toBeLessThan(10_100);
    expect(next(clock)).toBe(true);
  });
});
