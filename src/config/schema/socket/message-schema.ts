import { z } from 'zod';
import { fileName } from '../../fields.js';
import { reject } from '../../units.js';
import { opcodes } from './conflate.js';
import { notice } from './messages.js';

/** What messages of clients must be like. */
export const messageSchema = z
  .strictObject({
    json: z
      .record(z.string(), z.unknown(), { error: 'a JSON Schema, as a mapping' })
      .optional()
      .meta({
        description:
          'A JSON Schema (draft 2020-12, 2019-09 or 7, by its `$schema`; draft 7 without one) that every message must fit, be it text or binary. Patterns are RE2.',
        examples: [{ type: 'object', required: ['op'], properties: { op: { enum: ['move', 'say'] } } }],
      }),
    file: fileName()
      .optional()
      .meta({
        description: 'A file with such a schema, read with the configuration.',
        examples: ['moves.json'],
      }),
    opcodes: opcodes()
      .optional()
      .meta({ description: 'Values that the first byte of a message may have.', examples: [[1, 2, 7]] }),
    over: z
      .enum(['reject', 'close'])
      .prefault('reject')
      .meta({
        description:
          'What becomes of a message that does not fit: `reject` drops it and says so, `close` ends the socket with 4422.',
        examples: ['close'],
      }),
    notice: notice(),
  })
  .superRefine(({ json, file, opcodes }, context) => {
    const given = [json, file, opcodes].filter((one) => one !== undefined).length;
    if (given !== 1)
      reject(
        context,
        given === 0 ? 'this demands nothing' : 'these exclude each other',
        'one of json, file, opcodes',
      );
  });

export type MessageSchemaConfig = z.output<typeof messageSchema>;
