/**
 * Keeps resident memory near what the gateway needs: V8 collects by what it allocates itself, and neither what starting
 * up leaves behind nor the buffers of streams weigh much in that.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

interface Collect {
  (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }): void;
  (options: { type: 'minor'; execution: 'sync' }): void;
}

/** Bodies that may pass between two collections of their buffers. */
const STREAMED_BYTES = 4 * 1024 * 1024;
/** Buffers below this do not count: the objects around them bring collections about by themselves. */
const SMALL_BYTES = 8 * 1024;

const collect = exposeCollect();
let streamed = 0;

/**
 * First thing in a process. What runs once is not worth V8's optimising compilers: waking them takes 9 MB.
 * With `endStartup`, and what config/reader/ is for, it brings an idle gateway with one worker from 108 to 67 MiB.
 */
export function beginStartup(): void {
  setFlagsFromString('--no-opt');
  setFlagsFromString('--no-maglev');
}

/**
 * Last thing before the first connection: stops the process for about 50 ms. Gives back the garbage of parsing and
 * compiling, the young generation it stretched, and the bytecode of what has run for the last time: an idle process would
 * keep all of that.
 */
export function endStartup(): void {
  setFlagsFromString('--bytecode-old-age=1');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  setFlagsFromString('--bytecode-old-age=6');
  setFlagsFromString('--opt');
  setFlagsFromString('--maglev');
  // What is in flight is little: threads to copy it cost more than the copying, on cores that have workers of their own.
  setFlagsFromString('--no-parallel-scavenge');
}

/**
 * A part of a body has passed and its buffer is garbage. V8 tolerates 64 MB of such buffers in the young generation
 * before it looks; streaming 1 GiB grew a worker by 180 MiB. A collection of the young generation takes about 0.5 ms.
 */
export function bodyPassed(bytes: number): void {
  if (bytes < SMALL_BYTES) return;
  streamed += bytes;
  if (streamed < STREAMED_BYTES) return;
  streamed = 0;
  collect({ type: 'minor', execution: 'sync' });
}

function exposeCollect(): Collect {
  setFlagsFromString('--expose-gc');
  const exposed: Collect = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  return exposed;
}
