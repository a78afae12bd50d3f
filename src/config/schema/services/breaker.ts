import { z } from 'zod';
import { distinct } from '../../collections.js';
import { duration, ratio } from '../../units.js';

const STATUS = 'a status from 400 to 599';
const MINIMUM = 'a whole number from 1 to 1000000';
const PROBES = 'a whole number from 1 to 100';

/** When a service, or an endpoint, is left alone for a while. */
export const breaker = z.strictObject({
  scope: z
    .enum(['service', 'endpoint', 'both'])
    .prefault('service')
    .meta({
      description:
        'Whether the calls of the whole `service` are judged together, those of each `endpoint` by themselves, or `both`.',
      examples: ['endpoint'],
    }),
  window: duration({ min: 1_000, max: 3_600_000 })
    .prefault('10s')
    .meta({ description: 'How far back calls are counted.', examples: ['30s'] }),
  minimum: z
    .int({ error: MINIMUM })
    .min(1, { error: MINIMUM })
    .max(1_000_000, { error: MINIMUM })
    .prefault(20)
    .meta({ description: 'Calls in the window before anything is concluded.', examples: [50] }),
  failureRatio: ratio()
    .prefault('50%')
    .meta({
      description: 'Share of failed calls that opens it. 0 does not look at them.',
      examples: ['20%'],
    }),
  statuses: distinct(
    z.int({ error: STATUS }).min(400, { error: STATUS }).max(599, { error: STATUS }),
    'status',
  )
    .prefault([500, 502, 503, 504])
    .meta({
      description: 'Statuses that count as failures, beside requests that get no whole answer.',
      examples: [[502, 503, 504]],
    }),
  slowCall: duration({ off: true })
    .prefault('off')
    .meta({
      description: 'A call whose answer takes longer to begin is slow; `off` takes none for slow.',
      examples: ['2s'],
    }),
  slowRatio: ratio()
    .prefault('80%')
    .meta({ description: 'Share of slow calls that opens it.', examples: ['50%'] }),
  openFor: duration({ min: 100, max: 3_600_000 })
    .prefault('5s')
    .meta({ description: 'How long nothing passes once it is open.', examples: ['30s'] }),
  probes: z
    .int({ error: PROBES })
    .min(1, { error: PROBES })
    .max(100, { error: PROBES })
    .prefault(3)
    .meta({
      description:
        'Calls that pass when half-open: all must succeed to close it, one that fails opens it again.',
      examples: [1],
    }),
  rampUp: duration({ off: true, max: 3_600_000 })
    .prefault('1s')
    .meta({
      description: 'After that, how long a growing share passes, from a tenth to all. `off`: all at once.',
      examples: ['10s'],
    }),
});
