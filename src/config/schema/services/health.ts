import { z } from 'zod';
import { byHeader } from '../../collections.js';
import { headerValue, text, unescaped } from '../../fields.js';
import { duration, ratio, reject } from '../../units.js';

/** Statuses from the first to the last. */
export type StatusRange = readonly [from: number, to: number];

const STATUSES = 'a status such as 200, a range such as 200-299, or a list of these';

const statusRange = z
  .union([z.int(), z.string()], { error: STATUSES })
  .transform((value, context): StatusRange => {
    const parts = /^(\d{3})(?:-(\d{3}))?$/.exec(String(value));
    const from = Number(parts?.[1]);
    const to = Number(parts?.[2] ?? parts?.[1]);
    if (parts !== null && from >= 100 && to <= 599 && from <= to) return [from, to];
    return reject(context, `"${value}" is no status from 100 to 599`, STATUSES);
  });

const statusRanges = z.union(
  [statusRange.transform((range) => [range]), z.array(statusRange).min(1, { error: 'at least one status' })],
  { error: STATUSES },
);

const json = z.strictObject({
  pointer: z
    .string()
    .regex(/^(\/([^/~]|~[01])*)*$/, { error: 'a JSON Pointer such as /status, or nothing for the whole' })
    .meta({
      description: 'Where in the body to look, a JSON Pointer (RFC 6901).',
      examples: ['/status', '/checks/0/status'],
    }),
  equals: z
    .union([z.string(), z.number(), z.boolean(), z.null()], {
      error: 'a text, a number, true, false or null',
    })
    .meta({ description: 'What must be there.', examples: ['up', true] }),
});

const COUNT = 'a whole number from 1 to 100';
const count = () => z.int({ error: COUNT }).min(1, { error: COUNT }).max(100, { error: COUNT });

const probePath = () =>
  text().superRefine((value, context) => {
    if (!/^\/[\x21-\x7e]*$/.test(value) || value.includes('#'))
      reject(
        context,
        `"${value}" is not the path of a request`,
        'a path such as /health, with a query if need be',
      );
  });

const healthOptions = z.strictObject({
  type: z
    .enum(['http', 'tcp'])
    .prefault('http')
    .meta({
      description: '`http` asks for `path`; `tcp` is content with a connection.',
      examples: ['tcp'],
    }),
  path: probePath()
    .prefault('/health')
    .meta({ description: 'Path, and query, to ask for.', examples: ['/healthz'] }),
  interval: duration({ min: 50 })
    .prefault('5s')
    .meta({
      description: 'Time between two probes of an endpoint, a tenth more or less by chance.',
      examples: ['2s'],
    }),
  timeout: duration({ min: 10 })
    .prefault('1s')
    .meta({ description: 'A probe that takes longer has failed.', examples: ['500ms'] }),
  healthy: count()
    .prefault(2)
    .meta({ description: 'Probes in a row that must pass to bring an endpoint back.', examples: [1] }),
  unhealthy: count()
    .prefault(3)
    .meta({ description: 'Probes in a row that must fail to take an endpoint out.', examples: [1] }),
  status: statusRanges.prefault('200-299').meta({
    description: 'Statuses that pass: one, a range, or a list.',
    examples: ['200-299', [200, 204]],
  }),
  json: json.optional().meta({
    description: 'What the body must say, too. It is read up to 64 KiB.',
    examples: [{ pointer: '/status', equals: 'up' }],
  }),
  host: headerValue()
    .min(1, { error: 'a host' })
    .transform(unescaped)
    .optional()
    .meta({ description: 'Value of `Host`. Absent: that of the endpoint.', examples: ['quotes.internal'] }),
  headers: byHeader(headerValue().transform(unescaped))
    .prefault({})
    .meta({ description: 'Headers of the probe.', examples: [{ 'x-probe': 'sluice' }] }),
  port: z
    .int({ error: 'a port from 1 to 65535' })
    .min(1, { error: 'a port from 1 to 65535' })
    .max(65_535, { error: 'a port from 1 to 65535' })
    .optional()
    .meta({ description: 'Port to probe. Absent: that of the endpoint.', examples: [9000] }),
  initial: z
    .enum(['healthy', 'unhealthy'])
    .prefault('healthy')
    .meta({
      description:
        'What an endpoint counts as until a probe has said something; then the first that passes is enough.',
      examples: ['unhealthy'],
    }),
});

/** Probes: a path is short for a mapping. */
export const health = z.union(
  [
    probePath().transform((path): z.output<typeof healthOptions> => healthOptions.parse({ path })),
    healthOptions,
  ],
  { error: 'the path to ask for, or a mapping with path, interval, timeout …' },
);

export type HealthConfig = z.output<typeof healthOptions>;

const inARow = (least: number) => {
  const error = `a whole number from ${least} to 1000; 0 does not look at them`;
  return z.union([z.literal(0), z.int().min(least).max(1000)], { error });
};

const successRate = z.strictObject({
  interval: duration({ min: 1000 })
    .prefault('10s')
    .meta({ description: 'How often the endpoints are compared.', examples: ['30s'] }),
  minimumCalls: z
    .int({ error: 'a whole number from 1 to 1000000' })
    .min(1, { error: 'a whole number from 1 to 1000000' })
    .max(1_000_000, { error: 'a whole number from 1 to 1000000' })
    .prefault(100)
    .meta({
      description: 'Requests that an endpoint must have had in the interval to be compared.',
      examples: [50],
    }),
  minimumEndpoints: z
    .int({ error: 'a whole number from 2 to 1000' })
    .min(2, { error: 'a whole number from 2 to 1000' })
    .max(1_000, { error: 'a whole number from 2 to 1000' })
    .prefault(3)
    .meta({ description: 'Endpoints that must be comparable.', examples: [5] }),
  deviations: z
    .number({ error: 'a number from 0.5 to 10' })
    .min(0.5, { error: 'a number from 0.5 to 10' })
    .max(10, { error: 'a number from 0.5 to 10' })
    .prefault(1.9)
    .meta({
      description:
        'An endpoint whose share of good answers is this many standard deviations below the mean is put out. Of `n` endpoints none can be further away than the root of `n - 1`.',
      examples: [1.5],
    }),
});

const passiveOptions = z.strictObject({
  consecutive5xx: inARow(1)
    .prefault(0)
    .meta({
      description:
        'Failures in a row that put an endpoint out: answers with 500 to 599, and requests that got no whole answer. 0: not looked at.',
      examples: [5],
    }),
  consecutiveErrors: inARow(1)
    .prefault(5)
    .meta({
      description:
        'Requests in a row that got no whole answer (no connection, a reset, a timeout) and put an endpoint out. 0: not looked at.',
      examples: [3],
    }),
  successRate: successRate
    .nullable()
    .prefault(null)
    .meta({
      description:
        'Puts out endpoints that fail far more often than the others. Absent: they are not compared.',
      examples: [{ interval: '10s', minimumCalls: 100 }],
    }),
  baseEjection: duration({ min: 100 })
    .prefault('30s')
    .meta({
      description: 'How long an endpoint is put out: this, times how often it was lately.',
      examples: ['10s'],
    }),
  maxEjection: duration({ min: 100 })
    .prefault('5m')
    .meta({ description: 'How long at most.', examples: ['2m'] }),
  maxEjected: ratio()
    .prefault('50%')
    .meta({
      description:
        'Share of the endpoints that may be out at once: rounded down, but one of several at least, and never all.',
      examples: ['30%'],
    }),
});

/** Passive health: `off`, or a mapping. */
export const passive = z.union([z.literal('off').transform(() => null), passiveOptions], {
  error: 'off, or a mapping with consecutiveErrors, consecutive5xx …',
});
