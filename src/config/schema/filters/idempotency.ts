/** Requests that must not run twice. */
import { z } from 'zod';
import { distinct } from '../../collections.js';
import { headerName } from '../../fields.js';
import { duration, size } from '../../units.js';

const options = z.strictObject({
  required: z
    .boolean()
    .prefault(false)
    .meta({ description: 'A request without a key gets 400. Else it goes on as it is.', examples: [true] }),
  ttl: duration({ min: 1000 })
    .prefault('24h')
    .meta({ description: 'How long the outcome of a request is kept once it has ended.', examples: ['1h'] }),
  header: headerName()
    .transform((name) => name.toLowerCase())
    .prefault('idempotency-key')
    .meta({ description: 'The header with the key.', examples: ['x-idempotency-key'] }),
  strict: z
    .boolean()
    .prefault(false)
    .meta({
      description:
        'Takes only what the standard has: a text in double quotes. Else `Idempotency-Key: 1a2b` means the same as `"1a2b"`.',
      examples: [true],
    }),
  maxBody: size({ min: 1, max: 16 * 1024 * 1024 })
    .prefault('256KiB')
    .meta({
      description:
        'Largest body of a request with a key: a larger one gets 413. Largest body of an answer that is kept: a larger one is passed on, and not repeated.',
      examples: ['1MiB'],
    }),
  methods: distinct(z.enum(['POST', 'PATCH', 'PUT', 'DELETE']), 'method')
    .min(1, { error: 'at least one method' })
    .prefault(['POST', 'PATCH'])
    .meta({ description: 'Methods whose keys count; others pass.', examples: [['POST']] }),
  notExecuted: z
    .array(z.int().min(400).max(599))
    .prefault([])
    .meta({
      description:
        'Statuses with which the service promises that it has done nothing: the key is free again, and the request may be repeated.',
      examples: [[429, 503]],
    }),
  serviceHonours: z
    .boolean()
    .prefault(false)
    .meta({
      description:
        'The service itself does nothing twice for the same key: then, and only then, the gateway may repeat a request that was sent and not answered.',
      examples: [true],
    }),
});

export const idempotency = z
  .union(
    [
      z.literal(['off', false]).transform(() => null),
      z.literal(true).transform(() => options.parse({})),
      options,
    ],
    {
      error: 'true, off, or a mapping with required, ttl, methods',
    },
  )
  .meta({
    description:
      'Requests with an `Idempotency-Key` are sent once; what they were answered is repeated. docs/idempotency.md has the whole of it.',
    examples: [true, { required: true, ttl: '1h' }],
  });

/** null: off. */
export type IdempotencyOptions = z.output<typeof idempotency>;
