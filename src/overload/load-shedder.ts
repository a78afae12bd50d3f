/**
 * Refuses what the gateway cannot carry, the lowest class first. A calm gateway pays one comparison for a request: requests
 * in flight, which it counts anyway, with `calmUpTo`. Only above it is looked at who comes.
 */
import { OVERLOADED } from '../errors.js';
import type { Exchange } from '../exchange.js';
import type { Log } from '../observe/log.js';
import { CONTINUE, type Stage, type Verdict } from '../pipeline.js';
import { Held, IN_FLIGHT_BANDS, MEMORY_BANDS, shareAt } from './bands.js';
import { Episodes, rounded } from './episodes.js';
import { Lateness, TICK_MS } from './lateness.js';
import { LoopControl, STEP_MS } from './loop-control.js';
import {
  IN_FLIGHT,
  LOOP_DELAY,
  MEMORY,
  type OverloadReport,
  PRIORITIES,
  type Priority,
  SHED_SLOTS,
  SIGNALS,
} from './overload.js';

export interface Ceilings {
  /** Milliseconds; 0: none. */
  readonly loopDelayMs: number;
  /** Requests in this worker; 0: none. */
  readonly inFlight: number;
  /** Bytes in use by bytes allowed; null: none. */
  readonly memory: (() => number) | null;
  /** Clients are asked to come back after 1 s to this. */
  readonly retryAfterMs: number;
}

/** Where the requests are. */
export interface Load {
  /** The one at hand included. */
  readonly inFlight: number;
}

const EVERYBODY = 2 ** 30;
const MEMORY_READING_MS = 1_000;
/**
 * When the loop has been late just now, the turn it is in has an end for each class: as soon as its timer is late by so many
 * ceilings, the class is refused until the turn is over. Without it one turn takes all that waits in thousands of connections,
 * and the next look at the delay comes only then.
 */
const TURN_ENDS: readonly number[] = [1, 2, 4];
/** One critical request in ten always passes. */
const AFTER_TURN: readonly number[] = [1, 1, 0.9];
const NO_CEILINGS: Ceilings = { loopDelayMs: 0, inFlight: 0, memory: null, retryAfterMs: 1_000 };

export class LoadShedder {
  /** With so many in flight, and fewer, nobody is refused; -1: somebody may be, however many there are. */
  calmUpTo = EVERYBODY;
  readonly #load: Load;
  readonly #random: () => number;
  readonly #episodes: Episodes;
  readonly #lateness = new Lateness();
  readonly #loop = new LoopControl();
  readonly #held = new Held();
  readonly #memoryShares = new Float64Array(PRIORITIES.length);
  /** Requests that were looked at since the last step. */
  readonly #offered = new Int32Array(PRIORITIES.length);
  /** Refused since the last step, and since the last report. */
  readonly #refused = new Int32Array(SHED_SLOTS);
  #shed = new Float64Array(SHED_SLOTS);
  #ceilings = NO_CEILINGS;
  #memory = 0;
  #memoryReadAt = Number.NEGATIVE_INFINITY;
  #steppedAt = 0;
  #settledAt = 0;
  /** When the timer fires next, if nothing keeps the loop from it. */
  #dueAt = Number.POSITIVE_INFINITY;
  /** One of the last firings was later than the ceiling. */
  #alert = false;

  constructor(load: Load, log: Log, random: () => number = Math.random) {
    this.#load = load;
    this.#random = random;
    this.#episodes = new Episodes(log, () => this.#figures());
  }

  stage(priority: Priority): Stage {
    const rank = PRIORITIES.indexOf(priority);
    const load = this.#load;
    return (x) => (load.inFlight <= this.calmUpTo ? CONTINUE : this.#judge(x, rank));
  }

  /** Ceilings of another configuration; what is refused stays as it is, as far as they still have the signal. */
  adopt(ceilings: Ceilings): void {
    this.#ceilings = ceilings;
    if (ceilings.loopDelayMs === 0) this.#loop.reset();
    if (ceilings.memory === null) {
      this.#memory = 0;
      this.#held.value = 0;
      this.#memoryShares.fill(0);
    }
    this.#settle();
  }

  /** Until then the loop's delay is that of starting up or of building a configuration, and counts for nothing. */
  warmUp(until: number): void {
    this.#settledAt = until;
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.#lateness.forget();
  }

  /** Every `TICK_MS`, with the time in milliseconds. */
  tick(now: number): void {
    const { loopDelayMs } = this.#ceilings;
    if (now >= this.#settledAt) {
      this.#lateness.fired(now);
      this.#dueAt = now + TICK_MS;
    }
    this.#alert = loopDelayMs > 0 && this.#lateness.worst > loopDelayMs;
    // By the clock: an overloaded loop fires seldom, and must not be looked at more seldom for it.
    if (now - this.#steppedAt >= STEP_MS - TICK_MS / 2) {
      this.step(now, this.#lateness.known ? this.#lateness.ms : Number.NaN);
    } else {
      this.#settle();
    }
  }

  /** Every `STEP_MS`, with the delay of the event loop; NaN, which nobody knows, changes nothing. */
  step(now: number, lateMs: number): void {
    const { loopDelayMs, memory } = this.#ceilings;
    this.#steppedAt = now;
    if (loopDelayMs > 0) this.#loop.step(lateMs / loopDelayMs, this.#offered);
    if (memory !== null && now - this.#memoryReadAt >= MEMORY_READING_MS - STEP_MS / 2) {
      this.#memoryReadAt = now;
      this.#memory = memory();
      const held = this.#held.take(this.#memory);
      for (const [i, band] of MEMORY_BANDS.entries()) this.#memoryShares[i] = shareAt(band, held);
    }
    this.#offered.fill(0);
    this.#settle();
    for (let c = 0; c < PRIORITIES.length; c++) {
      const bySignal = [...this.#refused.subarray(c * SIGNALS.length, (c + 1) * SIGNALS.length)];
      this.#episodes.note(c, bySignal, this.#shareOf(c), now);
    }
    this.#refused.fill(0);
  }

  report(): OverloadReport {
    const shed = this.#shed;
    this.#shed = new Float64Array(SHED_SLOTS);
    const shares = PRIORITIES.map((priority, c) => [priority, rounded(this.#shareOf(c))]);
    return { pressure: this.#pressure(), refusing: Object.fromEntries(shares), shed };
  }

  #judge(x: Exchange, rank: number): Verdict {
    this.#offered[rank]++;
    let signal = IN_FLIGHT;
    let share = this.#crowdShare(rank, this.#load.inFlight - 1);
    if (this.#loop.shares[rank] > share) {
      signal = LOOP_DELAY;
      share = this.#loop.shares[rank];
    }
    if (this.#memoryShares[rank] > share) {
      signal = MEMORY;
      share = this.#memoryShares[rank];
    }
    if (share < AFTER_TURN[rank] && this.#isTurnOver(x.startedAt, rank)) {
      signal = LOOP_DELAY;
      share = AFTER_TURN[rank];
    }
    if (share === 0 || this.#random() >= share) return CONTINUE;
    this.#refused[rank * SIGNALS.length + signal]++;
    this.#shed[rank * SIGNALS.length + signal]++;
    // Spread, so that those who are refused together do not come back together.
    x.retryAfterS = 1 + Math.floor((this.#random() * this.#ceilings.retryAfterMs) / 1000);
    return x.refuse(OVERLOADED);
  }

  #isTurnOver(now: number, rank: number): boolean {
    return this.#alert && now - this.#dueAt > TURN_ENDS[rank] * this.#ceilings.loopDelayMs;
  }

  /** `others`: in flight besides the request at hand. */
  #crowdShare(rank: number, others: number): number {
    const most = this.#ceilings.inFlight;
    return most === 0 ? 0 : shareAt(IN_FLIGHT_BANDS[rank], others / most);
  }

  #shareOf(rank: number): number {
    const crowd = this.#crowdShare(rank, this.#load.inFlight);
    return Math.max(crowd, this.#loop.shares[rank], this.#memoryShares[rank]);
  }

  #settle(): void {
    const { inFlight } = this.#ceilings;
    const slow =
      this.#alert ||
      this.#loop.shares.some((share) => share > 0) ||
      this.#memoryShares.some((share) => share > 0);
    const room = inFlight === 0 ? EVERYBODY : Math.floor(IN_FLIGHT_BANDS[0].from * inFlight);
    this.calmUpTo = slow ? -1 : room;
  }

  #pressure(): OverloadReport['pressure'] {
    const { loopDelayMs, inFlight, memory } = this.#ceilings;
    return {
      ...(loopDelayMs > 0 && { loopDelay: rounded(this.#lateness.ms / loopDelayMs) }),
      ...(inFlight > 0 && { inFlight: rounded(this.#load.inFlight / inFlight) }),
      ...(memory !== null && { memory: rounded(this.#memory) }),
    };
  }

  #figures(): Readonly<Record<string, unknown>> {
    const { loopDelayMs, inFlight } = this.#ceilings;
    return {
      pressure: this.#pressure(),
      ...(loopDelayMs > 0 && { loopDelayMs: rounded(this.#lateness.ms), loopDelayCeilingMs: loopDelayMs }),
      inFlight: this.#load.inFlight,
      ...(inFlight > 0 && { inFlightCeiling: inFlight }),
    };
  }
}
