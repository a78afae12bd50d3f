import type { Float64Histogram, Int32Histogram } from 'hdr-histogram-js';
import { constructorFromBucketSize } from 'hdr-histogram-js/dist/JsHistogramFactory.js';

// Imported by file: the package's index also loads its codecs and its WebAssembly build, which costs 13 MB of resident
// memory that nothing here uses.
const Int32 = constructorFromBucketSize(32) as typeof Int32Histogram;
const Float64 = constructorFromBucketSize(64) as typeof Float64Histogram;

/**
 * Recorded latencies as flat pairs, ascending: value in microseconds, how often, value, how often, … Each value stands
 * for its class; only the last is exact, because it is the maximum.
 */
export type LatencyPairs = Uint32Array;

const SIGNIFICANT_DIGITS = 2;
const FIRST_RANGE_US = 4_095;
const LONGEST_US = 2 ** 32 - 1;

/**
 * The latencies of one phase of one route in one worker since the last `take()`, in microseconds.
 * Starts with room for 4 ms (3 KB) and grows with the largest value; above 71 minutes counts as that.
 */
export class LatencyRecorder extends Int32 {
  constructor() {
    super(1, FIRST_RANGE_US, SIGNIFICANT_DIGITS);
    this.autoResize = true;
  }

  recordMs(ms: number): void {
    const us = Math.round(ms * 1000);
    this.recordValue(us > 0 ? Math.min(us, LONGEST_US) : 0);
  }

  override countsArrayIndex(us: number): number {
    return indexOf(us);
  }

  /** Hands over everything recorded so far and starts again from nothing. */
  take(): LatencyPairs {
    const pairs: number[] = [];
    if (this.totalCount > 0) {
      const zeros = this.getCountAtIndex(0);
      if (zeros > 0) pairs.push(0, zeros);
      const last = this.countsArrayIndex(this.maxValue);
      for (let i = Math.max(1, this.countsArrayIndex(this.minNonZeroValue)); i <= last; i++) {
        const count = this.getCountAtIndex(i);
        if (count > 0) pairs.push(i === last ? this.maxValue : this.valueFromIndex(i), count);
      }
      this.reset();
    }
    return Uint32Array.from(pairs);
  }
}

/** Latencies of one phase of one route, all workers together, since the start of the process. */
export class LatencyTotals extends Float64 {
  constructor() {
    super(1, FIRST_RANGE_US, SIGNIFICANT_DIGITS);
    this.autoResize = true;
  }

  override countsArrayIndex(us: number): number {
    return indexOf(us);
  }

  merge(pairs: LatencyPairs): void {
    // From the largest down: the counts are resized once at most.
    for (let i = pairs.length - 2; i >= 0; i -= 2) this.recordValueWithCount(pairs[i]!, pairs[i + 1]!);
  }

  /** The library rounds the maximum when the two differ in size. */
  override add(other: LatencyTotals): void {
    const exact = Math.max(this.maxValue, other.maxValue);
    super.add(other);
    this.maxValue = exact;
  }

  /**
   * How many values are at or below each bound (ascending, in microseconds). A value that the two digits cannot tell
   * from the bound counts as below it.
   */
  cumulative(boundsUs: readonly number[]): number[] {
    const counts: number[] = [];
    let seen = 0;
    let i = 0;
    for (const bound of boundsUs) {
      const end = Math.min(indexOf(bound), this.countsArrayLength - 1);
      while (i <= end) seen += this.getCountAtIndex(i++);
      counts.push(seen);
    }
    return counts;
  }
}

/**
 * The library's layout for two digits (256 sub-buckets, 128 of them per power of two), with integer operations in place
 * of its `log2` and `pow`: recording a value takes 3 ns where it took 45.
 */
function indexOf(us: number): number {
  const bucket = 24 - Math.clz32(us | 255);
  return (bucket << 7) + (us >>> bucket);
}
