/** Requests that wait for limits: what workers report, added up, and shown. */
import { WAIT_BOUNDS_MS, type WaitCounts } from '../../services/limits/queue/limit-queue.js';
import type { Family, Sample } from '../family.js';

/** How the waits for one limit ended since the gateway started. */
export class WaitTotals {
  readonly ended = { admitted: 0, refused: 0, left: 0, expired: 0, full: 0 };
  waitedMs = 0;
  readonly classes: number[] = new Array(WAIT_BOUNDS_MS.length + 1).fill(0);
  readonly #waiting = new Map<number, number>();

  get waiting(): number {
    let sum = 0;
    for (const count of this.#waiting.values()) sum += count;
    return sum;
  }

  merge(workerId: number, counts: WaitCounts): void {
    this.#waiting.set(workerId, counts.waiting);
    for (const how of Object.keys(this.ended) as (keyof WaitTotals['ended'])[])
      this.ended[how] += counts[how];
    this.waitedMs += counts.waitedMs;
    for (const [i, count] of counts.classes.entries()) this.classes[i]! += count;
  }

  workerGone(workerId: number): void {
    this.#waiting.delete(workerId);
  }
}

export const waitFamilies: readonly Family[] = [
  {
    name: 'sluice_limit_waiting',
    type: 'gauge',
    help: 'Requests that wait for a limit now.',
    labels: ['limit'],
    *samples({ totals }) {
      for (const [limit, { waiting }] of totals.waits) yield { labels: { limit }, value: waiting };
    },
  },
  {
    name: 'sluice_limit_waits_total',
    type: 'counter',
    help: 'Waits for a limit that ended, by result: admitted, refused (by another limit when the turn came, or it went on to the queue of another), left (the client did), expired (the deadline passed), full (no room, or the place went to a key with fewer).',
    labels: ['limit', 'result'],
    *samples({ totals }) {
      for (const [limit, { ended }] of totals.waits) {
        for (const [result, value] of Object.entries(ended)) yield { labels: { limit, result }, value };
      }
    },
  },
  {
    name: 'sluice_limit_wait_seconds',
    type: 'histogram',
    help: 'How long requests waited for a limit, however that ended.',
    labels: ['limit', 'le'],
    *samples({ totals }): Iterable<Sample> {
      for (const [limit, { classes, waitedMs }] of totals.waits) {
        let below = 0;
        for (const [i, count] of classes.entries()) {
          below += count;
          const bound = WAIT_BOUNDS_MS[i];
          const le = bound === undefined ? '+Inf' : String(bound / 1000);
          yield { labels: { limit, le }, value: below, suffix: '_bucket' };
        }
        yield { labels: { limit }, value: waitedMs / 1000, suffix: '_sum' };
        yield { labels: { limit }, value: below, suffix: '_count' };
      }
    },
  },
];
