/** So many per day, week or month: counts that outlive the gateway (quota-dump.ts), in slots that are never evicted. */
import type { BucketTable } from '../../../shared/bucket-table.js';
import type { SlotMarks } from '../../../shared/slot-marks.js';
import { QUOTA } from '../../../shared/slots.js';
import type { SyncBoard } from '../../../shared/sync-board.js';
import { type Algorithm, type Decision, NEVER } from '../decision.js';
import { CalendarPeriod, type Per } from './calendar.js';
import { Counter, MOST_COUNT, NO_ROOM, OVER, PeriodMask } from './counter.js';
import { noRoom } from './token-bucket.js';

const DAYS: Record<Per, number> = { day: 1, week: 7, month: 30 };

export class Quota implements Algorithm {
  readonly quota: number;
  /** Of a month: 30 days. */
  readonly windowSeconds: number;
  readonly #calendar: (now: number) => number;
  readonly #period: CalendarPeriod;
  readonly #mask = new PeriodMask();
  readonly #counter: Counter;

  /** `calendar` gives milliseconds since 1970 for a time of the machine's clock. */
  constructor(
    table: BucketTable,
    most: number,
    per: Per,
    calendar: (now: number) => number,
    marks: SlotMarks | null = null,
    board: SyncBoard | null = null,
  ) {
    this.quota = Math.min(most, MOST_COUNT);
    this.windowSeconds = DAYS[per] * 86_400;
    this.#calendar = calendar;
    this.#period = new CalendarPeriod(per);
    this.#counter = new Counter(table, QUOTA, marks, board);
  }

  peek(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean {
    const left = this.#locate(now);
    const count = this.#counter.read(h1 ^ this.#mask.first, h2 ^ this.#mask.second);
    const whole = Math.ceil(cost);
    const admitted = count + whole <= this.quota;
    this.#tell(d, i, count, left);
    if (!admitted) d.wait(whole > this.quota ? NEVER : left);
    return admitted;
  }

  take(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean {
    const left = this.#locate(now);
    const whole = Math.ceil(cost);
    if (whole > this.quota) return this.peek(d, i, h1, h2, cost, now);
    const first = h1 ^ this.#mask.first;
    const added = this.#counter.add(first, h2 ^ this.#mask.second, whole, this.quota, now + left, now);
    if (added === NO_ROOM) return noRoom(d);
    this.#tell(d, i, this.#counter.count, left);
    if (added === OVER) d.wait(left);
    else d.slots[i] = this.#counter.slot;
    return added !== OVER;
  }

  refund(d: Decision, i: number, h1: number, cost: number, now: number): void {
    this.#locate(now);
    this.#counter.subtract(d.slots[i] as number, h1 ^ this.#mask.first, Math.ceil(cost));
  }

  /** Milliseconds that are left of the period. */
  #locate(now: number): number {
    const time = this.#calendar(now);
    this.#period.locate(time);
    this.#mask.set(this.#period.index);
    return this.#period.end - time;
  }

  #tell(d: Decision, i: number, count: number, left: number): void {
    d.remaining[i] = Math.max(0, this.quota - count);
    d.resetMs[i] = left;
  }
}
