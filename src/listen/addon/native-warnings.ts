/**
 * The listener writes a line to standard error each time a socket is made outside of its `cork`, where we make them on
 * purpose (see `HttpClient.accept`), and cannot be told not to. So its standard error leads nowhere for that moment.
 */
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';

const STDERR = 2;

interface Descriptors {
  dup(descriptor: number): number;
  dup2(from: number, to: number): number;
  readonly nowhere: number;
}

let descriptors: Descriptors | null | undefined; // null: there are none

/** Runs something that takes no time and writes nothing that anybody should read. */
export function withoutNativeWarnings(run: () => void): void {
  if (descriptors === undefined) descriptors = open();
  const before = descriptors?.dup(STDERR) ?? -1;
  if (descriptors === null || before < 0) return run();
  descriptors.dup2(descriptors.nowhere, STDERR);
  try {
    run();
  } finally {
    descriptors.dup2(before, STDERR);
    closeSync(before);
  }
}

/** null: koffi has no binary for this platform. The lines are then written. */
function open(): Descriptors | null {
  try {
    const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi');
    const system = koffi.load(null);
    const dup = system.func('int dup(int)');
    const dup2 = system.func('int dup2(int, int)');
    return { dup, dup2, nowhere: openSync('/dev/null', 'w') };
  } catch {
    return null;
  }
}
