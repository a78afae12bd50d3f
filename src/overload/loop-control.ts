/**
 * How much to refuse so that the event loop keeps up. The loop's delay says that there is too much work, not how much too
 * much, and it says so late: a fraction that followed it directly would swing between none and all. So the part of the
 * work that is refused is what this controller moves, in small steps, like TCP its window: of what is admitted a part is cut
 * off while the delay is too high, a little is added while it is low, and in between nothing changes.
 *
 * The part is one of all requests. It is taken from the lowest class first, and from the next when that is not enough, by
 * what each class has sent lately: a class that sends little does not hold up the others.
 */
import { BACKGROUND, CRITICAL, NORMAL, PRIORITIES } from './overload.js';

/** Between these pressures nothing changes. */
const LOW = 0.5;
const HIGH = 0.8;
/** Of what is admitted, cut off in a step: at least, per pressure above `HIGH`, and at most. */
const CUT = 0.05;
const CUT_BY_EXCESS = 0.25;
const MOST_CUT = 0.3;
/** Of all, added in a step. */
const ADD = 0.02;
/** Of critical requests, the most that is refused: a wrong reading must not close the gateway. */
const MOST_CRITICAL = 0.9;
/** Weight of the newest step in what classes have sent lately. */
const RECENT = 0.3;

/** Several times per second. */
export const STEP_MS = 200;

export class LoopControl {
  /** By class: the part that is refused. */
  readonly shares = new Float64Array(PRIORITIES.length);
  /** Of all requests, 0 to 1. */
  #refused = 0;
  readonly #sent = new Float64Array(PRIORITIES.length);

  /** `pressure`: delay by ceiling. `offered`: requests of each class since the last step, as far as they were counted. */
  step(pressure: number, offered: ArrayLike<number>): void {
    this.#learn(offered);
    if (pressure > HIGH) this.#cut(pressure);
    else if (pressure < LOW) this.#refused = Math.max(0, this.#refused - ADD);
    this.#divide();
  }

  /** Nothing is refused. */
  reset(): void {
    this.#refused = 0;
    this.shares.fill(0);
  }

  #learn(offered: ArrayLike<number>): void {
    let any = false;
    for (let c = 0; c < PRIORITIES.length; c++) any ||= (offered[c] as number) > 0;
    if (!any) return;
    for (let c = 0; c < PRIORITIES.length; c++) {
      this.#sent[c] = (1 - RECENT) * (this.#sent[c] as number) + RECENT * (offered[c] as number);
    }
  }

  #cut(pressure: number): void {
    const cut = Math.min(MOST_CUT, CUT + CUT_BY_EXCESS * (pressure - HIGH));
    const next = 1 - (1 - this.#refused) * (1 - cut);
    // Critical requests are touched only when the ceiling itself is passed with everything else refused.
    const critical = this.#part(CRITICAL);
    const most = pressure > 1 ? 1 - critical * (1 - MOST_CRITICAL) : Math.max(this.#refused, 1 - critical);
    this.#refused = Math.min(next, most);
  }

  #divide(): void {
    let left = this.#refused;
    for (const c of [BACKGROUND, NORMAL, CRITICAL]) {
      const part = this.#part(c);
      const most = c === CRITICAL ? MOST_CRITICAL : 1;
      const share = left <= 1e-9 ? 0 : part === 0 ? (c === CRITICAL ? 0 : 1) : Math.min(most, left / part);
      this.shares[c] = share;
      left -= share * part;
    }
  }

  /** The part of all requests that a class has sent; a third while nobody knows. */
  #part(c: number): number {
    const sum = this.#sent.reduce((a, b) => a + b, 0);
    return sum === 0 ? 1 / PRIORITIES.length : (this.#sent[c] as number) / sum;
  }
}
