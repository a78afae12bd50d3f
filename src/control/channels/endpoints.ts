/** Channels on the admin port: publishing, broadcasting, looking. */

import type { Audience } from '../../services/channels/messages.js';
import { type Call, type ControlPlane, type Endpoint, json, problem, type Reply } from '../admin/endpoint.js';
import type { ChannelControl } from './channel-control.js';
import { badName, channelOf } from './channel-in-path.js';
import { LogUnavailable } from './log.js';
import { ChannelHasSource } from './split-log.js';

const MOST_BODY_BYTES = 16 * 1024 * 1024;
const MOST_AT_ONCE = 10_000;
const PAGE = 100;
const LARGEST_PAGE = 1000;

const publish: Endpoint = {
  path: '/channels/:channel',
  method: 'POST',
  summary: 'Publishes {"data": …} on a channel, or several messages as a list; tells where they stand.',
  body: MOST_BODY_BYTES,
  handle: withChannels(async (channels, call) => {
    const { body } = call;
    const channel = channelOf(call);
    if (channel === null) return badName();
    const list = Array.isArray(body) ? body : [body];
    if (list.length > MOST_AT_ONCE)
      return problem(400, 'Bad request', `at most ${MOST_AT_ONCE} messages at once`);
    const texts: string[] = [];
    for (const [i, one] of list.entries()) {
      const text = dataOf(one, ['data']);
      const where = Array.isArray(body) ? `[${i}]: ` : '';
      if (text === '') return tooDeep(where);
      if (text === null) return problem(400, 'Bad request', `${where}expected {"data": …} and nothing else`);
      if (Buffer.byteLength(text) > channels.maxMessage) return tooLarge(where, channels.maxMessage);
      texts.push(text);
    }
    const positions = await Promise.all(texts.map((text) => channels.publish(channel, text)));
    const told = positions.map(({ offset, epoch }) => ({ channel, offset, epoch }));
    return json(Array.isArray(body) ? told : told[0]);
  }),
};

const broadcast: Endpoint = {
  path: '/broadcast',
  method: 'POST',
  summary:
    'Sends {"to": {"user"|"role"|"route": NAME} or {"all": true}, "data": …} to clients of channels; tells how many.',
  body: MOST_BODY_BYTES,
  handle: withChannels(async (channels, { body }, plane, remote) => {
    const text = dataOf(body, ['to', 'data']);
    const to = audienceOf(body);
    if (text === '') return tooDeep('');
    if (text === null || to === null) {
      return problem(
        400,
        'Bad request',
        'expected {"to": …, "data": …}, where to is one of {"user": NAME}, {"role": NAME}, {"route": NAME}, {"all": true}',
      );
    }
    if (Buffer.byteLength(text) > channels.maxMessage) return tooLarge('', channels.maxMessage);
    const reached = await channels.broadcast(to, text);
    plane.audit({ event: 'admin.broadcast', to, reached, remote });
    return json({ to, reached });
  }),
};

const list: Endpoint = {
  path: '/channels',
  method: 'GET',
  summary: 'Channels by name: ?prefix=, ?limit=100, ?after=NAME for the next page.',
  handle: withChannels(async (channels, { query }) => {
    const most = Number(query.get('limit') ?? PAGE);
    if (!Number.isInteger(most) || most < 1 || most > LARGEST_PAGE) {
      return problem(400, 'Bad request', `limit: expected a whole number from 1 to ${LARGEST_PAGE}`);
    }
    const [after, prefix] = [query.get('after') ?? '', query.get('prefix') ?? ''];
    const names = (await channels.names()).filter((name) => name > after && name.startsWith(prefix));
    const page = names.slice(0, most);
    const views = await Promise.all(page.map((name) => channels.look(name)));
    return json({
      channels: views.filter((view) => view !== null),
      next: names.length > most ? page.at(-1) : null,
    });
  }),
};

const show: Endpoint = {
  path: '/channels/:channel',
  method: 'GET',
  summary: 'A channel: its last offset, how many messages can be recovered, which workers have subscribers.',
  handle: withChannels(async (channels, call) => {
    const channel = channelOf(call);
    if (channel === null) return badName();
    const view = await channels.look(channel);
    return view === null
      ? problem(404, 'Not found', `nothing is known of the channel "${channel}"`)
      : json(view);
  }),
};

export const channelEndpoints: readonly Endpoint[] = [list, show, publish, broadcast];

type Handler = (
  channels: ChannelControl,
  call: Call,
  plane: ControlPlane,
  remote: string,
) => Reply | Promise<Reply>;

function withChannels(handle: Handler): Endpoint['handle'] {
  return async function handleChannels(plane, call) {
    const channels = plane.channels();
    if (!channels.inUse) return problem(409, 'No channels', 'no route of the configuration has channels');
    try {
      return await handle(channels, call, plane, call.remote);
    } catch (error) {
      if (error instanceof ChannelHasSource) return problem(409, 'Channel has a source', error.message);
      if (!(error instanceof LogUnavailable)) throw error;
      const refusal = problem(503, 'Channels unavailable', error.message);
      return { ...refusal, headers: { 'retry-after': '1' } };
    }
  };
}

/**
 * The member `data` as JSON text; null: it is not there, or there are members that nobody knows; empty: it is nested deeper
 * than can be written.
 */
function dataOf(body: unknown, members: readonly string[]): string | null {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return null;
  if (!Object.hasOwn(body, 'data') || Object.keys(body).some((name) => !members.includes(name))) return null;
  try {
    return JSON.stringify((body as { data: unknown }).data);
  } catch {
    return '';
  }
}

function audienceOf(body: unknown): Audience | null {
  const to = (body as { to?: unknown } | null)?.to;
  if (typeof to !== 'object' || to === null) return null;
  const entries = Object.entries(to);
  if (entries.length !== 1) return null;
  const [kind, value] = entries[0];
  if (kind === 'all') return value === true ? { all: true } : null;
  const named = ['user', 'role', 'route'].includes(kind) && typeof value === 'string' && value !== '';
  return named ? ({ [kind]: value } as Audience) : null;
}

function tooDeep(where: string): Reply {
  return problem(400, 'Bad request', `${where}data is nested too deep`);
}

function tooLarge(where: string, most: number): Reply {
  return problem(413, 'Message too large', `${where}at most ${most} bytes (channels.maxMessage)`);
}
