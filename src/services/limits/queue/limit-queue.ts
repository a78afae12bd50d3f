/** All that waits for one limit in this worker, whichever bucket it waits for: how much of it, and which key has the most. */
import { Chain } from './chain.js';
import type { Flow } from './flow.js';
import type { Waiter } from './waiter.js';

/** Upper bounds of the classes of waiting times, in milliseconds. */
export const WAIT_BOUNDS_MS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000];

/** How the waits for a limit ended since the last report. */
export interface WaitCounts {
  /** Waiting now. */
  waiting: number;
  /** Waits that began. */
  entered: number;
  /** Let through when their turn came. */
  admitted: number;
  /** Their turn came, but a limit without a queue refused them; or they went on to the queue of another limit. */
  refused: number;
  /** The client left. */
  left: number;
  /** The deadline passed. */
  expired: number;
  /** No room, or their place was given to a key with fewer. */
  full: number;
  /** Those that ended, however. */
  waitedMs: number;
  /** By class of `WAIT_BOUNDS_MS`, and one for all above. */
  classes: number[];
}

export type Ending = 'admitted' | 'refused' | 'left' | 'expired' | 'full';

export class LimitQueue {
  readonly name: string;
  waiting = 0;
  #counts = noWaits();
  /** Flows by how many wait in them; place 0 is unused. */
  readonly #byLength: Chain<Flow>[] = [];
  #longest = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Null: nothing has happened and nobody waits. */
  report(): WaitCounts | null {
    const counts = this.#counts;
    counts.waiting = this.waiting;
    if (counts.entered + counts.full + counts.waiting + counts.classes.reduce((a, b) => a + b) === 0)
      return null;
    this.#counts = noWaits();
    return counts;
  }

  /** The key of which most requests wait. */
  get longest(): Flow | null {
    return this.#byLength[this.#longest]?.first ?? null;
  }

  enter(waiter: Waiter, flow: Flow): void {
    this.waiting++;
    this.#counts.entered++;
    waiter.flow = flow;
    flow.waiters.add(waiter);
    this.#resize(flow, flow.waiters.size - 1);
  }

  leave(waiter: Waiter, how: Ending, waitedMs: number): void {
    const flow = waiter.flow as Flow;
    waiter.flow = null;
    flow.waiters.remove(waiter);
    this.waiting--;
    this.#resize(flow, flow.waiters.size + 1);
    const counts = this.#counts;
    counts[how]++;
    counts.waitedMs += waitedMs;
    const at = WAIT_BOUNDS_MS.findIndex((bound) => waitedMs <= bound);
    counts.classes[at < 0 ? WAIT_BOUNDS_MS.length : at]!++;
  }

  turnAway(): void {
    this.#counts.full++;
  }

  #resize(flow: Flow, before: number): void {
    const byLength = this.#byLength;
    const { size } = flow.waiters;
    if (before > 0) (byLength[before] as Chain<Flow>).remove(flow);
    if (size > 0) {
      byLength[size] ??= new Chain();
      (byLength[size] as Chain<Flow>).add(flow);
    }
    if (size > this.#longest) this.#longest = size;
    while (this.#longest > 0 && byLength[this.#longest]?.size === 0) this.#longest--;
  }
}

function noWaits(): WaitCounts {
  return {
    waiting: 0,
    entered: 0,
    admitted: 0,
    refused: 0,
    left: 0,
    expired: 0,
    full: 0,
    waitedMs: 0,
    classes: new Array(WAIT_BOUNDS_MS.length + 1).fill(0),
  };
}
