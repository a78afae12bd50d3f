/** Members as JSON, as machines tell each other of them: what comes from there need not be any. */
import type { Member } from '../../../services/channels/presence.js';

export function textOf({ id, user, info, sockets }: Member): string {
  const [name, known] = [JSON.stringify(id), JSON.stringify(user)];
  return `{"id":${name},"user":${known},"info":${info ?? 'null'},"sockets":${sockets}}`;
}

/** null: it is no member. */
export function memberIn(text: string): Member | null {
  try {
    const { id, user, info, sockets } = JSON.parse(text) as Record<string, unknown>;
    if (typeof id !== 'string' || !Number.isSafeInteger(sockets)) return null;
    return {
      id,
      user: typeof user === 'string' ? user : null,
      info: info === null || info === undefined ? null : JSON.stringify(info),
      sockets: sockets as number,
    };
  } catch {
    return null;
  }
}

/** One on several machines is one member, as the machine with most of its sockets tells of it; in the order of ids. */
export function merged(stored: readonly { readonly id: string; readonly text: string }[]): Member[] {
  const members = new Map<string, { member: Member; most: number }>();
  for (const { id, text } of stored) {
    const member = memberIn(text);
    if (member === null || member.id !== id) continue;
    const known = members.get(id);
    const sockets = member.sockets + (known?.member.sockets ?? 0);
    const isMore = known === undefined || member.sockets > known.most;
    const most = isMore ? member.sockets : known.most;
    members.set(id, { member: { ...(isMore ? member : known.member), sockets }, most });
  }
  return [...members.values()].map(({ member }) => member).sort((a, b) => (a.id < b.id ? -1 : 1));
}
