import { z } from 'zod';
import { distinct } from '../../collections.js';
import { fileName, label, origin, text } from '../../fields.js';
import { duration, ratio } from '../../units.js';
import { bulkhead } from '../resilience/bulkhead.js';
import { hedge, retries } from '../resilience/retries.js';
import { balance, sticky, zones } from './balance.js';
import { breaker } from './breaker.js';
import { discover } from './discovery.js';
import { health, passive } from './health.js';

const endpointOptions = z.strictObject({
  url: origin().meta({
    description: 'Scheme, host and port of the instance; a path is set with `rewrite` on the route.',
    examples: ['http://10.0.0.1:9001'],
  }),
  weight: z
    .int({ error: 'a whole number from 1 to 1000' })
    .min(1, { error: 'a whole number from 1 to 1000' })
    .max(1_000, { error: 'a whole number from 1 to 1000' })
    .prefault(1)
    .meta({ description: 'Share of the requests, relative to the other endpoints.', examples: [2] }),
  zone: label()
    .optional()
    .meta({
      description: 'Where the instance stands: see `zone` at the top level.',
      examples: ['eu-1a'],
    }),
  priority: count(0, 100)
    .optional()
    .meta({
      description: 'Its group, for `balance: failover`: 0, as when absent, is asked first.',
      examples: [1],
    }),
});

/** An entry of `endpoints`. */
export const endpoint = z.union(
  [origin().transform((url): z.output<typeof endpointOptions> => ({ url, weight: 1 })), endpointOptions],
  { error: 'http://host:port, or a mapping with url, weight, zone and priority' },
);

const timeouts = z.strictObject({
  connect: duration({ min: 1 })
    .prefault('1s')
    .meta({
      description: 'Longest wait for a connection to the endpoint, TLS included.',
      examples: ['250ms'],
    }),
  firstByte: duration({ min: 1 })
    .prefault('10s')
    .meta({
      description: 'Longest wait for the head of the response once the request is sent.',
      examples: ['30s'],
    }),
  idle: duration({ min: 1 })
    .prefault('30s')
    .meta({
      description:
        'Longest silence in the middle of a body, either way. A client that does not read is given four times as long.',
      examples: ['2m'],
    }),
  total: duration({ off: true })
    .prefault('off')
    .meta({
      description: 'Longest time for the whole exchange; `off` sets no bound.',
      examples: ['30s'],
    }),
});

const connections = z.strictObject({
  max: count(1, 65_535)
    .prefault(256)
    .meta({
      description: 'Connections at most, for each endpoint and each worker.',
      examples: [64],
    }),
  queue: count(0, 1_000_000)
    .prefault(1_024)
    .meta({
      description:
        'Requests of one worker that wait when all connections to an endpoint are busy; more are answered 503.',
      examples: [0],
    }),
  keepAlive: duration({ min: 1 })
    .prefault('60s')
    .meta({
      description: 'How long an idle connection stays open. Shorter than the same setting of the service.',
      examples: ['5s'],
    }),
});

const tls = z.strictObject({
  ca: fileName()
    .optional()
    .meta({
      description:
        'File with the certificate authorities to believe, PEM. Absent: those that come with Node.',
      examples: ['tls/internal-ca.crt'],
    }),
  servername: text()
    .optional()
    .meta({
      description: 'Name to ask for and to verify. Absent: the host of the endpoint.',
      examples: ['quotes.internal'],
    }),
  verify: z
    .boolean()
    .prefault(true)
    .meta({
      description: 'Whether the certificate of the endpoint must be valid. `false` gives up what TLS is for.',
      examples: [true],
    }),
});

/** Instances that do the same work, and how to talk to them. */
export const service = z.strictObject({
  endpoints: z
    .array(endpoint)
    .min(1, { error: 'at least one endpoint' })
    .default([])
    .meta({
      description:
        'The instances: URLs, or mappings with `url`, `weight`, `zone` and `priority`. Either this or `discover`.',
      examples: [['http://10.0.0.1:9001', { url: 'http://10.0.0.2:9001', weight: 2 }]],
    }),
  discover: discover.optional().meta({
    description:
      'Where to find the instances instead: `registry` (they register themselves), `dns:host:port`, `dns:_name._tcp.host` (SRV records), `env` (the variable `NAME_SERVICE_URL`), or a mapping.',
    examples: [
      'registry',
      'dns:quotes.internal:9001',
      { dns: { name: '_quotes._tcp.internal', type: 'SRV' } },
    ],
  }),
  balance: balance.prefault('round-robin').meta({
    description:
      'How an endpoint is chosen, always by weight: `round-robin`, `least-requests`, `peak-ewma`, `random`, `failover`, or a mapping with `type` and options.',
    examples: ['least-requests', { type: 'consistent-hash', by: 'header:x-room' }],
  }),
  zones: zones.prefault({}).meta({
    description:
      "Endpoints in the gateway's own `zone` are asked first; `off`: zones make no difference here.",
    examples: [{ spillBelow: '50%' }, 'off'],
  }),
  slowStart: duration({ off: true, max: 3_600_000 })
    .prefault('off')
    .meta({
      description:
        'An endpoint that joins or comes back gets its share little by little, growing evenly in this time. Those that are there from the beginning get it at once.',
      examples: ['30s'],
    }),
  panic: ratio()
    .prefault('0%')
    .meta({
      description:
        'With less than this share of the endpoints available all are asked, but those drained: what remains would not bear the load. `0%`: never.',
      examples: ['50%'],
    }),
  sticky: sticky
    .nullable()
    .prefault(null)
    .meta({
      description: 'Clients come back to the same endpoint, by a cookie. Absent: there is none.',
      examples: [{ cookie: 'quotes_at', secret: '${STICKY_SECRET}' }],
    }),
  timeouts: timeouts
    .prefault({})
    .meta({ description: 'How long to wait for the service. Each has its own error code.' }),
  connections: connections.prefault({}).meta({ description: 'Connections to the endpoints.' }),
  tls: tls.prefault({}).meta({ description: 'TLS towards `https://` endpoints.' }),
  retries: retries.optional().meta({
    description:
      'When a request is tried again. Absent: only where nothing was sent, or an idle connection was being closed.',
    examples: [{ attempts: 2, on: ['connect', 'reset', 503], budget: '10%' }],
  }),
  hedge: hedge.optional().meta({
    description:
      'Sends `GET` and `HEAD` without a body to another endpoint too when the answer is late; the first answer wins. Absent: never.',
    examples: [{ after: 'p95' }],
  }),
  bulkhead: bulkhead.optional().meta({
    description: 'How much of the service is asked at once. Absent: what its connections allow.',
    examples: [{ maxInFlight: 100, maxWaiting: 50, adaptive: true }],
  }),
  tags: distinct(label(), 'tag')
    .prefault([])
    .meta({
      description: 'Words by which routes with `service: ${param.NAME}` may allow it: `allow: [tag:public]`.',
      examples: [['public']],
    }),
  health: health
    .nullable()
    .prefault(null)
    .meta({
      description: 'Probes of each endpoint: a path, or a mapping. Absent: none is probed.',
      examples: ['/health', { path: '/health', interval: '5s', timeout: '1s', healthy: 2, unhealthy: 3 }],
    }),
  passive: passive.prefault({}).meta({
    description: 'Puts endpoints out for a while at which requests fail; `off` never does.',
    examples: [{ consecutiveErrors: 5, baseEjection: '30s' }, 'off'],
  }),
  breaker: breaker
    .nullable()
    .prefault(null)
    .meta({
      description: 'Circuit breaker: leaves alone what fails too often. Absent: none.',
      examples: [{ window: '10s', minimum: 20, failureRatio: '50%', openFor: '5s', probes: 3 }],
    }),
});

export type ServiceConfig = z.output<typeof service>;

function count(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}
