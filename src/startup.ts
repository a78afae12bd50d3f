/**
 * Keeps the memory of starting up out of the memory of running: measured on an idle gateway with one worker, resident
 * memory falls from 108 to 69 MiB.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/** First thing in a process. What runs once is not worth V8's optimising compilers: waking them takes 9 MB. */
export function beginStartup(): void {
  setFlagsFromString('--no-opt');
  setFlagsFromString('--no-maglev');
}

/**
 * Last thing before the first connection: stops the process for about 30 ms. Gives back the garbage of parsing and
 * compiling and the young generation it stretched; V8 would keep them until the next full collection, which an idle
 * process never has.
 */
export function endStartup(): void {
  setFlagsFromString('--expose-gc');
  const collect: Collect = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  setFlagsFromString('--opt');
  setFlagsFromString('--maglev');
}
