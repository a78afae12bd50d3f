/** How long messages are in the gateway: from when one is whole until the other side's connection has taken it. */
import { type LatencyPairs, LatencyRecorder } from '../../observe/latency.js';

/** One message in so many is timed: a power of two. */
export const TIMED_OF = 64;
/** A peer that is slow is looked at this often, for one message at a time, and no longer than that. */
const LOOK_EVERY_MS = 10;
const LONGEST_MS = 10_000;

/** Since the report before. */
export interface HopCounts {
  readonly times: LatencyPairs;
  readonly sumMs: number;
}

export class HopClock {
  readonly #recorder = new LatencyRecorder();
  #sumMs = 0;
  #messages = 0;
  /** One waits for its peer. */
  #waits = false;

  /** Whether this message is one to be timed. Asked of each. */
  due(): boolean {
    return (++this.#messages & (TIMED_OF - 1)) === 0 && !this.#waits;
  }

  /** The same as `time`, of one message in so many. */
  sent(since: number, peer: { readonly waiting: number }): void {
    if (this.due()) this.time(since, peer);
  }

  /** It was there at `since` (`performance.now()`), and has just been sent to this peer. */
  time(since: number, peer: { readonly waiting: number }): void {
    if (peer.waiting === 0) return this.#record(performance.now() - since);
    this.#waits = true;
    const look = () => {
      const elapsed = performance.now() - since;
      if (peer.waiting > 0 && elapsed < LONGEST_MS) return void setTimeout(look, LOOK_EVERY_MS).unref();
      this.#waits = false;
      this.#record(elapsed);
    };
    setImmediate(look);
  }

  take(): HopCounts {
    const sumMs = this.#sumMs;
    this.#sumMs = 0;
    return { times: this.#recorder.take(), sumMs };
  }

  #record(ms: number): void {
    this.#sumMs += ms;
    this.#recorder.recordMs(ms);
  }
}
