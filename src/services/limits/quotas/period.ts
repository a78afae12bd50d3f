/** Which period of a quota a time lies in, and what the counts of a period are stored under. */
import type { CalendarPer } from '../../../config/schema/limits/quota.js';
import { CalendarPeriod } from '../algorithms/calendar.js';
import { PeriodMask } from '../algorithms/counter.js';

export type QuotaPer = CalendarPer | number;

export interface Period {
  /** Counted from 1970. */
  readonly index: number;
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
}

/** `time` in milliseconds since 1970. Rolling windows lie one behind the other from there. */
export function periodAt(per: QuotaPer, time: number): Period {
  if (typeof per === 'number') {
    const index = Math.floor(time / per);
    return { index, start: index * per, end: (index + 1) * per };
  }
  const period = new CalendarPeriod(per);
  period.locate(time);
  const { index, start, end } = period;
  return { index, start, end };
}

/** The hash of a key in a period. */
export function inPeriod(h1: number, h2: number, { index }: Period): readonly [h1: number, h2: number] {
  const mask = new PeriodMask();
  mask.set(index);
  return [h1 ^ mask.first, h2 ^ mask.second];
}
