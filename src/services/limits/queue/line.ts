/**
 * All requests of this worker that wait for one bucket, and whose turn it is.
 *
 * Without `fairBy` a turn is the time of arrival. With it each key has a virtual time, which goes on by the cost of each
 * request of the key divided by its weight; whose is earliest is next (start-time fair queueing: Goyal, Vin and
 * Cheng, 1996). It is common to all workers, so a key with connections to each of them has no more than others. A key that
 * begins to wait starts at the time of the line: what it did not use is not saved.
 */
import type { Algorithm } from '../decision.js';
import { Flow } from './flow.js';
import { Heap, type Placed } from './heap.js';
import type { TurnBoard } from './turn-board.js';
import type { FairKey } from './waiter.js';

/** What a request of cost 1 and weight 1 takes of virtual time. */
export const UNIT = 2 ** 16;
/** Most that one request takes: turns are compared modulo 2^32. */
const MOST = 2 ** 28;
/** Turns farther apart are not of one line: one of the two was forgotten. */
const REACH = 2 ** 30;
/** Steps of a turn by arrival in a millisecond. */
const STEPS_PER_MS = 8;
/** By arrival, workers keep the order of requests that are this much apart. */
const ARRIVAL_SLACK = 10 * STEPS_PER_MS;
/** Virtual times are kept for so long after the last turn, besides twice the deadline. */
const MEMORY_MS = 10_000;

export class Line implements Placed {
  /** Among the lines, by `at`. */
  place = -1;
  /** When to look again. */
  at = 0;
  /** The next line with the same first half of the hash. */
  next: Line | null = null;
  waiting = 0;
  readonly h1: number;
  readonly h2: number;
  readonly isFair: boolean;
  readonly algorithm: Algorithm;
  readonly #board: TurnBoard;
  readonly #memoryMs: number;
  readonly #flows = new Heap<Flow>((a, b) => ((a.turn - b.turn) | 0) < 0);
  readonly #byKey = new Map<number, Flow[]>();
  /** Virtual time, as far as this worker knows. */
  #time = 0;
  #shown: number | null = null;
  #shownAt = 0;
  // Turns taken in this stretch of time and the one before.
  #stretch = 0;
  #turns = 0;
  #turnsBefore = 0;

  constructor(
    h1: number,
    h2: number,
    isFair: boolean,
    algorithm: Algorithm,
    board: TurnBoard,
    deadlineMs: number,
  ) {
    this.h1 = h1;
    this.h2 = h2;
    this.isFair = isFair;
    this.algorithm = algorithm;
    this.#board = board;
    this.#memoryMs = 2 * deadlineMs + MEMORY_MS;
  }

  /** The flow of a key, if any of it waits. */
  find({ h1, h2 }: FairKey): Flow | undefined {
    return this.#byKey.get(h1)?.find((flow) => flow.h2 === h2);
  }

  /** The flow of a key, which somebody is about to enter. */
  open(key: FairKey, now: number): Flow {
    const known = this.find(key);
    if (known !== undefined) return known;
    const { h1, h2 } = key;
    const flow = new Flow(this, h1, h2);
    if (this.isFair) {
      const time = this.#board.timeAt(this, this.#time, now);
      const turn = this.#board.turnOf(flow, time, now);
      const ahead = (turn - time) | 0;
      this.#time = time;
      flow.turn = ahead > 0 && ahead < REACH ? turn : time;
      // Kept as long as anybody waits, or another worker would begin anew.
      this.#board.setTimeAt(this, time, this.#memoryMs, now);
    } else flow.turn = arrival(now);
    const same = this.#byKey.get(h1);
    if (same === undefined) this.#byKey.set(h1, [flow]);
    else same.push(flow);
    this.#flows.add(flow);
    return flow;
  }

  /** Who is next in this worker. */
  head(now: number): Flow | undefined {
    for (;;) {
      const flow = this.#flows.first;
      if (flow === undefined) return undefined;
      const turn = this.isFair ? this.#board.turnOf(flow, flow.turn, now) : arrival(flow.first.since);
      const ahead = (turn - flow.turn) | 0;
      // Others have gone on with this key. One that is behind was forgotten and written anew.
      if (ahead <= 0 || ahead > REACH) return flow;
      flow.turn = turn;
      this.#flows.moved(flow);
    }
  }

  /** Whether the worker may take this turn now: nobody waits in another one with a turn much before it. */
  isNext(flow: Flow, stretchMs: number, now: number): boolean {
    return this.#board.isNext(this, flow.turn, this.#slack(now, stretchMs), now);
  }

  /** The first of a flow is let through. It is still in the flow. */
  charge(flow: Flow, cost: number, weight: number, now: number): void {
    this.#turns++;
    if (!this.isFair) return;
    const share = Math.min(MOST, (cost / weight) * UNIT);
    const turn = (flow.turn + Math.max(2, 2 * Math.round(share / 2))) | 0;
    if (((flow.turn - this.#time) | 0) > 0) this.#time = flow.turn;
    this.#board.setTimeAt(this, flow.turn, this.#memoryMs, now);
    this.#board.setTurnOf(flow, turn, this.#memoryMs, now);
    flow.turn = turn;
    this.#flows.moved(flow);
  }

  /** Nobody of a flow waits any more. */
  close(flow: Flow): void {
    this.#flows.remove(flow);
    const left = (this.#byKey.get(flow.h1) as Flow[]).filter((other) => other !== flow);
    if (left.length === 0) this.#byKey.delete(flow.h1);
    else this.#byKey.set(flow.h1, left);
  }

  /** Tells the other workers whose turn is next here. */
  show(now: number): void {
    const turn = this.head(now)?.turn ?? null;
    if (turn === this.#shown && now - this.#shownAt < REPEAT_MS) return;
    if (turn !== null) this.#board.show(this, turn, now);
    else if (this.#shown !== null) this.#board.withdraw(this, now);
    this.#shown = turn;
    this.#shownAt = now;
  }

  /**
   * How far ahead of what another worker shows this one may go: it learns only after a moment that the other has
   * gone on. As much as it took lately in such a moment, so that it never has to wait for the other's word.
   */
  #slack(now: number, stretchMs: number): number {
    if (!this.isFair) return ARRIVAL_SLACK;
    const stretch = Math.floor(now / stretchMs);
    if (stretch !== this.#stretch) {
      this.#turnsBefore = stretch === this.#stretch + 1 ? this.#turns : 0;
      this.#turns = 0;
      this.#stretch = stretch;
    }
    return UNIT * Math.min(MOST / UNIT, 1 + Math.max(this.#turns, this.#turnsBefore));
  }
}

/** What is shown is shown again before others forget it. */
const REPEAT_MS = 2_000;

function arrival(now: number): number {
  return (2 * Math.floor((now * STEPS_PER_MS) / 2)) | 0;
}
