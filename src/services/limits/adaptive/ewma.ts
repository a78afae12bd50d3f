/**
 * Running mean and deviation (EWMA: exponentially weighted moving averages) of a key's rate and of its share of errors.
 *
 * What the key does now is a short average, over about three windows. What it usually does is a long one, over `learn`: mean
 * m and deviation d, from the averages of x and x². It is far off when now > m + sensitivity * spread, where spread is d, but at
 * least half of m and the root of m: nobody is throttled for twice his usual rate, nor for a few requests more.
 *
 * The long averages learn from every window, after it was judged, and never more than the threshold from one: a jump must not
 * become usual by itself. While the key is off, it learns one spread at most, so that a lasting change is taken for usual in the end.
 */
import type { Opinion, Scorer, ScorerOptions, WindowOfKey } from './scorer.js';

// Numbers of the past.
const KNOWN = 0;
const NOW = 1;
const NOW_ERRORS = 2;
const MEAN = 3;
const SQUARE = 4;
const RATIO = 5;
const RATIO_SQUARE = 6;
const RATIO_KNOWN = 7;

/** Weight of the newest window in the short average. */
const NEWEST = 0.3;
/** An absence teaches nothing: who comes back in the morning is who left in the evening. */
const LONGEST_PAUSE = 60;
/** Least spread: of the mean rate, and of the share of errors. */
const LEAST_SPREAD = 0.5;
const LEAST_RATIO_SPREAD = 0.05;
/** Of few requests a share says little: so many are thought to have ended as usual, besides those that were seen. */
const AS_USUAL = 5 * NEWEST;

export function createEwma({ sensitivity, learn, minimum, signals }: ScorerOptions): Scorer {
  const byRate = signals.includes('rate');
  const byErrors = signals.includes('errors');

  return {
    judge(past, window, opinion) {
      opinion.signal = null;
      opinion.score = 0;
      remember(past, window);
      const known = (past[KNOWN] as number) >= learn;
      if (byErrors) judgeErrors(past, window, opinion, known);
      judgeRate(past, window, opinion, known);
    },
  };

  function judgeRate(past: Float32Array, { requests, idle }: WindowOfKey, opinion: Opinion, known: boolean) {
    const mean = past[MEAN] as number;
    const spread = Math.max(deviation(mean, past[SQUARE] as number), LEAST_SPREAD * mean, Math.sqrt(mean));
    const threshold = mean + sensitivity * spread;
    const now = past[NOW] as number;
    const isOff = known && now > threshold && now > minimum;
    // What one would call the worse of two comes last: a rate that is off is what floors are for.
    if (byRate && (isOff || opinion.signal === null))
      say(opinion, isOff ? 'rate' : null, now, mean, spread, threshold);
    const most = isOff ? mean + spread : threshold;
    learnRate(past, known ? Math.min(requests, most) : requests, idle <= LONGEST_PAUSE ? idle : 0);
  }

  function judgeErrors(past: Float32Array, { requests }: WindowOfKey, opinion: Opinion, known: boolean) {
    const rate = past[NOW] as number;
    const usual = past[RATIO] as number;
    const errors = Math.min(rate, past[NOW_ERRORS] as number);
    const ratio = (errors + AS_USUAL * usual) / (rate + AS_USUAL);
    // How far a share of so few requests may be off by chance.
    const chance = Math.sqrt((usual * (1 - usual) * NEWEST) / (rate + AS_USUAL));
    const spread = Math.max(deviation(usual, past[RATIO_SQUARE] as number), LEAST_RATIO_SPREAD, chance);
    const threshold = usual + sensitivity * spread;
    const isOff = known && ratio > threshold && rate > minimum;
    say(opinion, isOff ? 'errors' : null, ratio, usual, spread, threshold);
    if (requests === 0) return;
    const lesson = known ? Math.min(ratio, isOff ? usual + spread : threshold) : ratio;
    const weight = 1 / Math.min((past[RATIO_KNOWN] as number) + 1, learn);
    past[RATIO] = usual + weight * (lesson - usual);
    past[RATIO_SQUARE] = (1 - weight) * (past[RATIO_SQUARE] as number) + weight * lesson * lesson;
    past[RATIO_KNOWN] = Math.min((past[RATIO_KNOWN] as number) + 1, learn);
  }

  /** A plain mean at first, of all windows so far; from `learn` on the older ones fade. Idle windows count as zeros. */
  function learnRate(past: Float32Array, requests: number, idle: number): void {
    let known = Math.min((past[KNOWN] as number) + 1, learn);
    const weight = 1 / known;
    past[MEAN] = (1 - weight) * (past[MEAN] as number) + weight * requests;
    past[SQUARE] = (1 - weight) * (past[SQUARE] as number) + weight * requests * requests;
    const early = Math.min(idle, learn - known);
    const fade = (known / (known + early)) * (1 - 1 / learn) ** (idle - early);
    known += early;
    past[MEAN] = (past[MEAN] as number) * fade;
    past[SQUARE] = (past[SQUARE] as number) * fade;
    past[KNOWN] = known;
  }
}

/** The short averages. */
function remember(past: Float32Array, { requests, errors, idle }: WindowOfKey): void {
  const fade = (1 - NEWEST) ** idle;
  past[NOW] = ((1 - NEWEST) * (past[NOW] as number) + NEWEST * requests) * fade;
  past[NOW_ERRORS] = ((1 - NEWEST) * (past[NOW_ERRORS] as number) + NEWEST * errors) * fade;
}

function deviation(mean: number, square: number): number {
  return Math.sqrt(Math.max(0, square - mean * mean));
}

function say(
  opinion: Opinion,
  signal: Opinion['signal'],
  now: number,
  usual: number,
  spread: number,
  threshold: number,
): void {
  opinion.signal = signal;
  opinion.score = spread > 0 ? (now - usual) / spread : 0;
  opinion.now = now;
  opinion.usual = usual;
  opinion.deviation = spread;
  opinion.threshold = threshold;
}
