import type { Member } from './balancer.js';

/**
 * Of the available members those of the group that works: the first by priority of whose weight at least `below` is available.
 * If there is none, the one of which most is.
 */
export function activeGroup(
  all: readonly Member[],
  available: readonly Member[],
  below: number,
): readonly Member[] {
  const priorities = [...new Set(all.map(({ priority }) => priority))].sort((a, b) => a - b);
  if (priorities.length < 2) return available;
  let best: readonly Member[] = [];
  let most = 0;
  for (const wanted of priorities) {
    const left = available.filter(({ priority }) => priority === wanted);
    const share = weightOf(left) / weightOf(all.filter(({ priority }) => priority === wanted));
    if (share > 0 && share >= below) return left;
    if (share > most) {
      most = share;
      best = left;
    }
  }
  return best;
}

export function weightOf(members: readonly { readonly weight: number }[]): number {
  return members.reduce((sum, { weight }) => sum + weight, 0);
}
