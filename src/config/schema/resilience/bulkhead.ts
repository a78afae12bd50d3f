/** How much of a service is asked at once. */
import { z } from 'zod';
import { duration } from '../../units.js';

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

export type BulkheadConfig = z.output<typeof bulkhead>;
