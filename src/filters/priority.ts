/** How much a route matters when the gateway has too much to do: the first thing that is asked once the route is known. */
import { z } from 'zod';
import type { Filter } from '../pipeline.js';

const schema = z.enum(['critical', 'normal', 'background']).meta({
  description:
    'Class of the route. When the gateway is overloaded (`overload`), `background` is refused first, then `normal`, `critical` last. Absent: `normal`.',
  examples: ['critical', 'background'],
});

export const priority: Filter<'priority', typeof schema> = {
  name: 'priority',
  schema,
  unnamed: 'normal',
  build(options, { overload }) {
    const shed = overload.stage(options);
    return shed === null ? {} : { onArrival: shed };
  },
};
