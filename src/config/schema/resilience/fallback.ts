import { z } from 'zod';
import { distinct } from '../../collections.js';
import { respond } from './respond.js';
import { failingStatus } from './statuses.js';

const fallbackStep = z.strictObject({
  service: z
    .string()
    .optional()
    .meta({ description: 'Name of the service that is asked instead.', examples: ['quotes-backup'] }),
  respond: respond.optional().meta({
    description: 'A fixed answer.',
    examples: [{ body: { quotes: [] } }],
  }),
  on: distinct(
    z.union([z.literal('5xx'), failingStatus], { error: '5xx, or a status from 400 to 599' }),
    'status',
  )
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
  .min(1, { error: 'at least one step' });

export type FallbackConfig = z.output<typeof fallback>;
