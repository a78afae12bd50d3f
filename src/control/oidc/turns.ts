import { setImmediate as nextTurn } from 'node:timers/promises';

/** A write to the store takes its fraction of a millisecond at once, and a question to Redis a round trip. */
const PER_TURN = 20;

/** Does something to many, a few in each turn of the event loop: nobody else in this process has to wait for all of them. */
export async function inTurns<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
  perTurn = PER_TURN,
): Promise<void> {
  for (let i = 0; i < items.length; i += perTurn) {
    await Promise.all(items.slice(i, i + perTurn).map(work));
    await nextTurn();
  }
}
