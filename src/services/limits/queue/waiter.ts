/** A request that waits for a limit, and what it asks. */
import type { Exchange } from '../../../exchange.js';
import type { Verdict } from '../../../pipeline.js';
import type { LimitVariant } from '../limit.js';
import type { Link } from './chain.js';
import type { Flow } from './flow.js';
import type { Placed } from './heap.js';
import type { LimitQueue } from './limit-queue.js';

/** What is asked of a request, copied: who decides has room for one at a time. */
export interface Question {
  readonly variants: readonly LimitVariant[];
  readonly hashes: Int32Array;
  readonly prices: Float64Array;
}

/** Decides about requests that wait. What it says is in its engine's decision, until the next. */
export interface Judge {
  /** Decides again. What is admitted is taken. */
  decide(question: Question, now: number): void;
  /** The same without taking anything. */
  look(question: Question, now: number): void;
  /** Acts on the decision about the last question. */
  conclude(x: Exchange, now: number): Verdict;
  /** Gives back what other limits of the request have taken. */
  giveBack(x: Exchange, now: number): void;
}

/** What a limit says about waiting for it. */
export interface Desk {
  readonly queue: LimitQueue;
  readonly max: number;
  readonly perKey: number;
  readonly deadlineMs: number;
  /** The key to be fair by, hashed for a bucket; null: first come, first served. */
  readonly keyOf: ((x: Exchange, h1: number, h2: number) => FairKey) | null;
  readonly weightOf: (x: Exchange) => number;
  /** Time alone brings its turn; else somebody must end first. */
  readonly isTimed: boolean;
}

export interface FairKey {
  readonly h1: number;
  readonly h2: number;
}

export class Waiter implements Placed, Link<Waiter> {
  /** Among all, by `until`. */
  place = -1;
  /** The limit it waits for, by its place in the question. */
  at = 0;
  /** null: it does not wait. */
  flow: Flow | null = null;
  /** In its flow. */
  ahead: Waiter | null = null;
  behind: Waiter | null = null;
  /** When it came to where it waits. */
  since: number;
  /** When it must be over. */
  readonly until: number;
  readonly x: Exchange;
  readonly judge: Judge;
  readonly question: Question;
  /** By limit of the question; null: that one refuses. */
  readonly desks: readonly (Desk | null)[];
  /** Resolves with what to do when it is over. */
  readonly over: Promise<Verdict>;
  end!: (verdict: Verdict | Promise<never>) => void;

  constructor(
    x: Exchange,
    judge: Judge,
    question: Question,
    desks: readonly (Desk | null)[],
    now: number,
    deadlineMs: number,
  ) {
    this.x = x;
    this.judge = judge;
    this.question = question;
    this.desks = desks;
    this.since = now;
    this.until = now + deadlineMs;
    this.over = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  /** What is said about waiting where it waits. */
  get desk(): Desk {
    return this.desks[this.at] as Desk;
  }
}
