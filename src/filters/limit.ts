/** How much of it: rates, windows, requests in flight, by whatever a request or its caller can be told apart. */
import { z } from 'zod';
import { label } from '../config/fields.js';
import { limit as definition } from '../config/schema/limits/limits.js';
import type { Filter } from '../pipeline.js';

const one = z.union([label(), definition], { error: 'the name of a limit, or a mapping with by and rate' });

const schema = z
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

export const limit: Filter<'limit', typeof schema> = {
  name: 'limit',
  schema,
  build(options, { limits, route }) {
    return options.length === 0 ? {} : limits.stages(options, route);
  },
};
