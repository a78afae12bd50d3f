const SHORTEST_MS = 60_000;
const LONGEST_MS = 24 * 3_600_000;
const UNSAID_MS = 600_000;

/** Milliseconds that a key set may be used without asking again (RFC 9111 §4.2), within our own bounds. */
export function freshMs(headers: Headers): number {
  const maxAge = /(?:^|[\s,])max-age="?(\d+)/i.exec(headers.get('cache-control') ?? '');
  if (maxAge === null) return UNSAID_MS;
  const age = /^\d+$/.exec(headers.get('age') ?? '');
  const seconds = Number(maxAge[1]) - (age === null ? 0 : Number(age[0]));
  return Math.min(Math.max(seconds * 1000, SHORTEST_MS), LONGEST_MS);
}
