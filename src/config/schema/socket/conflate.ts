import { z } from 'zod';
import { count } from '../../fields.js';
import { reject, size } from '../../units.js';
import { rate } from '../limits/limits.js';

/** A place in a JSON document (RFC 6901). */
function pointer() {
  return z.string({ error: 'a JSON pointer such as /symbol' }).regex(/^(?:\/(?:[^~/]|~[01])*)+$/, {
    error: 'a JSON pointer such as /symbol or /data/id',
  });
}

export const opcodes = () => z.array(count(0, 255)).min(1, { error: 'at least one number from 0 to 255' });

const byteRange = z
  .tuple([count(0, 65_535), count(1, 65_536)], {
    error: 'two numbers: the first byte, and the one behind the last',
  })
  .superRefine(([from, to], context) => {
    if (to <= from)
      reject(context, `no byte lies between ${from} and ${to}`, 'a second number above the first');
  });

const key = z.union(
  [
    pointer(),
    z.strictObject({
      bytes: byteRange.meta({
        description: 'The first byte of the key, counted from 0, and the one behind its last.',
        examples: [[0, 4]],
      }),
    }),
  ],
  { error: 'a JSON pointer such as /symbol, or { bytes: [0, 4] }' },
);

const protect = z.union(
  [
    z.strictObject({
      pointer: pointer().meta({
        description: 'Where a JSON message says of what kind it is.',
        examples: ['/type'],
      }),
      in: z
        .array(z.union([z.string(), z.number(), z.boolean()], { error: 'a text, a number, true or false' }))
        .min(1, { error: 'at least one value' })
        .meta({ description: 'The kinds that are protected.', examples: [['fill', 'death']] }),
    }),
    z.strictObject({
      opcodes: opcodes().meta({
        description: 'Values of the first byte of messages that are protected.',
        examples: [[3, 7]],
      }),
    }),
  ],
  { error: '{ pointer, in }, or { opcodes }' },
);

/** What waits for a client with `slow: conflate`. */
export const conflate = z.strictObject({
  key: key.meta({
    description:
      'What a message is about: a JSON pointer, or a range of its bytes. Of messages with the same key only the latest waits. A message without one is protected.',
    examples: ['/symbol', { bytes: [0, 4] }],
  }),
  protect: protect.optional().meta({
    description: 'Kinds of messages that are never replaced by newer ones. Absent: those without a key only.',
    examples: [{ pointer: '/type', in: ['fill', 'death'] }, { opcodes: [3, 7] }],
  }),
  maxRate: rate()
    .optional()
    .meta({
      description:
        'Most messages to one client, also to one that is fast: what is more waits, and is conflated.',
      examples: ['20/s'],
    }),
  memory: size({ min: 4096 })
    .prefault('4MiB')
    .meta({
      description:
        'Bytes that may wait for one client, 256 more for each message. Beyond it the service is not read until half of it is gone.',
      examples: ['16MiB'],
    }),
});

export type ConflateConfig = z.output<typeof conflate>;
