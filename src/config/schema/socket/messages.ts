import { z } from 'zod';
import { count } from '../../fields.js';
import { size } from '../../units.js';
import { rate } from '../limits/limits.js';

/** Bytes in a period: `64KiB/s`. Output: the number, and the period in milliseconds. */
function byteRate() {
  const expected = 'a rate such as 64KiB/s or 10MiB/min';
  const bytes = size({ min: 1 });
  return z
    .string({ error: expected })
    .transform((value, context): { bytes: number; periodMs: number } => {
      const slash = value.lastIndexOf('/');
      const amount = bytes.safeParse(value.slice(0, slash).trim());
      const period = rate().safeParse(`1/${value.slice(slash + 1).trim()}`);
      if (slash > 0 && amount.success && period.success)
        return { bytes: amount.data, periodMs: period.data.periodMs };
      context.addIssue({
        code: 'custom',
        message: `"${value}" is not a rate of bytes`,
        params: { expected },
      });
      return z.NEVER;
    })
    .meta({ title: 'rate of bytes' });
}

/** How messages that are dropped are made known to the client that sent them. */
export const notice = () =>
  z
    .enum(['auto', 'always', 'never'])
    .prefault('auto')
    .meta({
      description:
        'Whether a client is told of messages that were dropped, by a text message `{"op":"error","code",…}`: `auto` if they were text, `always`, or `never`, for clients that would not understand it.',
      examples: ['never'],
    });

/** How much one client may send. */
export const messages = z
  .strictObject({
    rate: rate()
      .optional()
      .meta({ description: 'Most messages from one socket.', examples: ['50/s'] }),
    burst: count(1, 1_000_000)
      .optional()
      .meta({
        description: 'Messages at once, after a silence. Absent: as many as `rate` says.',
        examples: [100],
      }),
    bytes: byteRate()
      .optional()
      .meta({
        description:
          'Most bytes from one socket. A message passes when nothing is owed, whatever its size, and is paid off afterwards.',
        examples: ['64KiB/s'],
      }),
    over: z
      .enum(['reject', 'close', 'delay'])
      .prefault('reject')
      .meta({
        description:
          'What becomes of a message above it: `reject` drops it and says so, `close` ends the socket with 4429, `delay` holds it back until it fits, and ends the socket with 4429 when more than `buffer` is held.',
        examples: ['delay'],
      }),
    notice: notice(),
  })
  .superRefine(({ rate, bytes, burst }, context) => {
    const refuse = (path: string[], message: string, expected: string) =>
      context.addIssue({ code: 'custom', path, message, params: { expected } });
    if (rate === undefined && bytes === undefined) refuse([], 'this limits nothing', 'rate, bytes, or both');
    if (rate === undefined && burst !== undefined) refuse(['burst'], 'burst goes with a rate', 'rate: 50/s');
  });

export type MessagesConfig = z.output<typeof messages>;
