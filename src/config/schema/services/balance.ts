import { z } from 'zod';
import { TOKEN } from '../../../listen/method.js';
import { headerName, pathPrefix, text } from '../../fields.js';
import { duration, ratio, reject } from '../../units.js';

const PLAIN_KEYS = ['user', 'ip'];
const NAMED_KEYS = ['header', 'cookie', 'param'];

/** What requests are hashed by. Output: header names in lower case. */
function hashKey() {
  const expected = `one of ${PLAIN_KEYS.join(', ')}, ${NAMED_KEYS.map((kind) => `${kind}:NAME`).join(', ')}`;
  return z
    .string({ error: expected })
    .transform((value, context) => {
      if (PLAIN_KEYS.includes(value)) return value;
      const colon = value.indexOf(':');
      const kind = value.slice(0, colon);
      const name = value.slice(colon + 1);
      if (colon < 0 || !NAMED_KEYS.includes(kind))
        return reject(context, `"${value}" is nothing to hash by`, expected);
      if (name === '') return reject(context, `"${value}" names no ${kind}`, expected);
      if (kind === 'param') return value;
      if (!headerName().safeParse(name).success) {
        return reject(context, `"${name}" cannot be the name of a ${kind}`, 'letters, digits and "-"');
      }
      return kind === 'header' ? value.toLowerCase() : value;
    })
    .meta({ title: 'key', pattern: `^(?:${PLAIN_KEYS.join('|')}|(?:${NAMED_KEYS.join('|')}):.+)$` });
}

const roundRobin = z.strictObject({
  type: z.literal('round-robin').meta({
    description: 'In turn, evenly mixed. Each worker begins elsewhere.',
    examples: ['round-robin'],
  }),
});

const random = z.strictObject({
  type: z.literal('random').meta({ description: 'By chance.', examples: ['random'] }),
});

const leastRequests = z.strictObject({
  type: z.literal('least-requests').meta({
    description:
      'Of two endpoints drawn by weight the one with fewer requests in flight, those of all workers together.',
    examples: ['least-requests'],
  }),
});

const peakEwma = z.strictObject({
  type: z.literal('peak-ewma').meta({
    description:
      'Of two endpoints drawn by weight the one that would be done first: by how long answers have lately taken, in all workers, and by requests in flight.',
    examples: ['peak-ewma'],
  }),
  decay: duration({ min: 100, max: 600_000 })
    .prefault('10s')
    .meta({
      description: 'After this time what was measured counts for a third.',
      examples: ['5s'],
    }),
  penalty: duration({ min: 1, max: 60_000 })
    .prefault('1s')
    .meta({
      description: 'What a failure or a status of 500 and above counts as, if it did not take longer.',
      examples: ['250ms'],
    }),
});

const consistentHash = z.strictObject({
  type: z.literal('consistent-hash').meta({
    description:
      'The same key goes to the same endpoint. One that goes takes only its own keys along; one that comes takes its share.',
    examples: ['consistent-hash'],
  }),
  by: hashKey().meta({
    description:
      'Where the key comes from; `user` needs `auth` on the routes. Requests without it take endpoints in turn.',
    examples: ['user', 'header:x-room', 'cookie:room', 'param:id', 'ip'],
  }),
  maxLoad: z
    .union([z.literal('off').transform(() => 0), z.number().min(1.01).max(100)], {
      error: 'a number from 1.01 to 100, or off',
    })
    .prefault('off')
    .meta({
      description:
        'No endpoint gets more than so many times its share of the requests in flight: further ones go to the next endpoint of their key.',
      examples: [1.25],
    }),
});

const WITHIN = [roundRobin, leastRequests, peakEwma, random] as const;
const NAMES = ['round-robin', 'least-requests', 'peak-ewma', 'random'] as const;

const within = z.discriminatedUnion('type', [...WITHIN, consistentHash], {
  error: `one of ${NAMES.join(', ')}, consistent-hash`,
});

const failover = z.strictObject({
  type: z.literal('failover').meta({
    description:
      'Endpoints in groups by `priority`: the next group is asked only when the one before it is out.',
    examples: ['failover'],
  }),
  within: z
    .union([z.enum(NAMES).transform((type) => within.parse({ type })), within], {
      error: `one of ${NAMES.join(', ')}, or a mapping with type`,
    })
    .prefault('round-robin')
    .meta({
      title: 'as `balance`',
      description: 'How an endpoint of the group is chosen: any other policy.',
      examples: ['least-requests'],
    }),
  below: ratio()
    .prefault('0%')
    .meta({
      description:
        'A group counts as out when less than this share of its weight is available; `0%`: when none is.',
      examples: ['50%'],
    }),
});

const policy = z.discriminatedUnion('type', [...WITHIN, consistentHash, failover], {
  error: `one of ${NAMES.join(', ')}, consistent-hash, failover`,
});

/** How an endpoint is chosen. Output: always a mapping. */
export const balance = z.union(
  [
    z.enum([...NAMES, 'failover']).transform((type) => policy.parse({ type })),
    z
      .literal('consistent-hash')
      .transform((value, context) =>
        reject(context, `${value} does not say by what`, "{ type: consistent-hash, by: 'header:x-room' }"),
      ),
    policy,
  ],
  { error: `one of ${NAMES.join(', ')}, failover, or a mapping with type` },
);

export const zones = z.union(
  [
    z.literal('off').transform(() => false as const),
    z.strictObject({
      spillBelow: ratio()
        .prefault('70%')
        .meta({
          description:
            'With less than this share of the own zone available, requests go to other zones too: the more, the less is left.',
          examples: ['50%'],
        }),
    }),
  ],
  { error: 'off, or a mapping with spillBelow' },
);

export const sticky = z.strictObject({
  cookie: z
    .string()
    .regex(TOKEN, { error: 'letters, digits, "-" and "_"' })
    .meta({
      description: 'Name of the cookie; one for each service.',
      examples: ['quotes_at'],
    }),
  ttl: duration({ min: 1_000, off: true })
    .prefault('off')
    .meta({
      description: 'How long browsers keep the cookie; `off`: until they are closed.',
      examples: ['8h'],
    }),
  path: pathPrefix()
    .prefault('/')
    .meta({ description: 'Paths that browsers send the cookie with.', examples: ['/api'] }),
  sameSite: z
    .enum(['strict', 'lax', 'none'])
    .prefault('lax')
    .meta({
      description:
        'Whether browsers send the cookie with requests from other sites; `none` makes it `Secure`.',
      examples: ['strict'],
    }),
  secret: text()
    .pipe(z.string().min(16, { error: 'at least 16 characters' }))
    .meta({
      description:
        'What the cookie is signed with: 16 characters at least, the same on all machines. Another one lets all clients begin anew.',
      examples: ['${STICKY_SECRET}'],
    }),
});
