import { describe, expect, it } from 'vitest';
import { TokenBucket } from '../../../src/services/limits/algorithms/token-bucket.ts';
import { Decision, NEVER } from '../../../src/services/limits/decision.ts';
import { open, plainSegment } from '../../shared/memory.ts';
import { chance, ReferenceBucket } from './reference.ts';

const [H1, H2] = [0x1234567, 0x89abcde];
const SECOND = 1_000;
const DAY = 86_400_000;

function bucketOf(count: number, periodMs: number, burst: number) {
  const segment = plainSegment();
  // Two processes: whichever is asked.
  const buckets = [1, 2].map(
    (worker) => new TokenBucket(open(segment, worker).table, count, periodMs, burst),
  );
  const d = new Decision();
  return {
    d,
    take: (now: number, cost = 1, by = 0) => buckets[by]?.take(d, 0, H1, H2, cost, now) as boolean,
    peek: (now: number, cost = 1) => buckets[0]?.peek(d, 0, H1, H2, cost, now) as boolean,
    refund: (now: number, cost = 1) => buckets[0]?.refund(d, 0, H1, cost, now),
  };
}

describe('a token bucket', () => {
  it('admits its burst at once, then its rate', () => {
    const { take } = bucketOf(10, SECOND, 5);
    const admitted = (now: number) => Array.from({ length: 20 }, () => take(now)).filter(Boolean).length;
    expect([1_000, 1_050, 1_100, 1_199, 1_200, 1_700, 60_000].map(admitted)).toEqual([5, 0, 1, 0, 1, 5, 5]);
  });

  it('says what is left, when it is full again and how long to wait', () => {
    const { take, d } = bucketOf(10, SECOND, 5);
    take(1_000, 3);
    expect([d.remaining[0], d.resetMs[0]]).toEqual([2, 300]);
    expect(take(1_000, 4)).toBe(false);
    expect([d.remaining[0], d.resetMs[0]]).toEqual([2, 300]);
    expect(d.retryAfterMs).toBeCloseTo(200, 3);
    expect(take(1_000 + d.retryAfterMs + 0.001, 4)).toBe(true);
  });

  it('never admits what costs more than its burst, and says so', () => {
    const { take, peek, d } = bucketOf(10, SECOND, 5);
    expect(take(1_000, 6)).toBe(false);
    expect(d.retryAfterMs).toBe(NEVER);
    expect(peek(1_000, 1e9)).toBe(false);
    expect(take(1_000, 5)).toBe(true);
  });

  it('admits what costs nothing, even when it is empty', () => {
    const { take } = bucketOf(1, SECOND, 1);
    expect([take(1_000), take(1_000, 0), take(1_000)]).toEqual([true, true, false]);
  });

  it('is as before when a request was taken back', () => {
    const { take, refund } = bucketOf(1, SECOND, 2);
    take(1_000);
    expect(take(1_000)).toBe(true);
    refund(1_000);
    expect([take(1_000), take(1_000)]).toEqual([true, false]);
  });

  it('counts nothing when it is only looked at', () => {
    const { take, peek, d } = bucketOf(1, SECOND, 2);
    for (let i = 0; i < 10; i++) expect(peek(1_000)).toBe(true);
    expect(d.remaining[0]).toBe(2);
    expect([take(1_000), take(1_000), peek(1_000)]).toEqual([true, true, false]);
  });

  it('is full after any time without requests, also where the time it keeps has come round', () => {
    // At 2^20 units for a token, 4,096 tokens are once around: 40.96 s at 100 per second.
    const round = 40_960;
    for (let turns = 0; turns < 40; turns++) {
      for (const part of [0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999]) {
        const { take } = bucketOf(100, SECOND, 10);
        for (let i = 0; i < 10; i++) take(1_000);
        const later = 1_000 + 1_000 + (turns + part) * round;
        for (let i = 0; i < 10; i++)
          expect({ turns, part, ok: take(later) }).toEqual({ turns, part, ok: true });
        expect(take(later)).toBe(false);
      }
    }
  });

  it('does not mind a process whose clock is some milliseconds behind', () => {
    const { take } = bucketOf(1_000, SECOND, 10);
    let admitted = 0;
    for (let now = 1_000; now < 2_000; now += 0.1) {
      admitted += Number(take(now, 1, 0)) + Number(take(now - 5, 1, 1));
    }
    expect(admitted).toBeGreaterThanOrEqual(1_000);
    expect(admitted).toBeLessThanOrEqual(1_010);
  });

  it.each([
    [1, DAY, 1],
    [5, 60_000, 5],
    [3, SECOND, 1],
    [100, SECOND, 200],
    [1_000_000, SECOND, 1_000_000],
    [10_000_000, SECOND, 10_000_000],
    [7, 3_600_000, 10_000],
    [1_000_000_000, DAY, 10_000_000],
  ])(
    'of %i per %i ms with a burst of %i keeps its rate for ten thousand tokens',
    (count, periodMs, burst) => {
      const { take } = bucketOf(count, periodMs, burst);
      const each = periodMs / count;
      expect(take(1_000, burst)).toBe(true);
      expect(take(1_000, 1)).toBe(false);
      // One token at a time, just after it has come and just before.
      const tokens = Math.min(10_000, 10_000_000 / each);
      for (let i = 1; i <= tokens; i++) {
        expect(take(1_000 + (i - 0.02) * each)).toBe(false);
        expect(take(1_000 + (i + 0.02) * each)).toBe(true);
      }
    },
  );

  it('agrees with a plain model under random schedules', () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = chance(seed);
      const count = Math.ceil(10 ** (random() * 5));
      const periodMs = [SECOND, 60_000, 3_600_000, DAY][Math.floor(random() * 4)] as number;
      const burst = Math.ceil(10 ** (random() * 4));
      const { take, d } = bucketOf(count, periodMs, burst);
      const model = new ReferenceBucket(count, periodMs, burst);
      let now = 1_000 * random();
      for (let i = 0; i < 300; i++) {
        const gap = random() < 0.02 ? 10 ** (3 + random() * 6) : (periodMs / count) * random() * 3;
        now += gap;
        const cost = random() < 0.1 ? Math.ceil(random() * burst) : 1;
        // On the very edge both answers are right: a thousandth of a token is less than either can tell.
        if (model.margin(cost, now) < 0.001) continue;
        const wanted = model.take(cost, now);
        expect({ seed, i, admitted: take(now, cost, i % 2) }).toEqual({ seed, i, admitted: wanted });
        expect(Math.abs((d.remaining[0] as number) - model.remaining(now))).toBeLessThan(1.001);
      }
    }
  });

  it('refuses figures beyond what it can count', () => {
    expect(() => bucketOf(1e9, SECOND, 1e9)).toThrow(RangeError);
  });
});
