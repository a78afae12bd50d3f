import { z } from 'zod';
import { fileName, label, name } from './fields.js';
import { auth } from './schema/auth.js';
import { channels } from './schema/channels.js';
import { limit, limiter } from './schema/limits/limits.js';
import { defaultPlan, plans } from './schema/limits/plans.js';
import { accessLog, admin, drain, listen, log } from './schema/listen.js';
import { overload } from './schema/overload.js';
import { redis } from './schema/redis.js';
import { filterOptions, route } from './schema/route.js';
import { discovery, registry } from './schema/services/discovery.js';
import { service } from './schema/services/service.js';

/**
 * The configuration file. The only place where options are defined: the types below, the checks, the JSON Schema
 * (`sluice schema`) and docs/configuration.md all come from it.
 *
 * Its output is normalised (durations in milliseconds, sizes in bytes, shares 0..1, shorthands spelt out, header names
 * to match in lower case) and plain data: the primary sends it to the workers.
 */
export const schema = z.strictObject({
  listen,
  admin,
  workers: z
    .union([z.literal('auto'), z.int().min(1).max(1_024)], {
      error: 'auto, or a whole number from 1 to 1024',
    })
    .prefault('auto')
    .meta({ description: 'Listener processes; `auto` is one for each core.', examples: [4] }),
  redis: redis
    .nullable()
    .prefault(null)
    .meta({
      description: 'Where several gateways meet. Absent: each works alone.',
      examples: [
        'redis://localhost:6379',
        'rediss://:${REDIS_PASSWORD}@redis.internal:6380',
        { cluster: ['redis-1:6379', 'redis-2:6379'] },
      ],
    }),
  data: fileName()
    .nullable()
    .prefault(null)
    .meta({
      description:
        'Folder of the embedded store: API keys, consumers, sessions, revocations, counts of quotas, idempotency keys. Absent: `./data` if a provider (`apiKey`, `session`), a quota or, without Redis, `idempotency` needs it, else there is none, and single tokens cannot be revoked.',
      examples: ['./data', '/var/lib/sluice'],
    }),
  auth: auth.prefault({}).meta({ description: 'Who may be calling, and what they may do.' }),
  limits: z
    .record(label(), limit)
    .prefault({})
    .meta({
      description: 'Limits by the names that routes use. Routes that use the same one share its counts.',
      examples: [{ perUser: { by: ['user'], rate: '100/s', burst: 200 } }],
    }),
  plans,
  defaultPlan,
  limiter: limiter
    .prefault({})
    .meta({ description: 'What limits are counted in, and what clients learn of them.' }),
  overload,
  channels,
  drain,
  log,
  accessLog,
  zone: label()
    .nullable()
    .prefault(null)
    .meta({
      description:
        'Where this gateway stands: services prefer their endpoints in the same zone. Absent: all are alike.',
      examples: ['eu-1a', '${ZONE}'],
    }),
  services: z
    .record(name(), service)
    .prefault({})
    .meta({ description: 'What stands behind the gateway, by name.' }),
  discovery,
  registry,
  routes: z.array(route).prefault([]).meta({
    description:
      'Which request goes where. Exact paths beat parameters, parameters beat wildcards, then more predicates beat fewer; the order in the file does not matter.',
  }),
  defaults: filterOptions.prefault({}).meta({
    description:
      "Filters for all routes; a route's own option takes the place of the one with the same name here.",
    examples: [{ requestSize: { maxBody: '1MiB' } }],
  }),
});

/** The configuration as the code sees it. */
export type Config = z.output<typeof schema>;
