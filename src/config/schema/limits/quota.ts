/** Options of quotas: so many in a day, a week, a month, or a rolling window. */
import { z } from 'zod';
import { text } from '../../fields.js';
import { ratio, reject } from '../../units.js';

/** Milliseconds in what a rolling window may be written in. */
const UNITS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const WINDOW = /^(\d{1,6}) ?(m|h|d)$/;
const SHORTEST_MS = 60_000;
const LONGEST_MS = 366 * 86_400_000;
export const MOST_OF_QUOTA = 1_000_000_000;
const MOST_IN_FLIGHT = 16_383;

export type CalendarPer = 'day' | 'week' | 'month';

/** `day`, `week`, `month`, or how long a rolling window is: then in milliseconds. */
export function per() {
  const expected = 'day, week, month, or a rolling window such as 24h or 30d';
  return z
    .union(
      [
        z.enum(['day', 'week', 'month']),
        z.string().transform((value, context): number => {
          const parts = WINDOW.exec(value);
          if (parts === null) {
            const meant = ['day', 'week', 'month'].find((one) => value.toLowerCase().includes(one));
            const name = /^daily$/i.test(value) ? 'day' : meant;
            return reject(context, `"${value}" is no period`, expected, name);
          }
          const ms = Number(parts[1]) * (UNITS[parts[2] as string] as number);
          if (ms < SHORTEST_MS || ms > LONGEST_MS) {
            return reject(context, `${value} is not a window for a quota`, 'from 1m to 366d');
          }
          return ms;
        }),
      ],
      { error: expected },
    )
    .meta({ title: 'period', pattern: `^(?:day|week|month)$|${WINDOW.source}` });
}

/** How long counts of periods that are over are kept. Output: milliseconds. */
export function history() {
  const expected = 'a number of days such as 62d, at most 3660d';
  return z
    .string({ error: expected })
    .transform((value, context): number => {
      const days = /^(\d{1,4}) ?d$/.exec(value)?.[1];
      if (days === undefined || Number(days) > 3_660) {
        return reject(context, `"${value}" is no time to keep counts`, expected);
      }
      return Number(days) * 86_400_000;
    })
    .meta({ title: 'days', pattern: '^\\d{1,4} ?d$' });
}

/** How many: for all, or by role, with `default` for all others. */
export function most() {
  const one = amount();
  return z.union([one, z.record(text(), one)], {
    error: 'a whole number, or a mapping of roles to numbers',
  });
}

export function amount() {
  const error = `a whole number from 1 to ${MOST_OF_QUOTA}`;
  return z.int({ error }).min(1, { error }).max(MOST_OF_QUOTA, { error });
}

/** The share of a quota at which somebody is told. Output: 0..1; null: nobody is. */
export function warnAt() {
  const error = 'a share such as 80%, or off';
  return z
    .union([z.literal(['off', false]).transform(() => null), ratio()], { error })
    .optional()
    .meta({
      description:
        'Share of the quota at which the log and a metric tell that a key comes near its end, once per key and period; `off` for never. Absent: 80%.',
      examples: ['90%'],
    });
}

interface Countable {
  readonly algorithm: string;
  readonly max?: number | Record<string, number> | undefined;
  readonly per?: unknown;
  readonly warnAt?: unknown;
  readonly cost?: { readonly value?: number | undefined; readonly default: number } | undefined;
}

/** What of `max`, `per` and `warnAt` the algorithm needs and has not, or has and cannot use. */
export function quotaContradictions(
  { algorithm, max, per, warnAt, cost }: Countable,
  refuse: (path: string, message: string, expected?: string) => void,
): void {
  const isQuota = algorithm === 'quota';
  if (isQuota && per === undefined) refuse('algorithm', 'quota needs per', 'per: day');
  if (!isQuota && per !== undefined) refuse('per', `${algorithm} has no per`, 'algorithm: quota');
  if (!isQuota && warnAt !== undefined) refuse('warnAt', `${algorithm} has no warnAt`, 'algorithm: quota');
  if (max === undefined) return;
  const byRole = typeof max === 'number' ? null : max;
  if (algorithm === 'concurrency' && (byRole !== null || (max as number) > MOST_IN_FLIGHT)) {
    refuse('max', `concurrency takes a whole number from 1 to ${MOST_IN_FLIGHT}`);
  }
  if (!isQuota) return;
  if (byRole !== null && byRole.default === undefined) {
    refuse('max', 'numbers by role need a default', 'default: 1000');
  }
  const dearest = cost?.value ?? cost?.default;
  const least = Math.min(...(byRole === null ? [max as number] : Object.values(byRole)));
  if (dearest !== undefined && dearest > least) {
    refuse('cost', `a request that costs ${dearest} would never be admitted`, `at most ${least}`);
  }
}
