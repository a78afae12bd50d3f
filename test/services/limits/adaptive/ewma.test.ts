/** The built-in scorer, window by window: no clock, and chance that repeats itself. */
import { describe, expect, it } from 'vitest';
import { createEwma } from '../../../../src/services/limits/adaptive/ewma.ts';
import {
  type Opinion,
  type ScorerOptions,
  SIGNALS,
} from '../../../../src/services/limits/adaptive/scorer.ts';
import { PAST_NUMBERS } from '../../../../src/shared/profile-table.ts';

const USUAL: ScorerOptions = { sensitivity: 4, learn: 600, minimum: 5, signals: SIGNALS };
const HOUR = 3_600;

/** Numbers from 0 to 1, the same ones each time (mulberry32). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How many come in a second when so many come on average (Poisson). */
function arrivals(mean: number, random: () => number): number {
  let left = mean;
  let count = 0;
  for (;;) {
    left += Math.log(random() || 1e-12);
    if (left <= 0) return count;
    count++;
  }
}

/** One key. Windows without a request are told with the next one, as they are in the gateway. */
function key(options: Partial<ScorerOptions> = {}) {
  const scorer = createEwma({ ...USUAL, ...options });
  const past = new Float32Array(PAST_NUMBERS);
  const opinion: Opinion = { signal: null, score: 0, now: 0, usual: 0, deviation: 0, threshold: 0 };
  let open: { requests: number; errors: number; idle: number } | null = null;
  return {
    past,
    opinion,
    /** One second. The opinion is of the one before. */
    second(requests: number, errors = 0) {
      if (requests === 0) {
        if (open !== null) open.idle++;
        return opinion.signal;
      }
      if (open !== null) scorer.judge(past, open, opinion);
      open = { requests, errors, idle: 0 };
      return opinion.signal;
    },
  };
}

/** In which seconds it was found to be far off. */
function offIn(one: ReturnType<typeof key>, seconds: number, requests: (second: number) => number): number[] {
  const off: number[] = [];
  for (let s = 0; s < seconds; s++) if (one.second(requests(s)) !== null) off.push(s);
  return off;
}

describe('a key that stays as it is', () => {
  it.each([2, 10, 100, 1_000])(
    'is never found off: %i requests per second, by chance, for three hours',
    (mean) => {
      const random = chance(mean);
      expect(offIn(key(), 3 * HOUR, () => arrivals(mean, random))).toEqual([]);
    },
  );

  it('is never found off when it comes in bursts', () => {
    const random = chance(7);
    expect(offIn(key(), 3 * HOUR, (s) => (s % 10 === 0 ? arrivals(60, random) : 0))).toEqual([]);
  });

  it('may double', () => {
    const one = key();
    expect(offIn(one, HOUR, (s) => (s < 1_800 ? 20 : 40))).toEqual([]);
  });
});

describe('a key that changes with the day', () => {
  it('from 10 to 100 per second and back is never found off, three days long', () => {
    const random = chance(3);
    const rate = (s: number) => 55 - 45 * Math.cos((2 * Math.PI * s) / (24 * HOUR));
    const one = key();
    expect(offIn(one, 3 * 24 * HOUR, (s) => arrivals(rate(s), random))).toEqual([]);
    expect(one.past[3]).toBeLessThan(15); // it is night: the mean has followed
  });

  it('comes back after a night away as it left', () => {
    const random = chance(5);
    const one = key();
    offIn(one, HOUR, () => arrivals(20, random));
    for (let s = 0; s < 8 * HOUR; s++) one.second(0);
    expect(offIn(one, HOUR, () => arrivals(20, random))).toEqual([]);
  });
});

describe('a jump to twenty times as much', () => {
  it.each([10, 50, 500])('from %i per second is noticed within three seconds', (mean) => {
    const random = chance(mean);
    const one = key();
    offIn(one, HOUR, () => arrivals(mean, random));
    const off = offIn(one, 10, () => arrivals(20 * mean, random));
    expect(off[0]).toBeLessThanOrEqual(2);
    expect(one.opinion).toMatchObject({ signal: 'rate' });
    expect(one.opinion.now).toBeGreaterThan(one.opinion.threshold);
    expect(one.opinion.usual / mean).toBeCloseTo(1, 0);
    expect(one.opinion.score).toBeGreaterThan(4);
  });

  it('is over some seconds after it is over', () => {
    const one = key();
    offIn(one, HOUR, () => 20);
    offIn(one, 60, () => 400);
    const off = offIn(one, 60, () => 20);
    expect(off.at(-1)).toBeLessThan(12);
  });

  it('is taken for usual only when it lasts for about four times `learn`', () => {
    const one = key();
    offIn(one, HOUR, () => 20);
    const off = offIn(one, 4 * HOUR, () => 400);
    expect((off.at(-1) ?? 0) / 600).toBeGreaterThan(3);
    expect((off.at(-1) ?? 0) / 600).toBeLessThan(5);
  });

  it('of a key below the minimum is nobody’s concern', () => {
    const one = key({ minimum: 50 });
    offIn(one, HOUR, () => 2);
    expect(offIn(one, 60, () => 45)).toEqual([]);
    expect(offIn(one, 60, () => 80)).not.toEqual([]);
  });

  it('is not looked at when only errors count', () => {
    const one = key({ signals: ['errors'] });
    offIn(one, HOUR, () => 20);
    expect(offIn(one, 60, () => 400)).toEqual([]);
  });
});

describe('errors', () => {
  it('at the usual share are nobody’s concern, however many', () => {
    const random = chance(11);
    const one = key();
    for (let s = 0; s < 3 * HOUR; s++) {
      const requests = arrivals(20, random);
      let errors = 0;
      for (let i = 0; i < requests; i++) if (random() < 0.3) errors++;
      expect(one.second(requests, errors), `second ${s}`).toBeNull();
    }
  });

  it('at the usual share may be many by chance when there are few requests', () => {
    const random = chance(13);
    const one = key({ minimum: 0.1, signals: ['errors'] });
    for (let s = 0; s < 3 * HOUR; s++) {
      const requests = arrivals(0.7, random);
      let errors = 0;
      for (let i = 0; i < requests; i++) if (random() < 0.1) errors++;
      expect(one.second(requests, errors), `second ${s}`).toBeNull();
    }
  });

  it('are noticed within five seconds when their share jumps at the usual rate', () => {
    const one = key();
    for (let s = 0; s < HOUR; s++) one.second(20, s % 50 === 0 ? 1 : 0);
    let noticed = 0;
    while (one.second(20, 18) === null) expect(++noticed).toBeLessThan(5);
    expect(one.opinion).toMatchObject({ signal: 'errors' });
    expect(one.opinion.usual).toBeLessThan(0.01);
    expect(one.opinion.now).toBeGreaterThan(0.2);
  });

  it('are not looked at when only the rate counts', () => {
    const one = key({ signals: ['rate'] });
    for (let s = 0; s < HOUR; s++) one.second(20, 0);
    for (let s = 0; s < 60; s++) expect(one.second(20, 20)).toBeNull();
  });
});

describe('a new key', () => {
  it('is not judged before it is known: as many seconds as `learn` says', () => {
    const one = key();
    const off = offIn(one, 620, (s) => (s < 300 ? 10 : s < 590 ? 12 : 2_000));
    // Known after 600 seconds, of which the last ten were a jump.
    expect(off[0]).toBeGreaterThanOrEqual(600);
  });

  it('is not known for the time in which it was away', () => {
    const one = key();
    one.second(1);
    for (let s = 0; s < 2 * HOUR; s++) one.second(0);
    expect(offIn(one, 100, () => 50)).toEqual([]);
  });
});

describe('what this method cannot see', () => {
  it('is a key that grows slowly: doubling in a sixth of `learn`, up to a thousand times', () => {
    const one = key();
    offIn(one, HOUR, () => 10);
    expect(offIn(one, 1_000, (s) => Math.round(10 * 2 ** (s / 100)))).toEqual([]);
  });

  it('which must be slow: doubling in a tenth of it is noticed', () => {
    const one = key();
    offIn(one, 1_200, () => 10);
    expect(offIn(one, 600, (s) => Math.round(10 * 2 ** (s / 60)))).not.toEqual([]);
  });
});
