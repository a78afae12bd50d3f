/** How much a route matters. */
import { z } from 'zod';

export const priority = z.enum(['critical', 'normal', 'background']).meta({
  description:
    'Class of the route. When the gateway is overloaded (`overload`), `background` is refused first, then `normal`, `critical` last. Absent: `normal`.',
  examples: ['critical', 'background'],
});

export type PriorityOptions = z.output<typeof priority>;
