/** What a request takes from a limit or a quota. */
import { z } from 'zod';
import { count, headerName } from '../../fields.js';

export const cost = z
  .strictObject({
    header: headerName()
      .transform((header) => header.toLowerCase())
      .optional()
      .meta({
        description:
          'Header of the request that says what it costs; anything but a whole number counts as `default`.',
        examples: ['x-cost'],
      }),
    value: count(1, 1_000_000)
      .optional()
      .meta({ description: 'What every request costs. Instead of `header`.', examples: [5] }),
    default: count(0, 1_000_000)
      .prefault(1)
      .meta({ description: 'Cost when the header is absent or no number.', examples: [1] }),
    min: count(0, 1_000_000)
      .prefault(1)
      .meta({
        description:
          'Least that a request costs, whatever its header says. With 0 a client may free itself from the limit.',
        examples: [0],
      }),
    max: count(1, 1_000_000)
      .prefault(1_000)
      .meta({ description: 'Most that one request may cost, whatever its header says.', examples: [100] }),
  })
  .superRefine(({ header, value, min, max, default: otherwise }, context) => {
    const refuse = (path: string, message: string, expected?: string) =>
      context.addIssue({ code: 'custom', path: [path], message, params: { expected } });
    if (header !== undefined && value !== undefined) refuse('value', 'header and value exclude each other');
    if (min > max) refuse('min', `more than max, which is ${max}`);
    else if (otherwise < min) refuse('default', `less than min, which is ${min}`, `at least ${min}`);
  });
