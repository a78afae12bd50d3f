/** When a client should come back, at the end of a close frame's reason: `…; retry-after=2.4`, in seconds. */

/** RFC 6455 §5.5: a control frame has 125 bytes, of which the code takes two. */
export const LONGEST_REASON = 123;

const SOONEST_S = 0.5;
const LATEST_S = 5;

/** Clients that are sent away together are told different times. `random`: from 0 to below 1. */
export function withRetryHint(reason: string, random: () => number = Math.random): string {
  const seconds = SOONEST_S + random() * (LATEST_S - SOONEST_S);
  return `${reason}; retry-after=${seconds.toFixed(1)}`;
}
