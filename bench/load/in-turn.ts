/**
 * Short slices in turn. What the machine does otherwise changes from second to second by more than what is to be seen; within a
 * cycle of slices it is the same for all.
 */

/** For each cycle, what each of `count` slices has given. */
export async function inTurn<T>(
  cycles: number,
  count: number,
  slice: (i: number) => Promise<T>,
): Promise<T[][]> {
  const all: T[][] = [];
  for (let cycle = 0; cycle < cycles; cycle++) {
    const results: T[] = [];
    const order = [...Array(count).keys()];
    // To and fro: who comes after whom must not matter.
    for (const i of cycle % 2 === 0 ? order : order.reverse()) results[i] = await slice(i);
    all.push(results);
  }
  return all;
}

/** So many questions, one after the other on each connection. Resolves when all are answered. */
export function askAll<C>(
  connections: readonly C[],
  questions: number,
  ask: (connection: C, answered: () => void) => void,
): Promise<void> {
  let left = questions;
  let waiting = 0;
  return new Promise((resolve) => {
    const next = (connection: C): void => {
      if (left === 0) {
        if (waiting === 0) resolve();
        return;
      }
      left--;
      waiting++;
      ask(connection, () => {
        waiting--;
        next(connection);
      });
    };
    for (const connection of connections) next(connection);
  });
}
