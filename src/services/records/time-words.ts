/** Times as people write and read them. */

const SPAN = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)$/;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MOMENT = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** What `momentIn` takes, for messages. */
export const MOMENTS = 'a duration such as 12h or 90d, or a time such as 2027-01-31T12:00:00Z';
/** What `spanIn` takes. */
export const SPANS = 'a duration such as 30m, 24h or 7d';

/** Milliseconds; null: this is no duration. */
export function spanIn(text: string): number | null {
  const [, count, unit = ''] = SPAN.exec(text) ?? [];
  return count === undefined ? null : Math.round(Number(count) * (UNITS[unit] as number));
}

/** Milliseconds since 1970: a time (ISO 8601; a date alone is its beginning in UTC), or so long from now. null: neither. */
export function momentIn(text: string, now: number): number | null {
  const span = spanIn(text);
  const at = span !== null ? now + span : MOMENT.test(text) ? Date.parse(text) : Number.NaN;
  return Math.abs(at) <= 8.64e15 ? at : null;
}

/** ISO 8601, UTC. */
export function isoOrNull(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}
