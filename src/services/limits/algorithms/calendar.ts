/** Days, weeks and months in UTC, by the calendar that all processes share. */

export type Per = 'day' | 'week' | 'month';

const DAY_MS = 86_400_000;
/** 1970 began on a Thursday; weeks begin on Monday (ISO 8601). */
const FIRST_MONDAY_MS = 4 * DAY_MS;
/** The calendar may step back so much, in one correction: then the period that has begun goes on. */
const STEP_BACK_MS = 1_000;

/** The period that a time lies in. Kept until a time lies outside. */
export class CalendarPeriod {
  readonly #per: Per;
  /** Counted from 1970. */
  index = 0;
  /** Milliseconds since 1970. */
  start = 0;
  end = 0;

  constructor(per: Per) {
    this.#per = per;
  }

  /** Moves to the period of a time in milliseconds since 1970. */
  locate(time: number): void {
    if (time >= this.start - STEP_BACK_MS && time < this.end) return;
    if (this.#per === 'month') {
      const date = new Date(time);
      const year = date.getUTCFullYear();
      const month = date.getUTCMonth();
      this.index = (year - 1970) * 12 + month;
      this.start = Date.UTC(year, month, 1);
      this.end = Date.UTC(year, month + 1, 1);
    } else {
      const length = this.#per === 'day' ? DAY_MS : 7 * DAY_MS;
      const first = this.#per === 'day' ? 0 : FIRST_MONDAY_MS;
      this.index = Math.floor((time - first) / length);
      this.start = first + this.index * length;
      this.end = this.start + length;
    }
  }
}
