/** What keeping limits in step with other machines has cost, and how it stands. */

/** Upper bounds of the buckets, in seconds. */
export const ROUND_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25] as const;

export class SyncCounts {
  connected = false;
  /** This one included. */
  machines = 1;
  /** Calls of Redis. */
  calls = 0;
  /** Rounds and heartbeats that failed. */
  failures = 0;
  /** Keys that were asked for, each time. */
  keys = 0;
  /** Keys that are being asked for at present. */
  followed = 0;
  /** Buckets that were changed by what Redis said. */
  corrections = 0;
  rounds = 0;
  seconds = 0;
  readonly buckets = new Float64Array(ROUND_BUCKETS.length);

  round(ms: number, keys: number): void {
    this.rounds++;
    this.keys += keys;
    this.seconds += ms / 1000;
    for (const [i, bound] of ROUND_BUCKETS.entries()) if (ms <= 1000 * bound) this.buckets[i]!++;
  }
}
