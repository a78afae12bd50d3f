/** Who is on a channel, on the admin port. */
import { MEMBERS_AT_ONCE, type Member } from '../../../services/channels/presence.js';
import { type Endpoint, json, problem } from '../../admin/endpoint.js';
import { badName, channelOf } from '../channel-in-path.js';

const MOST_AT_ONCE = 1000;

const presence: Endpoint = {
  path: '/channels/:channel/presence',
  method: 'GET',
  summary: 'Who is on a channel: ?limit=100, ?after=ID for the next page.',
  handle: async (plane, call) => {
    const { query } = call;
    const control = plane.presence();
    if (!control.inUse) return problem(409, 'No presence', 'no route has channels with presence');
    const limit = Number(query.get('limit') ?? MEMBERS_AT_ONCE);
    if (!Number.isInteger(limit) || limit < 1 || limit > MOST_AT_ONCE)
      return problem(400, 'Bad request', `limit is a whole number from 1 to ${MOST_AT_ONCE}`);
    const channel = channelOf(call);
    if (channel === null) return badName();
    const page = await control.list(channel, query.get('after') ?? '', limit);
    return json({ channel, ...page, members: page.members.map(plain) });
  },
};

export const presenceEndpoints: readonly Endpoint[] = [presence];

function plain({ info, ...member }: Member) {
  return { ...member, info: info === null ? null : (JSON.parse(info) as unknown) };
}
