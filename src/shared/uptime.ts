/** The machine's monotonic clock: the same in all processes, and nobody can set it. */

/** `performance.now()` begins with the process, but runs on the clock that `process.hrtime` reads. */
const BEGAN_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Milliseconds, with a fraction, since some moment in the life of the machine. */
export function uptimeMs(): number {
  return BEGAN_MS + performance.now();
}
