/**
 * Every instruction that touches shared memory is a call of Atomics. So a process can be stopped before each of them in turn:
 * for good, as by SIGKILL, or while another one does all of its work.
 */

const METHODS = ['load', 'store', 'compareExchange', 'exchange', 'add', 'and', 'or'] as const;

class Killed extends Error {}

/** Runs `work` and calls `at` before its access number `n`, from 1. False: it has fewer. Accesses of `at` are not counted. */
function interrupt(n: number, work: () => void, at: () => void): boolean {
  const atomics = Atomics as unknown as Record<string, (...args: unknown[]) => unknown>;
  const originals = METHODS.map((name) => atomics[name] as (...args: unknown[]) => unknown);
  let count = 0;
  for (const [i, name] of METHODS.entries()) {
    const original = originals[i] as (...args: unknown[]) => unknown;
    atomics[name] = (...args) => {
      if (++count === n) {
        restore();
        at();
      }
      return original(...args);
    };
  }
  function restore() {
    for (const [i, name] of METHODS.entries()) atomics[name] = originals[i] as never;
  }
  try {
    work();
  } finally {
    restore();
  }
  return count >= n;
}

/** Kills `work` before its n-th access. False: it came to its end. */
export function killedAt(n: number, work: () => void): boolean {
  try {
    interrupt(n, work, () => {
      throw new Killed();
    });
  } catch (error) {
    if (error instanceof Killed) return true;
    throw error;
  }
  return false;
}

/** Stops `work` before its n-th access until `other` is done. False: it came to its end before. */
export function stoppedAt(n: number, work: () => void, other: () => void): boolean {
  return interrupt(n, work, other);
}
