/**
 * What became of the calls of the last while: a ring of buckets in shared memory, counted by atomic adds. A bucket is for the
 * span of time that its first word names; whoever finds an older one there empties it first and names it then, so that a
 * process may be killed in between. One that is stopped in between may cost a bucket some counts, never add any.
 */

const BUCKETS = 6;
const BUCKET_WORDS = 4;
// Words of a bucket.
const SPAN = 0;
const CALLS = 1;
const FAILED = 2;
const SLOW = 3;

/** Words that a window takes. */
export const WINDOW_WORDS = BUCKETS * BUCKET_WORDS;

export interface WindowSum {
  calls: number;
  failed: number;
  slow: number;
}

export class SlidingWindow {
  readonly #words: Int32Array;
  readonly #first: number;
  readonly #bucketMs: number;

  /** The ring covers `windowMs`, and what has passed of one bucket more. */
  constructor(words: Int32Array, first: number, windowMs: number) {
    this.#words = words;
    this.#first = first;
    this.#bucketMs = windowMs / (BUCKETS - 1);
  }

  add(now: number, failed: boolean, slow: boolean): void {
    const span = this.#spanOf(now);
    const bucket = this.#first + (span % BUCKETS) * BUCKET_WORDS;
    const words = this.#words;
    const found = Atomics.load(words, bucket + SPAN);
    if (found !== span && !this.#renew(bucket, found, span)) return;
    Atomics.add(words, bucket + CALLS, 1);
    if (failed) Atomics.add(words, bucket + FAILED, 1);
    if (slow) Atomics.add(words, bucket + SLOW, 1);
  }

  sum(now: number): WindowSum {
    const words = this.#words;
    const last = this.#spanOf(now);
    const sum = { calls: 0, failed: 0, slow: 0 };
    for (let i = 0; i < BUCKETS; i++) {
      const bucket = this.#first + i * BUCKET_WORDS;
      const age = last - Atomics.load(words, bucket + SPAN);
      if (age < 0 || age >= BUCKETS) continue;
      sum.calls += Atomics.load(words, bucket + CALLS);
      sum.failed += Atomics.load(words, bucket + FAILED);
      sum.slow += Atomics.load(words, bucket + SLOW);
    }
    return sum;
  }

  /** Nothing has happened yet. */
  clear(): void {
    for (let i = 0; i < BUCKETS; i++) Atomics.store(this.#words, this.#first + i * BUCKET_WORDS + SPAN, 0);
  }

  /** False: the bucket is for a later time already; whoever asks was stopped for a while. */
  #renew(bucket: number, found: number, span: number): boolean {
    // Much later is a span of another length: the window was configured anew.
    if (found > span && found - span <= BUCKETS) return false;
    const words = this.#words;
    const calls = Atomics.load(words, bucket + CALLS);
    const failed = Atomics.load(words, bucket + FAILED);
    const slow = Atomics.load(words, bucket + SLOW);
    // Only what was read while the old name stood is swapped for nothing: what others count under the new one stays.
    if (Atomics.load(words, bucket + SPAN) === found) {
      Atomics.compareExchange(words, bucket + CALLS, calls, 0);
      Atomics.compareExchange(words, bucket + FAILED, failed, 0);
      Atomics.compareExchange(words, bucket + SLOW, slow, 0);
      Atomics.compareExchange(words, bucket + SPAN, found, span);
    }
    return Atomics.load(words, bucket + SPAN) === span;
  }

  /** Never 0: that is a bucket nobody has used. Buckets are 200 ms at least, so it fits for a decade. */
  #spanOf(now: number): number {
    return Math.floor(now / this.#bucketMs) + BUCKETS;
  }
}
