/** What clients are told of presence, as JSON texts. Names of channels are of characters that need no escape. */
import type { Member, PresenceEvent, PresencePage } from '../../../services/channels/presence.js';
import { idMember } from '../texts.js';

export function presenceText(channel: string, event: PresenceEvent): string {
  const told = event.event === 'sync' ? pageMembers(event.page) : `"member":${memberText(event.member)}`;
  return `{"channel":"${channel}","presence":{"event":"${event.event}",${told}}}`;
}

/** The answer to the operation. `id` is JSON text, or empty. */
export function membersText(channel: string, id: string, page: PresencePage): string {
  return `{"op":"presence"${idMember(id)},"channel":"${channel}",${pageMembers(page)}}`;
}

function pageMembers({ members, total, next, partial }: PresencePage): string {
  const some = partial ? ',"partial":true' : '';
  return `"members":[${members.map(memberText).join(',')}],"total":${total},"next":${JSON.stringify(next)}${some}`;
}

function memberText({ id, user, info, sockets }: Member): string {
  const about = info === null ? '' : `,"info":${info}`;
  return `{"id":${JSON.stringify(id)},"user":${JSON.stringify(user)}${about},"sockets":${sockets}}`;
}
