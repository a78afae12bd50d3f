import { z } from 'zod';
import { count } from '../fields.js';
import { duration, size } from '../units.js';
import { channelPresence, channelUpstream } from './channel-upstream.js';
import { demands } from './filters/auth.js';

/** What is wrong with it is found by the checks, which know the route's path. */
const pattern = () => z.string({ error: 'a pattern of channels such as ticks.*' });

const allowed = z.strictObject({
  match: pattern().meta({
    description:
      'Channels by their names: `*` is one segment, or at the end the rest; `${auth.user}`, `${auth.consumer}`, `${auth.plan}`, `${claim.NAME}` and `${param.NAME}` stand for what is known of the caller, percent-encoded.',
    examples: ['ticks.*', 'private.${auth.user}.*'],
  }),
  ...demands,
});

const rule = z.union(
  [pattern().transform((match): z.output<typeof allowed> => allowed.parse({ match })), allowed],
  { error: 'a pattern of channels, or a mapping with match and roles, scopes, permissions, when' },
);

const historyOptions = z.strictObject({
  size: count(0, 100_000)
    .prefault(100)
    .meta({ description: 'Messages of a channel that are kept, at most.', examples: [1000] }),
  ttl: duration({ off: true })
    .prefault('60s')
    .meta({ description: 'For how long they are kept. `off`: as long as there is room.', examples: ['10m'] }),
});

const history = z.union(
  [z.literal(['off', false]).transform(() => historyOptions.parse({ size: 0 })), historyOptions],
  { error: 'off, or a mapping with size and ttl' },
);

const eventOptions = z.strictObject({
  keepAlive: duration({ min: 1_000 })
    .prefault('15s')
    .meta({
      description: 'A stream on which nothing was said for this long gets a comment.',
      examples: ['30s'],
    }),
  retry: duration({ min: 100 })
    .prefault('3s')
    .meta({
      description: 'How long clients are told to wait before they connect again, give or take a half.',
      examples: ['5s'],
    }),
});

const events = z.union([z.boolean().transform((on) => (on ? eventOptions.parse({}) : null)), eventOptions], {
  error: 'true, false, or a mapping with keepAlive and retry',
});

/** Channels on a route: the gateway itself is the other end of its sockets. */
const options = z.strictObject({
  allow: z
    .array(rule, { error: 'a list of patterns' })
    .min(1, { error: 'at least one pattern' })
    .meta({
      description: 'Which channels clients of the route may subscribe to; one of these must say yes.',
      examples: [['ticks.*'], [{ match: 'private.${auth.user}.*' }, { match: 'admin.*', roles: ['admin'] }]],
    }),
  history: history.prefault({}).meta({
    description:
      'What is kept of each channel, for clients that come back. When several routes allow a channel, the first one in the file says it.',
    examples: [{ size: 1000, ttl: '10m' }, 'off'],
  }),
  presence: channelPresence.prefault(false).meta({
    description:
      'Whether it is known who is on a channel, and told to clients that ask for it. See [channels-machines.md](channels-machines.md#presence).',
    examples: [true, { grace: '10s' }],
  }),
  upstream: channelUpstream.optional().meta({
    description:
      'A service that is the source of the channels: one connection for each, opened with its first subscriber. When several routes allow a channel, the first one in the file says it.',
    examples: [{ service: 'ticks', path: '/stream/${channel.name}', type: 'sse' }],
  }),
  maxSubscriptions: count(1, 10_000)
    .prefault(100)
    .meta({ description: 'Channels that one client may be subscribed to.', examples: [20] }),
  slow: z
    .enum(['recover', 'conflate', 'close'])
    .prefault('recover')
    .meta({
      description:
        'A client that does not keep up: with `recover` it gets what it missed from the history when it reads again, or is told that there is a gap; with `conflate` the latest message of each channel only; `close` ends it with 4408 after `slowFor`.',
      examples: ['conflate'],
    }),
  slowFor: duration({ min: 100 })
    .prefault('10s')
    .meta({
      description:
        'How long a client may be slow with `slow: close`. Streams of events are always ended after this time.',
      examples: ['30s'],
    }),
  buffer: size({ min: 4096 })
    .prefault('256KiB')
    .meta({
      description: 'Bytes that may wait for one client; beyond it, it is slow.',
      examples: ['64KiB'],
    }),
  events: events.prefault(true).meta({
    description: 'Whether the channels can be had as a stream of events too (`text/event-stream`), and how.',
    examples: [false, { keepAlive: '30s' }],
  }),
});

export const routeChannels = options.meta({
  description:
    'Instead of a service: clients subscribe to channels, over a WebSocket (with `websocket`) or as a stream of events; services publish through the admin API. See [channels.md](channels.md).',
  examples: [{ allow: ['ticks.*'], history: { size: 100, ttl: '60s' } }],
});

export type ChannelsConfig = z.output<typeof options>;

/** What holds for all channels. */
export const channels = z
  .strictObject({
    memory: size({ min: 1024 * 1024 })
      .prefault('128MiB')
      .meta({
        description:
          'What the histories of all channels may take in the memory of the control process. Beyond it they end early, those of channels that were not used for longest first.',
        examples: ['512MiB'],
      }),
    max: count(1, 10_000_000)
      .prefault(100_000)
      .meta({
        description: 'Channels at a time. Beyond it those without subscribers are forgotten.',
        examples: [1_000_000],
      }),
    maxMessage: size({ min: 1, max: 16 * 1024 * 1024 })
      .prefault('64KiB')
      .meta({ description: 'Largest message that can be published.', examples: ['1MiB'] }),
  })
  .prefault({})
  .meta({ description: 'What holds for the channels of all routes.' });
