/** Bounds on what a client may send: 414 before anything else, 413 from `Content-Length` or in the middle of a body. */
import { z } from 'zod';
import { size } from '../config/units.js';
import { BODY_TOO_LARGE, URL_TOO_LONG } from '../errors.js';
import { CONTINUE, type Filter } from '../pipeline.js';

const schema = z
  .strictObject({
    maxBody: size()
      .prefault('10MiB')
      .meta({ description: 'Largest request body; a larger one gets 413.', examples: ['1MiB', '2GiB'] }),
    maxUrl: size({ min: 1 })
      .prefault('8KiB')
      .meta({ description: 'Longest path and query together; a longer one gets 414.', examples: ['2KiB'] }),
  })
  .meta({ description: 'Bounds on the size of requests. In force with its defaults when not named.' });

export const requestSize: Filter<'requestSize', typeof schema> = {
  name: 'requestSize',
  schema,
  unnamed: schema.parse({}),
  build({ maxBody, maxUrl }) {
    return {
      onRequest: function checkRequestSize(x) {
        if (x.path.length + x.query.length > maxUrl) return x.refuse(URL_TOO_LONG);
        if (x.body !== null) {
          if (x.body.length > maxBody) return x.refuse(BODY_TOO_LARGE);
          x.body.limit = maxBody;
        }
        return CONTINUE;
      },
    };
  },
};
