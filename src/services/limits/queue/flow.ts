/** The waiting requests of one key at one bucket, in the order of their arrival. */
import { Chain, type Link } from './chain.js';
import type { Placed } from './heap.js';
import type { Line } from './line.js';
import type { Waiter } from './waiter.js';

export class Flow implements Placed, Link<Flow> {
  /** Among those of its line, by `turn`. */
  place = -1;
  /** When its first request comes: see `Line`. */
  turn = 0;
  /** Among those in which as many wait. */
  ahead: Flow | null = null;
  behind: Flow | null = null;
  readonly h1: number;
  readonly h2: number;
  readonly line: Line;
  readonly waiters = new Chain<Waiter>();

  constructor(line: Line, h1: number, h2: number) {
    this.line = line;
    this.h1 = h1;
    this.h2 = h2;
  }

  /** Who has waited longest. There is somebody. */
  get first(): Waiter {
    return this.waiters.first as Waiter;
  }
}
