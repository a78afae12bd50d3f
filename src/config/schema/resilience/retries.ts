/** When a request is sent again, and how often at most. */
import { z } from 'zod';
import { distinct } from '../../collections.js';
import { duration, ratio, reject } from '../../units.js';
import { failingStatus } from './statuses.js';

const condition = z.union([z.enum(['connect', 'reset', 'timeout', '5xx']), failingStatus], {
  error: 'connect, reset, timeout, 5xx, or a status from 400 to 599',
});

const budgetOptions = z.strictObject({
  share: ratio()
    .prefault('10%')
    .meta({ description: 'Share of the requests of the last ten seconds.', examples: ['5%'] }),
  minimum: z
    .number({ error: 'a number from 0 to 1000' })
    .min(0, { error: 'a number from 0 to 1000' })
    .max(1_000, { error: 'a number from 0 to 1000' })
    .prefault(1)
    .meta({
      description: 'So many per second are allowed even if that is more than the share.',
      examples: [3],
    }),
});

/** A share alone, or with a minimum for services that are asked rarely. */
function budget(share: string) {
  return z
    .union(
      [ratio().transform((share): z.output<typeof budgetOptions> => ({ share, minimum: 1 })), budgetOptions],
      {
        error: 'a share such as 10%, or a mapping with share and minimum',
      },
    )
    .prefault(share);
}

const backoff = z.strictObject({
  base: duration({ min: 1, max: 60_000 })
    .prefault('25ms')
    .meta({
      description: 'Longest wait before the first retry; each further one may take twice as long.',
      examples: ['50ms'],
    }),
  max: duration({ min: 1, max: 60_000 })
    .prefault('1s')
    .meta({
      description: 'No wait is longer; nor is a `Retry-After` that is waited for.',
      examples: ['250ms'],
    }),
});

const retryShape = {
  attempts: z
    .int({ error: 'a whole number from 1 to 10' })
    .min(1, { error: 'a whole number from 1 to 10' })
    .max(10, { error: 'a whole number from 1 to 10' })
    .prefault(2)
    .meta({ description: 'Further tries after the first, at most.', examples: [1] }),
  on: distinct(condition, 'condition')
    .min(1, { error: 'at least one condition' })
    .prefault(['connect', 'reset'])
    .meta({
      description:
        '`connect`: no connection. `reset`: the connection ended before anything of the answer went to the client. `timeout`: `timeouts.connect`, `timeouts.firstByte`, or `timeouts.idle` before the answer. A status, or `5xx`: the service answered with it.',
      examples: [
        ['connect', 'reset', 503],
        ['reset', '5xx'],
      ],
    }),
  backoff: backoff.prefault({}).meta({
    description:
      'How long to wait before a retry: anything from nothing to a bound that doubles (full jitter).',
  }),
};

/** When and how often a request is tried again. */
export const retries = z.strictObject({
  ...retryShape,
  budget: budget('10%').meta({
    description:
      'Retries of one worker in proportion to its requests to the service: what is beyond is not tried again. A share, or a mapping with `share` and `minimum`.',
    examples: ['10%', { share: '20%', minimum: 3 }],
  }),
});

/** The same for one route; the budget stays that of the service. */
export const routeRetries = z.union([z.literal('off'), z.strictObject(retryShape)], {
  error: 'off, or a mapping with attempts, on, backoff',
});

const PERCENTILE = /^p(\d{2}(?:\.\d)?)$/;

const after = z
  .union([
    z
      .string()
      .regex(PERCENTILE, { error: 'p50 to p99.9, or a duration such as 50ms' })
      .transform((value, context): { quantile: number } | { ms: number } => {
        const quantile = Number(PERCENTILE.exec(value)?.[1]) / 100;
        if (quantile >= 0.5) return { quantile };
        return reject(context, `${value} would repeat most requests`, 'p50 to p99.9');
      }),
    duration({ min: 1 }).transform((ms): { quantile: number } | { ms: number } => ({ ms })),
  ])
  .prefault('p95');

/** A second request for an answer that is late. */
export const hedge = z.strictObject({
  after: after.meta({
    description:
      'How late an answer must be: a percentile of how long the service usually takes to begin one, or a time.',
    examples: ['p95', '50ms'],
  }),
  max: z
    .int({ error: 'a whole number from 1 to 3' })
    .min(1, { error: 'a whole number from 1 to 3' })
    .max(3, { error: 'a whole number from 1 to 3' })
    .prefault(1)
    .meta({ description: 'Further requests at most, each after the same wait again.', examples: [2] }),
  budget: budget('5%').meta({
    description:
      'Further requests of one worker in proportion to its requests to the service. A share, or a mapping with `share` and `minimum`.',
    examples: ['5%', { share: '2%', minimum: 0 }],
  }),
});

export type HedgeConfig = z.output<typeof hedge>;
