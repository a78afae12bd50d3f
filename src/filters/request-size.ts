/** Bounds on what a client may send: 414 before anything else, 413 from `Content-Length` or in the middle of a body. */
import type { RequestSizeOptions } from '../config/schema/filters/request-size.js';
import { BODY_TOO_LARGE, URL_TOO_LONG } from '../errors.js';
import { CONTINUE, type Filter } from '../pipeline.js';

export const requestSize: Filter<'requestSize', RequestSizeOptions> = {
  name: 'requestSize',
  unnamed: { maxBody: 10 * 1024 * 1024, maxUrl: 8 * 1024 },
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
