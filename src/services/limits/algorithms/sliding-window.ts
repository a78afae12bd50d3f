/**
 * Two weighted counters: what was counted in this window, and of the window before the part that a window ending now still
 * covers. The windows lie one behind the other from the epoch of `time`, which is the machine's clock for rates and
 * the calendar for quotas.
 */
import type { BucketTable } from '../../../shared/bucket-table.js';
import type { SlotMarks } from '../../../shared/slot-marks.js';
import { BUCKET, type Kind } from '../../../shared/slots.js';
import type { SyncBoard } from '../../../shared/sync-board.js';
import { type Algorithm, type Decision, NEVER } from '../decision.js';
import { Counter, MOST_COUNT, NO_ROOM, OVER, PeriodMask } from './counter.js';
import { noRoom } from './token-bucket.js';

export class SlidingWindow implements Algorithm {
  readonly quota: number;
  readonly windowSeconds: number;
  readonly #windowMs: number;
  readonly #counter: Counter;
  readonly #time: (now: number) => number;
  readonly #current = new PeriodMask();
  readonly #before = new PeriodMask();

  /** At most `count` in any `windowMs`. */
  constructor(
    table: BucketTable,
    count: number,
    windowMs: number,
    kind: Kind = BUCKET,
    time: (now: number) => number = sinceEpoch,
    marks: SlotMarks | null = null,
    board: SyncBoard | null = null,
  ) {
    this.quota = Math.min(count, MOST_COUNT);
    this.windowSeconds = windowMs / 1000;
    this.#windowMs = windowMs;
    this.#counter = new Counter(table, kind, marks, board);
    this.#time = time;
  }

  peek(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean {
    const covered = this.#locate(now);
    const before = this.#counter.read(h1 ^ this.#before.first, h2 ^ this.#before.second);
    const current = this.#counter.read(h1 ^ this.#current.first, h2 ^ this.#current.second);
    const whole = Math.ceil(cost);
    const admitted = current + whole <= Math.floor(this.quota - before * covered);
    this.#tell(d, i, current, before, covered);
    if (!admitted) d.wait(this.#wait(current, before, covered, whole));
    return admitted;
  }

  take(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean {
    const covered = this.#locate(now);
    const counter = this.#counter;
    const whole = Math.ceil(cost);
    if (whole > this.quota) return this.peek(d, i, h1, h2, cost, now);
    const before = counter.read(h1 ^ this.#before.first, h2 ^ this.#before.second);
    const most = Math.floor(this.quota - before * covered);
    // As long as the next window looks back at this one.
    const end = now + (1 + covered) * this.#windowMs;
    const first = h1 ^ this.#current.first;
    const added = counter.add(first, h2 ^ this.#current.second, whole, most, end, now);
    if (added === NO_ROOM) return noRoom(d);
    this.#tell(d, i, counter.count, before, covered);
    if (added === OVER) {
      d.wait(this.#wait(counter.count, before, covered, whole));
      return false;
    }
    d.slots[i] = counter.slot;
    return true;
  }

  refund(d: Decision, i: number, h1: number, cost: number, now: number): void {
    this.#locate(now);
    this.#counter.subtract(d.slots[i] as number, h1 ^ this.#current.first, Math.ceil(cost));
  }

  /** Sets the windows. The part of the one before that still counts. */
  #locate(now: number): number {
    const time = this.#time(now);
    const window = Math.floor(time / this.#windowMs);
    this.#current.set(window);
    this.#before.set(window - 1);
    return ((window + 1) * this.#windowMs - time) / this.#windowMs;
  }

  #tell(d: Decision, i: number, current: number, before: number, covered: number): void {
    d.remaining[i] = Math.max(0, Math.floor(this.quota - before * covered) - current);
    d.resetMs[i] = this.#windowMs * (current > 0 ? 1 + covered : before > 0 ? covered : 0);
  }

  /** When the window before covers little enough, or else this one, once it is the one before. */
  #wait(current: number, before: number, covered: number, cost: number): number {
    if (cost > this.quota) return NEVER;
    if (current + cost <= this.quota) {
      return this.#windowMs * Math.max(0, covered - (this.quota - current - cost) / before);
    }
    return this.#windowMs * (covered + 1 - (this.quota - cost) / current);
  }
}

function sinceEpoch(now: number): number {
  return now;
}
