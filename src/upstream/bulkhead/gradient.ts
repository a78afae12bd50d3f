/**
 * A limit on concurrency that follows latency, after Netflix' "Gradient2": as long as the service answers about as fast as
 * in the long run, the limit grows by its square root; when it becomes slower, it shrinks in that proportion. Two things
 * differ: it begins at the bottom, so that the first measure is not taken under overload, and it hardly believes that slow
 * is normal as long as the limit is in use.
 */
export interface GradientOptions {
  readonly min: number;
  readonly max: number;
  /** So many times slower than in the long run still counts as fast. */
  readonly tolerance: number;
}

/** A window ends after this time, */
const WINDOW_MS = 250;
/** at the beginning after this: requests wait, or are refused, until the limit has grown to what the service can do; */
const FIRST_WINDOWS_MS = 50;
/** if it has so many answers. */
const ENOUGH = 10;
/** Windows over which the long run is taken, exponentially. */
const LONG_RUN = 600;
/** So many at the beginning count alike. */
const WARM_UP = 10;
/** So much slower it learns that the service has become slower for good, as long as the limit is in use. */
const DOUBT = 10;
/** Share of each step that is taken, once the limit has met what the service can do. */
const SMOOTHING = 0.2;

export class Gradient {
  options: GradientOptions;
  #limit: number;
  #longMs = 0;
  #windows = 0;
  #windowEndsAt = 0;
  #sumMs = 0;
  #count = 0;
  #mostInFlight = 0;
  /** Nothing has slowed down yet: whole steps. */
  #rising = true;

  constructor(options: GradientOptions) {
    this.options = options;
    this.#limit = clamp(options.min, options);
  }

  /** A whole number. */
  get limit(): number {
    return Math.floor(clamp(this.#limit, this.options));
  }

  /** An answer began `ms` after its try; `inFlight` were under way. True: the limit may have changed. */
  sample(ms: number, inFlight: number, now: number): boolean {
    if (this.#count === 0 && now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + (this.#rising ? FIRST_WINDOWS_MS : WINDOW_MS);
    }
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
    // Traffic that does not use the limit says nothing about it, but tells how fast the service is when it is free.
    const used = inFlight >= this.#limit / 2;
    this.#learn(shortMs, used);
    if (!used) return;
    const gradient = Math.max(0.5, Math.min(1, (this.options.tolerance * this.#longMs) / shortMs));
    if (gradient < 1) this.#rising = false;
    const share = this.#rising ? 1 : SMOOTHING;
    const next = this.#limit * gradient + Math.sqrt(this.#limit);
    this.#limit = clamp(this.#limit * (1 - share) + next * share, this.options);
  }

  #learn(shortMs: number, used: boolean): void {
    this.#windows++;
    let weight = this.#windows <= WARM_UP ? 1 / this.#windows : 2 / (LONG_RUN + 1);
    if (used && shortMs > this.#longMs && this.#windows > 1) weight /= DOUBT;
    this.#longMs += (shortMs - this.#longMs) * weight;
    if (this.#longMs > 2 * shortMs) this.#longMs *= 0.95;
  }
}

function clamp(limit: number, { min, max }: GradientOptions): number {
  return Math.max(Math.min(min, max), Math.min(max, limit));
}
