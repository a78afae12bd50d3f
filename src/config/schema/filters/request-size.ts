/** How large requests may be. */
import { z } from 'zod';
import { size } from '../../units.js';

export const requestSize = z
  .strictObject({
    maxBody: size()
      .prefault('10MiB')
      .meta({ description: 'Largest request body; a larger one gets 413.', examples: ['1MiB', '2GiB'] }),
    maxUrl: size({ min: 1 })
      .prefault('8KiB')
      .meta({ description: 'Longest path and query together; a longer one gets 414.', examples: ['2KiB'] }),
  })
  .meta({ description: 'Bounds on the size of requests. In force with its defaults when not named.' });

export type RequestSizeOptions = z.output<typeof requestSize>;
