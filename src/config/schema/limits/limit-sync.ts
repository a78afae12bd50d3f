import { z } from 'zod';
import { duration } from '../../units.js';

/** Whether other machines count, too. Absent: synced where there is Redis. */
export const mode = z
  .enum(['local', 'synced', 'strict'])
  .optional()
  .meta({
    description:
      'Who counts together. `local`: the workers of this machine. `synced` (default with `redis`): all machines, and no request waits. `strict`: Redis is asked for each request.',
    examples: ['strict'],
  });

/** How machines count together. */
export const sync = z
  .strictObject({
    timeout: duration({ min: 10, max: 5_000 })
      .prefault('100ms')
      .meta({
        description:
          'How long Redis is waited for. After that each machine goes on with its share; a request under a `strict` limit waits no longer.',
        examples: ['50ms'],
      }),
    machines: z
      .int({ error: 'a whole number from 1 to 10000' })
      .min(1)
      .max(10_000)
      .prefault(1)
      .meta({
        description:
          'How many machines to reckon with as long as Redis has not said it: a machine that starts while Redis is away has one part of so many.',
        examples: [5],
      }),
  })
  .prefault({})
  .meta({
    description:
      'How several machines count together. Read when the first limit is configured; a reload does not change it.',
  });
