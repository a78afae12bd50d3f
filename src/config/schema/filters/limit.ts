/** Limits of a route. */
import { z } from 'zod';
import { label } from '../../fields.js';
import { limit as definition } from '../limits/limits.js';

const one = z.union([label(), definition], { error: 'the name of a limit, or a mapping with by and rate' });

export const limit = z
  .union(
    [
      z.literal(['off', false]).transform((): z.output<typeof one>[] => []),
      one.transform((single) => [single]),
      z.array(one).min(1, { error: 'at least one limit' }),
    ],
    { error: 'a limit, a list of them, or off' },
  )
  .meta({
    description:
      'Limits of the route: names of `limits`, or limits of its own. All of them are decided together: a refused request counts nowhere.',
    examples: ['perUser', ['perUser', { by: ['ip'], rate: '20/s' }]],
  });

export type LimitOptions = z.output<typeof limit>;
