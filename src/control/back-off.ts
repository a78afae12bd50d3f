const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 10_000;
/** One that lived this long was well: its death begins a new series. */
export const GOOD_LIFE_MS = 10_000;

/**
 * How long to wait before a dead worker is replaced, or one that refused is asked again: not at all the first time, then
 * 100 ms, doubling up to 10 s, with up to 20 % taken off at random, so that workers that died together do not come back
 * together.
 */
export class BackOff {
  readonly #random: () => number;
  #quickDeaths = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Milliseconds to wait after a worker that lived `livedMs`. */
  next(livedMs: number): number {
    if (livedMs >= GOOD_LIFE_MS) this.#quickDeaths = 0;
    const deaths = this.#quickDeaths++;
    if (deaths === 0) return 0;
    const waitMs = Math.min(FIRST_WAIT_MS * 2 ** (deaths - 1), LONGEST_WAIT_MS);
    return Math.round(waitMs * (1 - 0.2 * this.#random()));
  }
}
