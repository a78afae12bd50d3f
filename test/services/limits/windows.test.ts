import { describe, expect, it } from 'vitest';
import { CalendarPeriod } from '../../../src/services/limits/algorithms/calendar.ts';
import { Quota } from '../../../src/services/limits/algorithms/quota.ts';
import { SlidingWindow } from '../../../src/services/limits/algorithms/sliding-window.ts';
import { Decision, NEVER } from '../../../src/services/limits/decision.ts';
import { dumpQuotas, restoreQuotas } from '../../../src/services/limits/quota-dump.ts';
import { open, plainSegment, SMALL } from '../../shared/memory.ts';
import { chance, ReferenceWindow } from './reference.ts';

const [H1, H2] = [0x7654321, -0x1abcde];
const DAY = 86_400_000;

function windowOf(count: number, windowMs: number) {
  const segment = plainSegment();
  const windows = [1, 2].map((worker) => new SlidingWindow(open(segment, worker).table, count, windowMs));
  const d = new Decision();
  return {
    d,
    take: (now: number, cost = 1, by = 0) => windows[by]?.take(d, 0, H1, H2, cost, now) as boolean,
    peek: (now: number, cost = 1) => windows[0]?.peek(d, 0, H1, H2, cost, now) as boolean,
    refund: (now: number, cost = 1) => windows[0]?.refund(d, 0, H1, cost, now),
  };
}

describe('a sliding window', () => {
  it('admits its number in a window, and counts the part of the one before that it still covers', () => {
    const { take } = windowOf(10, 1_000);
    const admitted = (now: number) => Array.from({ length: 20 }, () => take(now)).filter(Boolean).length;
    expect([5_000, 5_999, 6_000, 6_100, 6_500, 6_999, 9_000].map(admitted)).toEqual([10, 0, 0, 1, 4, 4, 10]);
  });

  it('says what is left and how long to wait, and that is true', () => {
    const { take, d } = windowOf(10, 1_000);
    take(5_500, 10);
    expect([d.remaining[0], d.resetMs[0]]).toEqual([0, 1_500]);
    expect(take(5_600, 5)).toBe(false);
    const wait = d.retryAfterMs;
    expect(wait).toBeCloseTo(900, 6);
    expect(take(5_600 + wait - 1, 5)).toBe(false);
    expect(take(5_600 + wait + 0.001, 5)).toBe(true);
    expect(take(5_600, 11)).toBe(false);
    expect(d.retryAfterMs).toBe(NEVER);
  });

  it('is as before when a request was taken back, and counts nothing when looked at', () => {
    const { take, refund, peek } = windowOf(3, 1_000);
    take(5_000);
    take(5_000, 2);
    refund(5_000, 2);
    expect([peek(5_000, 2), peek(5_000, 2), take(5_000, 2), peek(5_000)]).toEqual([true, true, true, false]);
  });

  it('agrees with a plain model under random schedules', () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = chance(seed);
      const count = Math.ceil(10 ** (random() * 3));
      const windowMs = [1_000, 60_000, 3_600_000, DAY][Math.floor(random() * 4)] as number;
      const { take } = windowOf(count, windowMs);
      const model = new ReferenceWindow(count, windowMs);
      let now = 1_000 * random();
      for (let i = 0; i < 300; i++) {
        now += random() < 0.02 ? windowMs * random() * 20 : (windowMs / count) * random() * 2;
        const cost = random() < 0.1 ? Math.ceil((random() * count) / 3) : 1;
        const wanted = model.take(cost, now);
        expect({ seed, i, admitted: take(now, cost, i % 2) }).toEqual({ seed, i, admitted: wanted });
      }
    }
  });
});

describe('a quota', () => {
  /** A machine's clock at 0, and a calendar that can be set. */
  function quotaOf(most: number, per: 'day' | 'week' | 'month', wall: number) {
    const segment = plainSegment(SMALL, wall);
    const memory = open(segment);
    let jump = 0;
    const calendar = (now: number) => memory.clock.calendar(now) + jump;
    const quota = new Quota(memory.table, most, per, calendar);
    const d = new Decision();
    return {
      d,
      memory,
      take: (now: number, cost = 1) => quota.take(d, 0, H1, H2, cost, now),
      refund: (now: number, cost = 1) => quota.refund(d, 0, H1, cost, now),
      set: (ms: number) => {
        jump = ms;
      },
    };
  }

  const NOON = Date.UTC(2026, 4, 17, 12);

  it('begins anew with the day, in UTC', () => {
    const { take, d } = quotaOf(3, 'day', NOON);
    expect([take(0), take(0, 2), take(0)]).toEqual([true, true, false]);
    expect([d.remaining[0], d.resetMs[0], d.retryAfterMs]).toEqual([0, DAY / 2, DAY / 2]);
    expect(take(DAY / 2 - 1)).toBe(false);
    expect(take(DAY / 2)).toBe(true);
    expect(d.remaining[0]).toBe(2);
  });

  it.each([
    ['day', '2026-05-17T00:00Z', '2026-05-18T00:00Z'],
    ['week', '2026-05-11T00:00Z', '2026-05-18T00:00Z'],
    ['month', '2026-05-01T00:00Z', '2026-06-01T00:00Z'],
  ] as const)('has a %s from %s to %s', (per, start, end) => {
    const period = new CalendarPeriod(per);
    period.locate(NOON);
    expect([period.start, period.end]).toEqual([Date.parse(start), Date.parse(end)]);
    const { index } = period;
    period.locate(period.end - 1);
    expect(period.index).toBe(index);
    period.locate(period.end);
    expect([period.index, period.start]).toEqual([index + 1, Date.parse(end)]);
  });

  it('gives back what was taken back', () => {
    const { take, refund } = quotaOf(3, 'month', NOON);
    take(0, 3);
    refund(0, 3);
    expect([take(0, 3), take(0)]).toEqual([true, false]);
  });

  it('counts to billions', () => {
    const { take, d } = quotaOf(4_000_000_000, 'month', NOON);
    for (let i = 0; i < 3_999; i++) expect(take(0, 1_000_000)).toBe(true);
    expect(d.remaining[0]).toBe(1_000_000);
    expect([take(0, 1_000_001), take(0, 1_000_000), take(0)]).toEqual([false, true, false]);
  });

  it('goes on over a calendar that steps back a little at midnight', () => {
    const { take, set } = quotaOf(2, 'day', NOON);
    take(DAY / 2);
    set(-90);
    expect([take(DAY / 2), take(DAY / 2)]).toEqual([true, false]);
  });

  it('is the same after a restart: its counts are dumped and put back under the seed they were made with', () => {
    const before = quotaOf(10, 'month', NOON);
    before.take(0, 7);
    const dump = dumpQuotas(before.memory, 1_000);
    expect(dump.entries).toMatchObject([{ h2: expect.any(Number), count: 7 }]);

    const after = quotaOf(10, 'month', NOON + 3_600_000);
    expect(restoreQuotas(after.memory, dump, 0)).toBe(1);
    expect([after.take(0, 4), after.take(0, 3), after.take(0)]).toEqual([false, true, false]);
    expect(open(plainSegment()).table.seeds().durable).not.toEqual(dump.seed);
    expect(after.memory.table.seeds().durable).toEqual(dump.seed);

    const late = quotaOf(10, 'month', NOON + 40 * DAY);
    expect(restoreQuotas(late.memory, dump, 0)).toBe(0);
  });

  it('is never evicted', () => {
    const segment = plainSegment(SMALL, NOON);
    const memory = open(segment, 1, 'evict-oldest');
    const quota = new Quota(memory.table, 1, 'day', (now) => memory.clock.calendar(now));
    const d = new Decision();
    const taken: number[] = [];
    for (let i = 0; i < 2_000; i++) {
      d.begin(1);
      if (quota.take(d, 0, Math.imul(i, 0x9e3779b1), Math.imul(i, 0x85ebca77), 1, 0)) taken.push(i);
    }
    expect(taken.length).toBeLessThan(2_000);
    for (const i of taken) {
      expect(quota.take(d, 0, Math.imul(i, 0x9e3779b1), Math.imul(i, 0x85ebca77), 1, 0)).toBe(false);
    }
    expect(memory.table.counts().evicted).toBe(0);
  });
});
