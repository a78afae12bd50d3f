import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits for what another process or the kernel does: asks until the answer is not undefined, null or false, and gives
 * it back. Time that our own code reads comes from the caller instead, and is not waited for.
 */
export async function eventually<T>(
  ask: () => T | Promise<T>,
  { what = 'it', withinMs = 5000, everyMs = 10 }: { what?: string; withinMs?: number; everyMs?: number } = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== null && answer !== false)
      return answer as NonNullable<Exclude<T, false>>;
    if (performance.now() > deadline) throw new Error(`${what} did not come within ${withinMs} ms`);
    await sleep(everyMs);
  }
}
