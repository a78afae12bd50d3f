/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a request that changes something is sent once,
 * however often its client sends it.
 */
import type { IdempotencyOptions } from '../config/schema/filters/idempotency.js';
import type { Filter } from '../pipeline.js';

export const idempotency: Filter<'idempotency', IdempotencyOptions> = {
  name: 'idempotency',
  build(options, { idempotency, route }) {
    return options === null || route.service === null ? {} : idempotency.stages(options, route);
  },
};
