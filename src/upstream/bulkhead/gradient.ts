/**
 * A limit on concurrency that follows latency, after Netflix' "Gradient2": as long as the service answers about as fast as
 * in the long run, the limit grows by its square root; when it becomes slower, it shrinks in that proportion.
 */
export interface GradientOptions {
  readonly min: number;
  readonly max: number;
  /** So many times slower than in the long run still counts as fast. */
  readonly tolerance: number;
}

/** A window ends after this time, */
const WINDOW_MS = 250;
/** if it has so many answers. */
const ENOUGH = 10;
/** Windows over which the long run is taken, exponentially. */
const LONG_RUN = 600;
/** So many at the beginning count alike. */
const WARM_UP = 10;
/** Share of each step that is taken. */
const SMOOTHING = 0.2;
const FIRST_LIMIT = 20;

export class Gradient {
  options: GradientOptions;
  #limit: number;
  #longMs = 0;
  #windows = 0;
  #windowEndsAt = 0;
  #sumMs = 0;
  #count = 0;
  #mostInFlight = 0;

  constructor(options: GradientOptions) {
    this.options = options;
    this.#limit = clamp(FIRST_LIMIT, options);
  }

  /** A whole number. */
  get limit(): number {
    return Math.floor(clamp(this.#limit, this.options));
  }

  /** An answer began `ms` after its try; `inFlight` were under way. True: the limit may have changed. */
  sample(ms: number, inFlight: number, now: number): boolean {
    if (this.#count === 0 && now >= this.#windowEndsAt) this.#windowEndsAt = now + WINDOW_MS;
    this.#sumMs += ms;
    this.#count++;
    if (inFlight > this.#mostInFlight) this.#mostInFlight = inFlight;
    if (now < this.#windowEndsAt || this.#count < ENOUGH) return false;
    this.#step(this.#sumMs / this.#count, this.#mostInFlight);
    this.#sumMs = 0;
    this.#count = 0;
    this.#mostInFlight = 0;
    return true;
  }

  #step(shortMs: number, inFlight: number): void {
    this.#windows++;
    const weight = this.#windows <= WARM_UP ? 1 / this.#windows : 2 / (LONG_RUN + 1);
    this.#longMs += (shortMs - this.#longMs) * weight;
    // Long overload must not become the measure of what is normal.
    if (this.#longMs > 2 * shortMs) this.#longMs *= 0.95;
    // Traffic that does not use the limit says nothing about it.
    if (inFlight < this.#limit / 2) return;
    const gradient = Math.max(0.5, Math.min(1, (this.options.tolerance * this.#longMs) / shortMs));
    const next = this.#limit * gradient + Math.sqrt(this.#limit);
    this.#limit = clamp(this.#limit * (1 - SMOOTHING) + next * SMOOTHING, this.options);
  }
}

function clamp(limit: number, { min, max }: GradientOptions): number {
  return Math.max(Math.min(min, max), Math.min(max, limit));
}
