/**
 * Who is calling, and may they. Ways in are tried in the order of the route; then its demands are checked; then the service
 * learns who it is. What a client sends under the names of these headers was dropped when its request was read.
 */
import type { AuthOptions } from '../config/schema/filters/auth.js';
import type { Filter } from '../pipeline.js';
import { Door } from '../services/door.js';
import { introduce } from '../services/introduction.js';

export const auth: Filter<'auth', AuthOptions> = {
  name: 'auth',
  build(options, env) {
    if (options === null) return {};
    const providers = (options.allOf ?? options.anyOf ?? []).map((name) => env.access.provider(name));
    const door = new Door(providers, options, env);
    return {
      onRequest: door.enter,
      review: door.review,
      onForward: introduce(providers, options.claims, env),
    };
  },
};
