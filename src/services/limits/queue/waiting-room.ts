/**
 * The requests of a worker that wait for limits. One timer for all: it is set for the first deadline or the first turn
 * that may come, and each time does a bounded amount of work, so that ten thousand that wait hold up nobody else.
 */
import { ANSWERED, type Verdict } from '../../../pipeline.js';
import type { Decision } from '../decision.js';
import type { LimitMemory } from '../memory.js';
import type { Flow } from './flow.js';
import { Heap } from './heap.js';
import { type Ending, LimitQueue, type WaitCounts } from './limit-queue.js';
import { Line } from './line.js';
import { Lines } from './lines.js';
import { oneTimer, type SetTimer } from './timer.js';
import { LOOK_EVERY_MS, TurnBoard } from './turn-board.js';
import type { Waiter } from './waiter.js';

/** How often to look for what other workers do: end a request in flight, take their turn. */
const POLL_MS = 4;
/** With very many buckets that are waited for, less often: to look must not be all that a worker does. */
const POLL_MS_PER_LINE = 0.04;
/** However long a limit says it takes: it may get room sooner, and others must know that somebody waits. */
const LONGEST_SLEEP_MS = 500;
/** Waits that are ended in one go: what follows of each takes some 10 us. */
const ENDINGS_AT_ONCE = 128;
/** Lines that are looked at in one go. */
const LINES_AT_ONCE = 512;
/** Lines by arrival and fair ones are apart, should a reload make one of the other. */
const FAIR = 0x5bd1e995;

export class WaitingRoom {
  readonly #memory: LimitMemory;
  readonly #board: TurnBoard;
  readonly #decision: Decision;
  readonly #setTimer: SetTimer;
  readonly #queues = new Map<string, LimitQueue>();
  readonly #lines = new Lines();
  readonly #byDeadline = new Heap<Waiter>((a, b) => a.until < b.until);
  readonly #byWake = new Heap<Line>((a, b) => a.at < b.at);
  #timerAt = Number.POSITIVE_INFINITY;
  #waiting = 0;

  /** `decision` is the engine's, where judges put what they say. */
  constructor(memory: LimitMemory, decision: Decision, setTimer: SetTimer = oneTimer()) {
    this.#memory = memory;
    this.#board = new TurnBoard(memory);
    this.#decision = decision;
    this.#setTimer = setTimer;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** What waits for a limit: the same for all routes and configurations. */
  queue(name: string): LimitQueue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new LimitQueue(name);
      this.#queues.set(name, queue);
    }
    return queue;
  }

  /** Since the last report, by limit. */
  report(): Map<string, WaitCounts> {
    const counts = new Map<string, WaitCounts>();
    for (const [name, queue] of this.#queues) {
      const own = queue.report();
      if (own !== null) counts.set(name, own);
    }
    return counts;
  }

  /** Whether requests wait for anything, in this worker or another one. */
  isBusy(now: number): boolean {
    return this.#waiting > 0 || this.#board.isAnybodyWaiting(now);
  }

  /** Whether requests wait for this bucket: who comes now comes after them. */
  isAwaited(h1: number, h2: number, isFair: boolean, now: number): boolean {
    const place = { h1: isFair ? h1 ^ FAIR : h1, h2 };
    return this.#lines.get(place.h1, h2) !== null || this.#board.isAwaited(place, now);
  }

  /** Lets a request wait for the i-th limit of its question. False: there is no room. */
  enter(waiter: Waiter, i: number, now: number): boolean {
    if (!this.#stand(waiter, i, now)) return false;
    this.#byDeadline.add(waiter);
    waiter.x.limitWait = waiter;
    this.#arm(now);
    return true;
  }

  /** The client of a waiting request has left. */
  leave(waiter: Waiter): void {
    const now = this.#memory.clock.now();
    this.#end(waiter, 'left', now, () => {
      waiter.judge.giveBack(waiter.x, now);
      return ANSWERED;
    });
  }

  /** A request in flight has ended that was counted in this bucket. */
  released(h1: number, h2: number): void {
    if (this.#waiting === 0) return;
    const now = this.#memory.clock.now();
    for (const line of [this.#lines.get(h1, h2), this.#lines.get(h1 ^ FAIR, h2)]) {
      if (line !== null) this.#wakeBy(line, now);
    }
    this.#arm(now);
  }

  /** What the timer does. */
  tick(now = this.#memory.clock.now()): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#board.look(this.#waiting, now);
    let endings = ENDINGS_AT_ONCE;
    for (let w = this.#byDeadline.first; w !== undefined && w.until <= now; w = this.#byDeadline.first) {
      if (endings-- === 0) break;
      this.#refuse(w, 'expired', now);
    }
    let lines = LINES_AT_ONCE;
    for (let line = this.#byWake.first; line !== undefined && line.at <= now; line = this.#byWake.first) {
      if (endings <= 0 || lines-- === 0) break;
      endings -= this.#serve(line, now, endings);
    }
    this.#arm(now);
  }

  /** Takes turns as long as there are any. How many waits have ended. */
  #serve(line: Line, now: number, most: number): number {
    let ended = 0;
    const pollMs = Math.max(POLL_MS, this.#lines.size * POLL_MS_PER_LINE);
    for (let flow = line.head(now); flow !== undefined && ended < most; flow = line.head(now)) {
      const sleepMs = line.isNext(flow, pollMs, now) ? this.#try(flow, pollMs, now) : pollMs;
      if (sleepMs === 0) ended++;
      else {
        this.#wake(line, now + sleepMs);
        break;
      }
    }
    if (line.waiting > 0) line.show(now);
    return ended;
  }

  /** All limits decide again about the first of a flow. 0: it does not wait here any more; else when to look again. */
  #try(flow: Flow, pollMs: number, now: number): number {
    const waiter = flow.first;
    const { judge, question, x, desk, at } = waiter;
    judge.decide(question, now);
    const d = this.#decision;
    const conclude = () => judge.conclude(x, now);
    if (d.admitted) {
      flow.line.charge(flow, question.prices[at] as number, desk.weightOf(x), now);
      this.#end(waiter, 'admitted', now, conclude);
    } else if (!mayWait(d, waiter.desks)) {
      this.#end(waiter, 'refused', now, conclude);
    } else if ((d.refused & (1 << at)) !== 0) {
      return sleepMs(flow.line, d.waits[at] as number, pollMs);
    } else {
      // Another limit that has a queue is in the way: it waits there, and others come here.
      const next = lowestBit(d.refused);
      this.#stepOut(waiter, 'refused', now);
      if (!this.#stand(waiter, next, now)) this.#settle(waiter, conclude);
    }
    return 0;
  }

  /** False: there is no room for it. */
  #stand(waiter: Waiter, i: number, now: number): boolean {
    const { queue, max, perKey, keyOf, deadlineMs } = waiter.desks[i] as NonNullable<Waiter['desk']>;
    const { hashes, variants } = waiter.question;
    const h1 = (hashes[2 * i] as number) ^ (keyOf === null ? 0 : FAIR);
    const h2 = hashes[2 * i + 1] as number;
    const key = keyOf === null ? NOBODY : keyOf(waiter.x, h1, h2);
    let line = this.#lines.get(h1, h2);
    const length = line?.find(key)?.waiters.size ?? 0;
    const longest = queue.waiting >= max ? queue.longest : null;
    if (length >= perKey || (longest !== null && longest.waiters.size <= length + 1)) {
      queue.turnAway();
      return false;
    }
    waiter.at = i;
    waiter.since = now;
    const d = this.#decision;
    const wait = (d.refused & (1 << i)) === 0 ? 0 : (d.waits[i] as number);
    if (line === null) {
      const { algorithm } = variants[i] as (typeof variants)[number];
      line = new Line(h1, h2, keyOf !== null, algorithm, this.#board, deadlineMs);
      this.#lines.add(line);
    }
    this.#wakeBy(line, now + sleepMs(line, wait, POLL_MS));
    queue.enter(waiter, line.open(key, now));
    line.waiting++;
    this.#waiting++;
    this.#board.look(this.#waiting, now);
    line.show(now);
    // Somebody's last place has gone to a key that has fewer.
    if (longest !== null) this.#refuse(longest.waiters.last as Waiter, 'full', now);
    return true;
  }

  /** By the limit it waits for, whatever has become of that. */
  #refuse(waiter: Waiter, how: Ending, now: number): void {
    waiter.judge.look(waiter.question, now);
    this.#decision.overrule(waiter.at);
    this.#end(waiter, how, now, () => waiter.judge.conclude(waiter.x, now));
  }

  #end(waiter: Waiter, how: Ending, now: number, conclude: () => Verdict): void {
    this.#stepOut(waiter, how, now);
    this.#settle(waiter, conclude);
  }

  #stepOut(waiter: Waiter, how: Ending, now: number): void {
    const flow = waiter.flow as Flow;
    const { line } = flow;
    waiter.desk.queue.leave(waiter, how, now - waiter.since);
    waiter.x.waitedMs += now - waiter.since;
    this.#waiting--;
    line.waiting--;
    if (flow.waiters.size === 0) line.close(flow);
    if (line.waiting === 0) {
      this.#lines.delete(line);
      this.#byWake.remove(line);
    }
    // While turns are taken one after the other, once at their end.
    if (line.waiting === 0 || how === 'left' || how === 'expired') line.show(now);
    this.#board.look(this.#waiting, now);
  }

  #settle(waiter: Waiter, conclude: () => Verdict): void {
    this.#byDeadline.remove(waiter);
    waiter.x.limitWait = null;
    try {
      waiter.end(conclude());
    } catch (error) {
      // A mistake of ours: this exchange ends with it, the others wait on.
      waiter.end(Promise.reject(error));
    }
  }

  /** Unless it is to be looked at before that. */
  #wakeBy(line: Line, at: number): void {
    if (line.place < 0 || at < line.at) this.#wake(line, at);
  }

  #wake(line: Line, at: number): void {
    line.at = at;
    if (line.place < 0) this.#byWake.add(line);
    else this.#byWake.moved(line);
  }

  #arm(now: number): void {
    if (this.#waiting === 0) return;
    const deadline = this.#byDeadline.first?.until ?? Number.POSITIVE_INFINITY;
    const wake = this.#byWake.first?.at ?? Number.POSITIVE_INFINITY;
    const at = Math.min(deadline, wake, now + LOOK_EVERY_MS);
    if (at >= this.#timerAt) return;
    this.#timerAt = at;
    this.#setTimer(() => this.tick(), Math.max(0, at - now));
  }
}

const NOBODY = { h1: 0, h2: 0 };

/** Whether all limits that refuse let it wait, and none says that there is no use in it. */
export function mayWait(d: Decision, desks: Waiter['desks']): boolean {
  if (d.noRoom || !Number.isFinite(d.retryAfterMs)) return false;
  for (let i = 0; i < desks.length; i++) {
    if ((d.refused & (1 << i)) !== 0 && desks[i] === null) return false;
  }
  return true;
}

export function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

/** Nobody knows when a request in flight ends. */
function sleepMs({ algorithm }: Line, wait: number, pollMs: number): number {
  if (algorithm.windowSeconds === 0) return pollMs;
  return Math.max(1, Math.min(wait, LONGEST_SLEEP_MS));
}
