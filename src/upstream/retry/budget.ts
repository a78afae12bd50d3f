/**
 * How much may be sent a second time: a share of what is sent a first time, over a sliding window, so that repetitions
 * never multiply an outage; and a small minimum, so that a service that is asked rarely is not left without any.
 */
export interface BudgetOptions {
  /** 0..1. */
  readonly share: number;
  /** Per second; allowed whatever the share comes to. */
  readonly minimum: number;
}

const SLICE_MS = 1_000;
/** Slices of the window: ten seconds. */
const SLICES = 10;

export class Budget {
  /** A reload may change it; what was spent stays spent. */
  options: BudgetOptions;
  readonly #requests = new Float64Array(SLICES);
  readonly #spent = new Float64Array(SLICES);
  #requestsSum = 0;
  #spentSum = 0;
  #slice = 0;

  constructor(options: BudgetOptions) {
    this.options = options;
  }

  /** Something is sent for the first time. `now`: milliseconds of any clock that does not go back. */
  request(now: number): void {
    this.#advance(now);
    this.#requests[this.#slice % SLICES]++;
    this.#requestsSum++;
  }

  /** Takes one repetition; false when there is none left. */
  take(now: number): boolean {
    this.#advance(now);
    const { share, minimum } = this.options;
    const allowed = Math.max(share * this.#requestsSum, (minimum * SLICES * SLICE_MS) / 1_000);
    if (this.#spentSum + 1 > allowed) return false;
    this.#spent[this.#slice % SLICES]++;
    this.#spentSum++;
    return true;
  }

  /** One that was taken is not needed. */
  giveBack(): void {
    const at = this.#slice % SLICES;
    if (this.#spent[at] === 0) return;
    this.#spent[at]--;
    this.#spentSum--;
  }

  #advance(now: number): void {
    const slice = Math.floor(now / SLICE_MS);
    if (slice === this.#slice) return;
    const first = Math.max(this.#slice + 1, slice - SLICES + 1);
    for (let s = first; s <= slice; s++) {
      const at = s % SLICES;
      this.#requestsSum -= this.#requests[at];
      this.#spentSum -= this.#spent[at];
      this.#requests[at] = 0;
      this.#spent[at] = 0;
    }
    this.#slice = Math.max(slice, this.#slice);
  }
}
