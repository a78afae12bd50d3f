import { z } from 'zod';
import { headerName, headerValue } from '../fields.js';
import { duration } from '../units.js';

const TARGET = /^\/[!-~]*$/;

/** A service that is the source of a route's channels. */
export const channelUpstream = z.strictObject({
  service: z.string().meta({ description: 'Name of the service.', examples: ['ticks'] }),
  path: z
    .string()
    .regex(TARGET, { error: 'a path such as /stream/${channel.name}' })
    .meta({
      description:
        'Path and query at the service: `${channel.name}` is the name of the channel, `${channel.1}` its first segment, and so on; percent-encoded.',
      examples: ['/stream/${channel.name}', '/ticks?symbol=${channel.2}'],
    }),
  type: z
    .enum(['websocket', 'sse'])
    .prefault('websocket')
    .meta({
      description: 'What the service speaks: a WebSocket, or a stream of events (`text/event-stream`).',
      examples: ['sse'],
    }),
  headers: z
    .record(headerName(), headerValue())
    .prefault({})
    .meta({
      description: 'Fields of the request to the service.',
      examples: [{ 'X-Api-Key': '${TICKS_KEY}' }],
    }),
  keep: duration({ min: 0 })
    .prefault('10s')
    .meta({
      description: 'How long the connection stays open when the last subscriber has left.',
      examples: ['1m'],
    }),
  idle: duration({ min: 1000 })
    .prefault('60s')
    .meta({
      description:
        'A service that says nothing for this long is given up and connected to again. Answers to pings count, and so do comments in a stream of events.',
      examples: ['30s'],
    }),
});

const presenceOptions = z.strictObject({
  grace: duration({ min: 0 })
    .prefault('5s')
    .meta({
      description:
        'How long somebody stays present whose last connection has ended: who comes back in time has never been away.',
      examples: ['10s'],
    }),
});

/** Whether it is known who is on a channel. */
export const channelPresence = z.union(
  [z.boolean().transform((on) => (on ? presenceOptions.parse({}) : null)), presenceOptions],
  { error: 'true, false, or a mapping with grace' },
);

export type ChannelUpstreamConfig = z.output<typeof channelUpstream>;
