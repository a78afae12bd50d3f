import { z } from 'zod';
import { byHeader, distinct, notEmpty } from '../collections.js';
import {
  hostPattern,
  label,
  location,
  method,
  name,
  pathPattern,
  pathPrefix,
  pattern,
  template,
  text,
} from '../fields.js';
import { reject } from '../units.js';
import { routeChannels } from './channels.js';
import { auth } from './filters/auth.js';
import { headers } from './filters/headers.js';
import { idempotency } from './filters/idempotency.js';
import { limit } from './filters/limit.js';
import { priority } from './filters/priority.js';
import { requestSize } from './filters/request-size.js';
import { fallback } from './resilience/fallback.js';
import { lowerCaseKeys, respond } from './resilience/respond.js';
import { routeRetries } from './resilience/retries.js';
import { websocket } from './websocket.js';

/** One optional key for each filter, in the order in which they run: `filters/index.ts`. */
const filterShape = {
  priority: priority.optional(),
  requestSize: requestSize.optional(),
  auth: auth.optional(),
  limit: limit.optional(),
  idempotency: idempotency.optional(),
  headers: headers.optional(),
};

/** Options of filters, by the filter's name. */
export const filterOptions = z.strictObject(filterShape);
export type FilterOptions = z.output<typeof filterOptions>;

/** What a header or a query parameter must be like. */
export type ValueMatch = { present: boolean } | { exact: string } | { pattern: string };

const valueMatch = z.union(
  [
    z.boolean().transform((present): ValueMatch => ({ present })),
    text().transform((exact): ValueMatch => ({ exact })),
    z
      .strictObject({
        present: z
          .boolean()
          .optional()
          .meta({ description: 'Whether it must be there at all.', examples: [true] }),
        exact: text()
          .optional()
          .meta({ description: 'The value, byte for byte.', examples: ['v2'] }),
        pattern: pattern()
          .optional()
          .meta({
            description: 'A regular expression (RE2 syntax, linear time), found anywhere unless anchored.',
            examples: ['^v[0-9]+$'],
          }),
      })
      .transform((options, context): ValueMatch => {
        const given = Object.entries(options).filter(([, value]) => value !== undefined);
        if (given.length === 1) return Object.fromEntries(given) as ValueMatch;
        const message = given.length === 0 ? 'holds no condition' : 'holds several conditions';
        return reject(context, message, 'exactly one of present, exact, pattern');
      }),
  ],
  { error: 'true (present), false (absent), a text (exact), or a mapping with exact or pattern' },
);

const match = z.strictObject({
  host: z
    .union(
      [
        hostPattern().transform((host) => [host]),
        distinct(hostPattern(), 'host').min(1, { error: 'at least one host' }),
      ],
      { error: 'a host or a list of hosts' },
    )
    .default([])
    .meta({
      description: 'Hosts, exact or `*.` and a domain. Absent: any. One may be written without a list.',
      examples: ['api.example.com', ['example.com', '*.example.com']],
    }),
  path: pathPattern().meta({
    description: '`/a/b` is exact, `/a/:id` takes one segment, `/a/*` the rest.',
    examples: ['/api/v1/quotes/*', '/users/:id'],
  }),
  methods: distinct(method(), 'method')
    .min(1, { error: 'at least one method' })
    .default([])
    .meta({
      description: 'Methods, upper case. Absent: any. `GET` implies `HEAD`; nothing implies `OPTIONS`.',
      examples: [['GET', 'POST']],
    }),
  headers: byHeader(valueMatch)
    .superRefine(notEmpty('header'))
    .transform((headers) => lowerCaseKeys(headers))
    .default({})
    .meta({
      description: 'Headers: `true` present, `false` absent, a text for the exact value, `{ pattern }`.',
      examples: [{ 'x-api-version': '2', 'user-agent': { pattern: 'curl/' } }],
    }),
  query: z
    .record(z.string(), valueMatch)
    .superRefine(notEmpty('parameter'))
    .default({})
    .meta({ description: 'Query parameters, like `headers`.', examples: [{ debug: true, format: 'json' }] }),
  encodedSlashes: z
    .boolean()
    .prefault(false)
    .meta({
      description:
        'Whether `%2F` may occur in the path; it then stays encoded. Otherwise such a request is refused.',
      examples: [true],
    }),
});

const redirectOptions = z.strictObject({
  to: location().meta({
    description: 'Value of `Location`: a URL or a path; may name variables.',
    examples: ['https://${request.host}${request.path}'],
  }),
  status: z
    .literal([301, 302, 303, 307, 308])
    .prefault(308)
    .meta({
      description: 'Status of the redirect; 307 and 308 keep the method.',
      examples: [302],
    }),
});

const redirect = z.union(
  [
    location().transform((to): z.output<typeof redirectOptions> => redirectOptions.parse({ to })),
    redirectOptions,
  ],
  { error: 'where to go, or a mapping with to and status' },
);

const rewrite = z.strictObject({
  prefix: pathPrefix()
    .optional()
    .meta({
      description: 'Takes the place of what stands before `*` in `match.path`; `/` strips it.',
      examples: ['/', '/v2'],
    }),
  path: pathPattern()
    .optional()
    .meta({
      description: 'The new path; `:name` and a final `*` take what they matched in `match.path`.',
      examples: ['/users/:id', '/v2/*'],
    }),
  query: z
    .strictObject({
      set: z
        .record(z.string().min(1), template())
        .prefault({})
        .meta({
          description:
            'Query parameters to set; what the client sent under the name is dropped. Values may name variables and are percent-encoded.',
          examples: [{ source: 'gateway', user: '${param.id}' }],
        }),
      remove: distinct(z.string(), 'parameter')
        .prefault([])
        .meta({
          description: 'Query parameters to drop.',
          examples: [['debug']],
        }),
    })
    .prefault({})
    .meta({ description: 'Changes to the query.' }),
  host: z
    .enum(['endpoint', 'keep'])
    .prefault('endpoint')
    .meta({
      description: "`Host` towards the service: the endpoint's own, or the one the client sent.",
      examples: ['keep'],
    }),
});

/** What the gateway does with sessions and keys by itself, and how its services are. */
export const BUILTINS = ['login', 'callback', 'refresh', 'logout', 'session', 'keys', 'services'] as const;

const builtinOptions = z.strictObject({
  action: z.enum(BUILTINS).meta({
    description:
      '`login` sends a browser to the identity provider, `callback` is where it comes back, `refresh` (POST) renews tokens and session, `logout` (POST) ends it, `session` tells a page who is logged in, `keys` publishes the public key of the internal token, `services` tells which services are well, without addresses.',
    examples: ['logout'],
  }),
  provider: label()
    .optional()
    .meta({
      description: 'The session provider it is for; not needed when there is one only.',
      examples: ['web'],
    }),
});

const builtin = z.union(
  [z.enum(BUILTINS).transform((action): z.output<typeof builtinOptions> => ({ action })), builtinOptions],
  { error: `one of ${BUILTINS.join(', ')}, or a mapping with action and provider` },
);

/** Which requests, and what becomes of them. */
export const route = z
  .strictObject({
    name: name().meta({ description: 'Unique name; metrics and logs carry it.', examples: ['quotes'] }),
    match: match.meta({ description: 'Which requests the route takes. All that is written here must hold.' }),
    service: z
      .string()
      .optional()
      .meta({
        description:
          'Name of the service that answers; `${param.NAME}` takes it from the path, for those in `allow`.',
        examples: ['quotes', '${param.service}'],
      }),
    allow: distinct(z.string().min(1, { error: 'the name of a service, or tag:NAME' }), 'service')
      .min(1, { error: 'at least one service' })
      .optional()
      .meta({
        description:
          'Services that the path may name: names, and `tag:NAME` for all that carry the tag. Anything else is answered 404.',
        examples: [['quotes', 'orders'], ['tag:public']],
      }),
    respond: respond.optional().meta({
      description: 'A fixed answer instead of a service.',
      examples: [{ status: 503, body: 'back soon' }],
    }),
    redirect: redirect.optional().meta({
      description: 'A redirect instead of a service: where to, or a mapping with `to` and `status`.',
      examples: ['/new', { to: 'https://example.com${request.path}', status: 301 }],
    }),
    builtin: builtin.optional().meta({
      description:
        'An answer about logins, or about the services, instead of a service: what it does, or a mapping with `action` and `provider`.',
      examples: ['logout', { action: 'login', provider: 'web' }],
    }),
    websocket: websocket.optional(),
    channels: routeChannels.optional(),
    rewrite: rewrite.prefault({}).meta({ description: 'Changes to the target on its way to the service.' }),
    retries: routeRetries.optional().meta({
      description:
        'Instead of the `retries` of the service, or `off`. They are counted against the budget of the service.',
      examples: ['off', { attempts: 1, on: ['connect', 503] }],
    }),
    fallback: fallback.optional().meta({
      description:
        'What to do instead when the service fails, in this order; see [resilience.md](resilience.md#fallbacks).',
      examples: [[{ service: 'quotes-backup' }, { respond: { body: { quotes: [] } } }]],
    }),
    ...filterShape,
  })
  .transform(
    ({
      name,
      match,
      service,
      allow,
      respond,
      redirect,
      builtin,
      rewrite,
      websocket,
      channels,
      retries,
      fallback,
      ...options
    }) => {
      const filters: FilterOptions = options;
      return {
        name,
        match,
        ...(service !== undefined && { service }),
        ...(allow !== undefined && { allow }),
        ...(respond !== undefined && { respond }),
        ...(redirect !== undefined && { redirect }),
        ...(builtin !== undefined && { builtin }),
        rewrite,
        ...(retries !== undefined && { retries }),
        ...(fallback !== undefined && { fallback }),
        websocket: websocket ?? null,
        channels: channels ?? null,
        filters,
      };
    },
  );

export type RouteConfig = z.output<typeof route>;
