/** What clients say about presence: what they want to hear, and who is there. */
import { MEMBERS_AT_ONCE } from '../../../services/channels/presence.js';
import type { Fields } from '../ops.js';
import type { SocketSession } from '../socket-session.js';
import { membersText } from './presence-texts.js';
import type { PresenceWish } from './worker-presence.js';

const LONGEST_INFO = 1024;
const LONGEST_ID = 128;
const MOST_AT_ONCE = 1000;

/** With the operation `subscribe`; null: what the client says of itself is too long. */
export function wishIn({ presence, info }: Fields): PresenceWish | null {
  const text = info === undefined || info === null ? null : textOf(info);
  if (text === '' || (text !== null && Buffer.byteLength(text) > LONGEST_INFO)) return null;
  return { events: presence === true, info: text };
}

/** Empty: it is nested deeper than can be written, which is longer than `info` may be, too. */
function textOf(info: unknown): string {
  try {
    return JSON.stringify(info);
  } catch {
    return '';
  }
}

/** The operation `presence`: only for those who may subscribe. */
export function members(session: SocketSession, fields: Fields, id: string): void {
  const { channel, after = '', limit = MEMBERS_AT_ONCE } = fields;
  const { presence } = session;
  const subscribed = typeof channel === 'string' && session.subscriptions.has(channel);
  const fault = subscribed ? null : session.whyNot(channel);
  if (fault !== null && fault[0] !== 'TOO_MANY_SUBSCRIPTIONS') return session.fail(id, fault[0], fault[1]);
  if (presence === null || session.rules.options.presence === null)
    return session.fail(id, 'NO_PRESENCE', 'nobody keeps book of who is on channels here');
  const isRange = Number.isInteger(limit) && (limit as number) >= 1 && (limit as number) <= MOST_AT_ONCE;
  if (!isRange || typeof after !== 'string' || after.length > LONGEST_ID)
    return session.fail(id, 'BAD_PAGE', `limit is a number from 1 to ${MOST_AT_ONCE}, after an id`);
  const name = channel as string;
  presence.list(name, after, limit as number).then(
    (page) => session.tell('presence', membersText(name, id, page)),
    () => session.fail(id, 'CHANNEL_UNAVAILABLE', 'nothing is known for now: ask again'),
  );
}
