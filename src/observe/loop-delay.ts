import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { WorkerReport } from '../bus/report.js';

/** A timer of this period is watched: 0.1 % of a core; at 20 ms it is twice that. */
const RESOLUTION_MS = 50;
const WINDOW_MS = 15_000;

type Delay = WorkerReport['eventLoopDelayMs'];

const NONE: Delay = { p50: 0, p99: 0, max: 0 };

/**
 * How late the event loop runs its timers, in milliseconds. A reading covers the last 15 to 30 seconds, so that a peak
 * shows in at least one scrape of the usual period, whoever else reads.
 */
export class LoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #before = NONE;
  #rotate: NodeJS.Timeout | undefined;

  start(): void {
    this.#histogram.enable();
    this.#rotate = setInterval(() => {
      this.#before = this.#current();
      this.#histogram.reset();
    }, WINDOW_MS).unref();
  }

  stop(): void {
    clearInterval(this.#rotate);
    this.#histogram.disable();
  }

  read(): Delay {
    const now = this.#current();
    return {
      p50: Math.max(now.p50, this.#before.p50),
      p99: Math.max(now.p99, this.#before.p99),
      max: Math.max(now.max, this.#before.max),
    };
  }

  #current(): Delay {
    if (this.#histogram.count === 0) return NONE;
    return {
      p50: lateness(this.#histogram.percentile(50)),
      p99: lateness(this.#histogram.percentile(99)),
      max: lateness(this.#histogram.max),
    };
  }
}

/**
 * The histogram holds the time between two firings, in nanoseconds: what is above the period came late. To the
 * microsecond.
 */
function lateness(betweenNs: number): number {
  return Math.round(Math.max(0, betweenNs / 1e3 - RESOLUTION_MS * 1e3)) / 1e3;
}
