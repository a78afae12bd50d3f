/** Doing the same to many sockets over a time, evenly and by chance: each is a client that comes back elsewhere. */

const STEP_MS = 20;
/** Twenty clients a second trouble nobody: few sockets need not take all of the time. */
const LARGEST_SHARE_MS = 50;

/**
 * Calls `action` with each, in no order, spread over `windowMs` at most: each has a share of the time of its own, and a
 * random moment in it. Gives back how many still wait. Must be cheap to be called with those that are gone meanwhile.
 */
export function spread<T>(
  all: Iterable<T>,
  windowMs: number,
  action: (one: T) => void,
  random: () => number = Math.random,
): { readonly left: () => number } {
  const waiting = shuffled([...all], random);
  const share = Math.min(windowMs / Math.max(1, waiting.length), LARGEST_SHARE_MS);
  const startedAt = performance.now();
  let done = 0;
  let due = random() * share;
  const step = () => {
    const elapsed = performance.now() - startedAt;
    while (done < waiting.length && due <= elapsed) {
      action(waiting[done++] as T);
      due = (done + random()) * share;
    }
    if (done < waiting.length) setTimeout(step, STEP_MS);
  };
  step();
  return { left: () => waiting.length - done };
}

function shuffled<T>(list: T[], random: () => number): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j] as T, list[i] as T];
  }
  return list;
}
