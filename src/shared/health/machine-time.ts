/**
 * Times in words of shared memory: steps of the machine's monotonic clock, which all processes read alike and nobody can
 * set. They come round after weeks, so only differences are read, and what lies just ahead counts as now: another
 * process may have read the clock a moment later.
 */

const OFFSET_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Milliseconds since the machine's start, with a fraction; the same in all processes. */
export function machineNow(): number {
  return performance.now() + OFFSET_MS;
}

/** How far a time may lie ahead. */
const AHEAD_MS = 60_000;

/** Times of `bits` bits, in steps of `stepMs`. */
export class StepClock {
  readonly #stepMs: number;
  readonly #mask: number;
  readonly #ahead: number;

  constructor(stepMs: number, bits: number) {
    this.#stepMs = stepMs;
    this.#mask = 2 ** bits - 1;
    this.#ahead = Math.ceil(AHEAD_MS / stepMs);
  }

  /** The step of `now`: what is written. */
  at(now: number): number {
    return (now / this.#stepMs) & this.#mask;
  }

  /** Milliseconds from a step to `now`. */
  since(step: number, now: number): number {
    const steps = (now / this.#stepMs - step) & this.#mask;
    return steps > this.#mask - this.#ahead ? 0 : steps * this.#stepMs;
  }
}
