import { z } from 'zod';
import { count } from '../fields.js';
import { duration, reject, size } from '../units.js';
import { rate } from './limits/limits.js';
import { compression } from './socket/compression.js';
import { conflate } from './socket/conflate.js';
import { messageSchema } from './socket/message-schema.js';
import { messages } from './socket/messages.js';

const MOST_MESSAGE = 2 ** 30 - 1;
/** Service restart: connect again. */
const DEFAULT_CLOSE = 1012;
const CLOSE_CODES = '1000 to 1014 without 1004 to 1006, or 3000 to 4999';

const origin = z
  .string()
  .regex(/^(?:https?:\/\/[^\s/?#@]+|null)$/, {
    error: 'an origin such as https://app.example.com, or "null"',
  })
  .transform((value) => value.toLowerCase());

/** What a reload does to sockets when the options of their route have changed. */
const reload = z
  .union(
    [
      z.enum(['keep', 'drain']),
      z.literal('close').transform(() => ({ close: DEFAULT_CLOSE })),
      z.strictObject({
        close: z
          .int()
          .transform((code, context) =>
            isCloseCode(code)
              ? code
              : reject(context, `${code} is no code that a close can have`, CLOSE_CODES),
          )
          .meta({ description: 'Code to close with.', examples: [4000] }),
      }),
    ],
    { error: 'keep, drain, close, or a mapping with close: CODE' },
  )
  .prefault('keep');

/** For those who come back all at once, as after a restart of another gateway. */
const handshakes = z.strictObject({
  rate: rate().meta({ description: 'How many in what time.', examples: ['1000/s'] }),
  burst: count(1, 10_000_000)
    .optional()
    .meta({
      description: 'How many at once. Absent: the number before the slash of `rate`.',
      examples: [2000],
    }),
  spread: duration({ min: 1000, max: 3_600_000 })
    .prefault('5s')
    .meta({
      description: 'Over how long those that are refused are told to come back: each at a moment of its own.',
      examples: ['30s'],
    }),
});

/** How a route carries WebSockets. */
const options = z.strictObject({
  maxMessage: size({ min: 1, max: MOST_MESSAGE })
    .prefault('1MiB')
    .meta({
      description: 'Largest message, either way. A larger one closes the socket with 1009.',
      examples: ['64KiB'],
    }),
  origins: z
    .array(origin)
    .optional()
    .meta({
      description:
        'Origins whose pages may open a socket; programs that send no `Origin` always may. Absent: any origin, but when the handshake has cookies only the host itself.',
      examples: [['https://app.example.com']],
    }),
  buffer: size({ min: 4096 })
    .prefault('256KiB')
    .meta({
      description:
        'Bytes that may wait for one side. For a slow client the service is then not read any more; a service that is slow itself cannot stop a client, so the socket is closed with 1013.',
      examples: ['64KiB'],
    }),
  slow: z
    .enum(['pause', 'close', 'conflate'])
    .prefault('pause')
    .meta({
      description:
        'A client that stays slow: `pause` lets the service wait for it, `close` ends the socket with 4408 after `slowFor`, `conflate` keeps the latest message of each key for it.',
      examples: ['close'],
    }),
  conflate: conflate.optional().meta({
    description: 'What `slow: conflate` may leave out, and what never.',
    examples: [{ key: '/symbol', protect: { pointer: '/type', in: ['fill'] }, maxRate: '20/s' }],
  }),
  messages: messages.optional().meta({
    description: 'How much one client may send. Absent: as much as the service takes.',
    examples: [{ rate: '50/s', burst: 100, bytes: '64KiB/s', over: 'delay' }],
  }),
  pings: z
    .union([z.literal('off').transform(() => null), rate()], { error: 'a rate such as 100/s, or off' })
    .prefault('100/s')
    .meta({
      description:
        'Most pings and pongs of one client; the socket is then closed with 4429. `off`: any number.',
      examples: ['10/s'],
    }),
  schema: messageSchema.optional().meta({
    description: 'What messages of clients must be like. Absent: anything.',
    examples: [{ opcodes: [1, 2, 7], over: 'close' }],
  }),
  compression,
  slowFor: duration({ min: 100 })
    .prefault('10s')
    .meta({
      description: 'How long a client may be slow with `slow: close`.',
      examples: ['30s'],
    }),
  idle: duration({ off: true })
    .prefault('off')
    .meta({
      description:
        'Longest silence, both ways together; pings do not count, nor does the time in which the service waits for a slow client. The socket is then closed with 1001. `off`: as long as both sides answer pings.',
      examples: ['10m'],
    }),
  lifetime: duration({ off: true })
    .prefault('off')
    .meta({
      description: 'Longest life of a socket, which is then closed with 1012, so that the client comes back.',
      examples: ['12h'],
    }),
  refresh: z
    .boolean()
    .prefault(false)
    .meta({
      description:
        'Whether clients may show new credentials without connecting anew: a text message that begins with `{"op":"auth"` is then for the gateway, and the service never sees it.',
      examples: [true],
    }),
  reload: reload.meta({
    description:
      'What becomes of open sockets when a reload changes the options of their route: `keep` (they keep the old ones), `drain` (closed with 1012 over `drain.sockets`), `close` or `{ close: CODE }` (at once). The word of the new configuration counts.',
    examples: ['drain', { close: 4000 }],
  }),
  handshakes: handshakes.optional().meta({
    description:
      'Handshakes that the route takes, on all workers together; over it 503 with a `Retry-After` that differs from client to client. Absent: as many as come.',
    examples: [{ rate: '1000/s', burst: 2000 }],
  }),
});

function isCloseCode(code: number): boolean {
  const known = code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
  return known || (code >= 3000 && code <= 4999);
}

/** `true`, or a mapping with options. */
export const websocket = z
  .union([z.boolean().transform((on) => (on ? options.parse({}) : null)), options], {
    error: 'true, or a mapping with maxMessage, origins, buffer …',
  })
  .meta({
    description:
      'Whether handshakes of WebSockets are taken: they pass the filters of the route like any request, then the service is asked, and the client gets what it says. Absent or false: the service sees an ordinary request.',
    examples: [true, { maxMessage: '64KiB', slow: 'close' }],
  });

export type WebSocketConfig = NonNullable<z.output<typeof websocket>>;
