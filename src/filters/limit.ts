/** How much of it: rates, windows, requests in flight, by whatever a request or its caller can be told apart. */
import type { LimitOptions } from '../config/schema/filters/limit.js';
import type { Filter } from '../pipeline.js';

export const limit: Filter<'limit', LimitOptions> = {
  name: 'limit',
  build(options, { limits, route }) {
    return options.length === 0 ? {} : limits.stages(options, route);
  },
};
