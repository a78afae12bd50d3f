/** What clients may ask for, by the `op` of their messages. */
import type { Position } from '../../services/channels/messages.js';
import { authenticate } from '../owners/auth-message.js';
import { members, wishIn } from './presence/presence-op.js';
import type { SocketSession } from './socket-session.js';
import { idMember } from './texts.js';

export type Fields = Readonly<Record<string, unknown>>;
/** `id` is the client's own word for it, as JSON text; empty: it has none. */
export type Operation = (session: SocketSession, fields: Fields, id: string) => void;

const operations = new Map<string, Operation>([
  ['subscribe', subscribe],
  ['presence', members],
  ['unsubscribe', (session, { channel }, id) => session.unsubscribe(channel, id)],
  ['auth', refresh],
  ['ping', (session, _fields, id) => session.tell('pong', `{"op":"pong"${idMember(id)}}`)],
]);

export function operation(name: unknown): Operation | undefined {
  return typeof name === 'string' ? operations.get(name) : undefined;
}

const LONGEST_ID = 64;

/** As JSON text; null: it is none. */
export function idOf(id: unknown): string | null {
  if (id === undefined) return '';
  if (typeof id === 'number' && Number.isFinite(id)) return String(id);
  return typeof id === 'string' && id.length <= LONGEST_ID ? JSON.stringify(id) : null;
}

function subscribe(session: SocketSession, fields: Fields, id: string): void {
  const { channel, since } = fields;
  const position = since === undefined || since === null ? null : positionIn(since);
  if (position === undefined) {
    return session.fail(id, 'BAD_POSITION', 'since is {"offset": a whole number, "epoch": a text}');
  }
  const wish = wishIn(fields);
  if (wish === null) return session.fail(id, 'BAD_INFO', 'info is JSON of at most 1 KiB');
  session.subscribe(channel, position, id, wish);
}

/** New credentials: what the client is subscribed to goes by them from then on. */
function refresh(session: SocketSession, { token, id }: Fields): void {
  if (typeof token !== 'string' || token === '')
    return session.tell('auth', JSON.stringify({ op: 'auth', id, ok: false, code: 'AUTH_MALFORMED' }));
  const named = { token, id: id as string | number | undefined };
  void authenticate(session.guard, session, named).then((answer) =>
    session.tell('auth', JSON.stringify(answer)),
  );
}

function positionIn(value: unknown): Position | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { offset, epoch } = value as Record<string, unknown>;
  const right = Number.isSafeInteger(offset) && (offset as number) >= 0 && isEpoch(epoch);
  return right ? { offset: offset as number, epoch: epoch as string } : undefined;
}

export function isEpoch(text: unknown): text is string {
  return typeof text === 'string' && /^[\w-]{1,64}$/.test(text);
}
