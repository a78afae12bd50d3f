/** The name of a channel in a path of the admin API. */
import { isChannelName } from '../../services/channels/names.js';
import { type Call, problem, type Reply } from '../admin/endpoint.js';

/**
 * The name in the path; null: it is none. `private.a%2Eb` is a name of its own, whose `%` is written `%25` in a path: where
 * that was forgotten the message would reach another channel than was meant, perhaps another user.
 */
export function channelOf({ path, params: { channel } }: Call): string | null {
  return isChannelName(channel) && !/%2e/i.test(path) ? channel : null;
}

export function badName(): Reply {
  return problem(
    400,
    'Bad request',
    'the name of a channel has at most 128 characters: letters, digits, _ : ~ % - and dots between its segments; in a path its % is written %25, and its dots as they are',
  );
}
