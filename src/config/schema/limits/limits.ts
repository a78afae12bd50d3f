import { z } from 'zod';
import { isRate } from '../../../services/limits/terms.js';
import { count, headerName, text } from '../../fields.js';
import { reject } from '../../units.js';
import { adaptiveContradictions, adaptiveShape } from './adaptive.js';
import { cost } from './cost.js';
import { mode, sync } from './limit-sync.js';
import { over, overContradictions, type QueueConfig } from './queue.js';
import { history, most, per, quotaContradictions, warnAt } from './quota.js';

/** Milliseconds in what may stand behind the slash of a rate. */
const PERIODS: Record<string, number> = { s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 };
const RATE = /^(\d+) ?\/ ?(s|min|h|d)$/;
const FASTEST_PER_SECOND = 10_000_000;
const MOST_PER_PERIOD = 1_000_000_000;

/** What a limit may be kept by, without a name behind it. */
const PLAIN_KEYS = ['ip', 'user', 'consumer', 'caller', 'apiKey', 'role', 'route', 'service', 'global'];
const NAMED_KEYS = ['header', 'claim', 'param'];

/** So many in a period: `100/s`, `5/min`, `1000/h`, `10/d`. Output: the number, and the period in milliseconds. */
export function rate() {
  const expected = 'a rate such as 100/s, 5/min, 1000/h or 10000/d';
  return z
    .string({ error: expected })
    .transform((value, context): { count: number; periodMs: number } => {
      const parts = RATE.exec(value);
      if (parts === null) {
        return reject(context, `"${value}" is not a rate`, expected, meantRate(value));
      }
      const count = Number(parts[1]);
      const periodMs = PERIODS[parts[2] as string] as number;
      if (count === 0) return reject(context, `${value} would admit nothing`, 'at least 1');
      if (count / periodMs > FASTEST_PER_SECOND / 1000 || count > MOST_PER_PERIOD) {
        return reject(
          context,
          `${value} is too large`,
          `at most ${FASTEST_PER_SECOND}/s and ${MOST_PER_PERIOD} in all`,
        );
      }
      return { count, periodMs };
    })
    .meta({ title: 'rate', pattern: RATE.source });
}

/** `5/m`, `5/second`, `5 per minute`: what was probably meant. */
function meantRate(value: string): string | undefined {
  const parts = /^(\d+) ?(?:\/|per|p)? ?(s|m|h|d)[a-z]*$/i.exec(value);
  if (parts === null) return undefined;
  const unit = (parts[2] as string).toLowerCase();
  return `${parts[1]}/${unit === 'm' ? 'min' : unit}`;
}

/** What requests share a bucket by: `user`, `header:x-tenant`. Output: header names in lower case. */
export function limitKey() {
  const expected = `one of ${PLAIN_KEYS.join(', ')}, header:NAME, claim:NAME, param:NAME`;
  return z
    .string({ error: expected })
    .transform((value, context) => {
      if (PLAIN_KEYS.includes(value)) return value;
      const colon = value.indexOf(':');
      const kind = value.slice(0, colon);
      const name = value.slice(colon + 1);
      if (colon < 0 || !NAMED_KEYS.includes(kind)) {
        return reject(context, `"${value}" is nothing to limit by`, expected);
      }
      if (name === '') return reject(context, `"${value}" names nothing`, `${kind}:NAME`);
      if (kind !== 'header') return value;
      if (!headerName().safeParse(name).success) {
        return reject(context, `"${name}" cannot be the name of a header`, 'letters, digits and "-"');
      }
      return value.toLowerCase();
    })
    .meta({
      title: 'key',
      pattern: `^(?:${PLAIN_KEYS.join('|')}|(?:${NAMED_KEYS.join('|')}):.+)$`,
    });
}

/** One limit: what is counted, by what, and how much of it is admitted. */
export const limit = z
  .strictObject({
    by: z
      .array(limitKey(), { error: 'a list of keys' })
      .min(1, { error: 'at least one key; global is for all requests together' })
      .refine((keys) => new Set(keys).size === keys.length, { error: 'each key once' })
      .meta({
        description:
          'Requests share a bucket that agree in all of these. A request that lacks one shares a bucket with all others that lack it.',
        examples: [['user'], ['apiKey', 'route'], ['header:x-tenant']],
      }),
    algorithm: z
      .enum(['token-bucket', 'sliding-window', 'concurrency', 'quota', 'adaptive'])
      .prefault('token-bucket')
      .meta({
        description:
          '`token-bucket`: `rate` on average, `burst` at once. `sliding-window`: at most `rate` in any window. `concurrency`: `max` in flight. `quota`: `max` `per` day, week, month or rolling window, kept on disk. `adaptive`: a key far off its own past is throttled to `floor`.',
        examples: ['sliding-window'],
      }),
    rate: z
      .union([rate(), z.record(text(), rate())], {
        error: 'a rate such as 100/s, or a mapping of roles to rates',
      })
      .optional()
      .meta({
        description:
          'How many in what time. Or by role, with `default` for all others; of several roles the highest counts.',
        examples: ['100/s', { trader: '500/s', viewer: '20/s', default: '10/s' }],
      }),
    burst: count(1, 10_000_000)
      .optional()
      .meta({
        description: 'Tokens in a full bucket. Absent: the number before the slash of `rate`.',
        examples: [200],
      }),
    max: most()
      .optional()
      .meta({
        description:
          'Most in flight (`concurrency`, up to 16383), or in a period (`quota`); for quotas also by role, with `default` for all others.',
        examples: [5, 10_000, { partner: 100_000, default: 1_000 }],
      }),
    per: per()
      .optional()
      .meta({
        description:
          'Period of a `quota`: `day`, `week` (from Monday) or `month`, all in UTC, or a rolling window such as `24h` or `30d`.',
        examples: ['day', '24h'],
      }),
    warnAt: warnAt(),
    cost: cost.optional().meta({
      description: 'What a request takes from the limit. Absent: 1.',
      examples: [{ header: 'x-cost', default: 1, max: 50 }],
    }),
    over: over(limitKey())
      .prefault('reject')
      .meta({
        description:
          'What happens to a request over the limit: `reject` (429), or it waits in a `queue` for its turn. Not with `quota`.',
        examples: ['queue', { queue: { max: 200, deadline: '2s', fairBy: ['user'] } }],
      }),
    ...adaptiveShape(rate),
    shadow: z
      .boolean()
      .optional()
      .meta({
        description: 'Counts and reports, but lets pass. Absent: false, but true for `adaptive`.',
        examples: [true],
      }),
    mode,
    ipv6Prefix: count(1, 128)
      .prefault(64)
      .meta({ description: 'IPv6 addresses that agree in so many bits are one `ip`.', examples: [56] }),
  })
  .superRefine(contradictions);

/** The table that all limits are counted in. */
export const limiter = z.strictObject({
  keys: count(1_000, 40_000_000)
    .prefault(1_000_000)
    .meta({
      description:
        'Keys that there is room for at once, 36 bytes each, in memory that all workers share. Made when the first limit is configured; a reload does not change it.',
      examples: [100_000],
    }),
  whenFull: z
    .enum(['evict-oldest', 'reject-new'])
    .prefault('evict-oldest')
    .meta({
      description:
        'What happens to a new key when there is no room for it: the key that would be forgotten first makes room, or the request is refused with 503.',
      examples: ['reject-new'],
    }),
  inFlight: count(16, 1_000_000)
    .prefault(16_384)
    .meta({
      description:
        'Requests under limits of `concurrency` that a worker may have in flight, each limit counted.',
      examples: [65_536],
    }),
  adaptiveKeys: count(1_000, 10_000_000)
    .prefault(20_000)
    .meta({
      description:
        'Keys of limits with `algorithm: adaptive` whose past there is room for, 108 bytes each, made with the rest. When there are more, those seen longest ago are forgotten.',
      examples: [200_000],
    }),
  history: history()
    .prefault('62d')
    .meta({
      description: 'How long the counts of past days, weeks and months are kept on disk, for `GET /usage`.',
      examples: ['400d'],
    }),
  sync,
  headers: z
    .enum(['standard', 'legacy', 'both', 'off'])
    .prefault('standard')
    .meta({
      description:
        'What answers say: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers), the older `X-RateLimit-Limit`, `-Remaining` and `-Reset`, both, or nothing.',
      examples: ['both'],
    }),
});

export type LimitConfig = z.output<typeof limit>;
export type RateConfig = { readonly count: number; readonly periodMs: number };

/** What the algorithm needs and has not, or has and cannot use. */
function contradictions(value: Unchecked, context: z.RefinementCtx): void {
  const { algorithm, rate, burst, max, cost } = value;
  const byRate = algorithm === 'token-bucket' || algorithm === 'sliding-window';
  const refuse = (path: string, message: string, expected?: string) =>
    context.addIssue({ code: 'custom', path: [path], message, params: { expected } });
  overContradictions(value, refuse);
  if (adaptiveContradictions(value, refuse)) return;
  const needs = (path: 'rate' | 'max', example: string) => {
    if (value[path] === undefined) refuse('algorithm', `${algorithm} needs ${path}`, example);
  };
  if (byRate) needs('rate', 'rate: 100/s');
  else needs('max', 'max: 5');
  quotaContradictions(value, refuse);
  const foreign = [
    ['rate', rate, byRate],
    ['burst', burst, algorithm === 'token-bucket'],
    ['max', max, !byRate],
    ['cost', cost, algorithm !== 'concurrency'],
  ] as const;
  for (const [name, given, fits] of foreign) {
    if (given !== undefined && !fits) refuse(name, `${algorithm} has no ${name}`);
  }
  const roles = rate !== undefined && !isRate(rate) ? rate : null;
  if (roles !== null && roles.default === undefined)
    refuse('rate', 'rates by role need a default', 'default: 10/s');
  const capacity = leastCapacity(rate, algorithm === 'token-bucket' ? burst : undefined);
  const dearest = cost?.value ?? cost?.default;
  if (dearest !== undefined && capacity !== undefined && dearest > capacity) {
    refuse('cost', `a request that costs ${dearest} would never be admitted`, `at most ${capacity}`);
  }
}

interface Unchecked {
  by: string[];
  over: 'reject' | { queue: QueueConfig };
  algorithm: LimitConfig['algorithm'];
  rate?: RateConfig | Record<string, RateConfig>;
  burst?: number;
  max?: number | Record<string, number>;
  per?: unknown;
  warnAt?: unknown;
  cost?: z.output<typeof cost>;
}

function leastCapacity(rate: Unchecked['rate'], burst: number | undefined): number | undefined {
  if (burst !== undefined || rate === undefined) return burst;
  const rates = isRate(rate) ? [rate] : Object.values(rate);
  return Math.min(...rates.map(({ count }) => count));
}
