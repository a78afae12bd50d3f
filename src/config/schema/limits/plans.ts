/** What a caller's plan entitles to: limits, and quotas. */
import { z } from 'zod';
import { label } from '../../fields.js';
import { cost } from './cost.js';
import { limit, limitKey } from './limits.js';
import { amount, per, warnAt } from './quota.js';

const quota = z.strictObject({
  per: per().meta({
    description:
      'Period: `day`, `week` (from Monday) or `month`, all in UTC, or a rolling window such as `24h` or `30d`.',
    examples: ['day', '30d'],
  }),
  requests: amount().meta({ description: 'How many in a period.', examples: [1_000] }),
  by: z
    .array(limitKey(), { error: 'a list of keys' })
    .min(1, { error: 'at least one key' })
    .prefault(['caller'])
    .meta({
      description:
        'Whose requests are counted together; `caller` is the consumer or, for those who have none, the user.',
      examples: [['apiKey']],
    }),
  cost: cost.optional().meta({
    description: 'What a request takes from the quota. Absent: 1.',
    examples: [{ header: 'x-cost', default: 1, max: 50 }],
  }),
  warnAt: warnAt(),
  shadow: z
    .boolean()
    .prefault(false)
    .meta({ description: 'Counts and reports, but lets pass.', examples: [true] }),
});

const plan = z.strictObject({
  limits: z
    .array(z.union([label(), limit], { error: 'the name of a limit, or a mapping with by and rate' }))
    .prefault([])
    .meta({
      description: 'Names of `limits`, or limits of the plan alone.',
      examples: [['perUser', { by: ['consumer'], rate: '10/s' }]],
    }),
  quotas: z
    .array(quota)
    .prefault([])
    .meta({
      description:
        'How many requests in longer periods. Plans share the counts: who moves to another plan keeps what is used.',
      examples: [[{ per: 'day', requests: 1_000 }]],
    }),
});

export const plans = z
  .record(label(), plan)
  .prefault({})
  .meta({
    description:
      'What consumers, API keys and users may use, by the name of their plan. Routes apply it with `limit: plan`.',
    examples: [{ free: { quotas: [{ per: 'day', requests: 1_000 }] } }],
  });

export const defaultPlan = label()
  .nullable()
  .prefault(null)
  .meta({
    description:
      'Plan of callers who have none, or one that is not among `plans`. Needed as soon as a route says `limit: plan`.',
    examples: ['free'],
  });

export type PlanConfig = z.output<typeof plan>;
export type PlanQuota = z.output<typeof quota>;
