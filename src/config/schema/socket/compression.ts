import { z } from 'zod';
import { size } from '../../units.js';

const KINDS = ['off', 'shared', 'dedicated'] as const;

const options = z.strictObject({
  mode: z
    .enum(KINDS)
    .prefault('shared')
    .meta({
      description:
        '`shared`: each message by itself, with memory that all sockets of a worker share. `dedicated`: with what the socket has sent before, which compresses small messages better and takes about 50 KiB for each socket. `off`: none.',
      examples: ['dedicated'],
    }),
  minBytes: size({ min: 1 })
    .prefault('1KiB')
    .meta({ description: 'Smaller messages are sent as they are.', examples: ['256'] }),
});

/** permessage-deflate (RFC 7692) towards clients that offer it. */
export const compression = z
  .union([z.enum(KINDS).transform((mode) => options.parse({ mode })), options], {
    error: 'off, shared or dedicated, or a mapping with mode and minBytes',
  })
  .prefault('off')
  .meta({
    description:
      'Whether messages are compressed for clients that offer it (permessage-deflate). All routes that do it do it in one mode, which is read when a worker starts: a reload does not change it.',
    examples: ['shared', { mode: 'dedicated', minBytes: 256 }],
  });

export type CompressionConfig = z.output<typeof compression>;
export type CompressionMode = CompressionConfig['mode'];
