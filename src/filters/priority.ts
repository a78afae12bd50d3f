/** How much a route matters when the gateway has too much to do: the first thing that is asked once the route is known. */
import type { PriorityOptions } from '../config/schema/filters/priority.js';
import type { Filter } from '../pipeline.js';

export const priority: Filter<'priority', PriorityOptions> = {
  name: 'priority',
  unnamed: 'normal',
  build(options, { overload }) {
    const shed = overload.stage(options);
    return shed === null ? {} : { onArrival: shed };
  },
};
