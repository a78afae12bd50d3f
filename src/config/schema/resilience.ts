/** What is done when a service fails, and how much of it is asked at once. */
import { z } from 'zod';
import { distinct } from '../collections.js';
import { duration, ratio, reject } from '../units.js';
import { respond } from './respond.js';

const statusError = 'a status from 400 to 599';
const status = z
  .int({ error: statusError })
  .min(400, { error: statusError })
  .max(599, { error: statusError });

const condition = z.union([z.enum(['connect', 'reset', 'timeout', '5xx']), status], {
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
      .regex(PERCENTILE)
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

const adaptiveOptions = z.strictObject({
  min: z
    .int({ error: 'a whole number from 1 to 1000000' })
    .min(1, { error: 'a whole number from 1 to 1000000' })
    .max(1_000_000, { error: 'a whole number from 1 to 1000000' })
    .prefault(4)
    .meta({ description: 'The limit never falls below it.', examples: [10] }),
  tolerance: z
    .number({ error: 'a number from 1 to 10' })
    .min(1, { error: 'a number from 1 to 10' })
    .max(10, { error: 'a number from 1 to 10' })
    .prefault(1.5)
    .meta({
      description: 'How many times slower than in the long run the service may be before the limit falls.',
      examples: [2],
    }),
});

function count(min: number) {
  const error = `a whole number from ${min} to 1000000`;
  return z.int({ error }).min(min, { error }).max(1_000_000, { error });
}

/** How much of it is asked at once. */
export const bulkhead = z.strictObject({
  maxInFlight: count(1)
    .prefault(100)
    .meta({
      description:
        'Requests of one worker that the service has at once. For a single endpoint the bound is `connections.max`.',
      examples: [400],
    }),
  maxWaiting: count(0)
    .prefault(50)
    .meta({
      description: 'Requests that wait for one of these places; more are answered 503.',
      examples: [0],
    }),
  maxWait: duration({ min: 1 })
    .prefault('1s')
    .meta({ description: 'Longest wait; after it the request is answered 503.', examples: ['100ms'] }),
  adaptive: z
    .union([z.boolean().transform((on) => (on ? adaptiveOptions.parse({}) : null)), adaptiveOptions], {
      error: 'true, false, or a mapping with min and tolerance',
    })
    .prefault(false)
    .meta({
      description:
        'Whether the bound follows the latency of the service, between `min` and `maxInFlight`. `true`, or a mapping with `min` and `tolerance`.',
      examples: [true, { min: 10, tolerance: 2 }],
    }),
});

const fallbackStep = z.strictObject({
  service: z
    .string()
    .optional()
    .meta({ description: 'Name of the service that is asked instead.', examples: ['quotes-backup'] }),
  respond: respond.optional().meta({
    description: 'A fixed answer.',
    examples: [{ body: { quotes: [] } }],
  }),
  on: distinct(z.union([z.literal('5xx'), status], { error: '5xx, or a status from 400 to 599' }), 'status')
    .prefault([])
    .meta({
      description:
        'Statuses of which the answer is not passed on, but this step taken. Failures always lead here.',
      examples: [[503], ['5xx']],
    }),
});

/** What to do instead, step by step. */
export const fallback = z
  .array(fallbackStep, { error: 'a list of mappings with service or respond' })
  .min(1, {
    error: 'at least one step',
  });

export type FallbackConfig = z.output<typeof fallback>;
export type RetriesConfig = z.output<typeof retries>;
export type RouteRetriesConfig = z.output<typeof routeRetries>;
export type HedgeConfig = z.output<typeof hedge>;
export type BulkheadConfig = z.output<typeof bulkhead>;
export type BudgetConfig = z.output<typeof budgetOptions>;
