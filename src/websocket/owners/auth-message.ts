/** New credentials in band: `{"op":"auth","token":"…"}`. */
import { TOO_MANY_MESSAGES } from '../close-code.js';
import type { OwnedSocket } from './owned-socket.js';
import { timeText } from './socket-desk.js';
import type { SocketGuard } from './socket-guard.js';

/** What the message holds beside the largest token. */
const LARGEST = 10_240;
/** `{"op":"auth"` */
const SMALLEST = 12;

const BRACE = 0x7b;
const OP = [...Buffer.from('"op"')];
const COLON = [...Buffer.from(':')];
const AUTH = [...Buffer.from('"auth"')];

/** What a client shows. `id` comes back with the answer. */
export interface AuthMessage {
  readonly token: string;
  readonly id: string | number | undefined;
}

/** Whether it begins like one, `op` first: a few bytes are looked at, and nothing is parsed. */
export function isAuthMessage(message: ArrayBuffer, binary: boolean): boolean {
  if (binary || message.byteLength < SMALLEST) return false;
  const bytes = new Uint8Array(message);
  let at = 0;
  while (isSpace(bytes[at])) at++;
  if (bytes[at++] !== BRACE) return false;
  for (const word of [OP, COLON, AUTH]) {
    while (isSpace(bytes[at])) at++;
    for (let i = 0; i < word.length; i++) if (bytes[at++] !== word[i]) return false;
  }
  return true;
}

/** null: it is none after all. */
export function readAuthMessage(message: ArrayBuffer): AuthMessage | null {
  if (message.byteLength > LARGEST) return null;
  try {
    const { op, token, id } = JSON.parse(Buffer.from(message).toString());
    if (op !== 'auth' || typeof token !== 'string' || token === '') return null;
    return { token, id: typeof id === 'string' || typeof id === 'number' ? id : undefined };
  } catch {
    return null;
  }
}

/** `tell` reaches the client of the socket. */
export function answerAuth(
  guard: SocketGuard,
  socket: OwnedSocket & { tell(text: string): void },
  message: ArrayBuffer,
): void {
  if (!guard.mayShow(socket)) return socket.end(TOO_MANY_MESSAGES, 'too many auth messages');
  const read = readAuthMessage(message);
  if (read === null) return socket.tell(AUTH_MALFORMED);
  void authenticate(guard, socket, read).then((answer) => socket.tell(JSON.stringify(answer)));
}

/** What the client is told. */
export async function authenticate(guard: SocketGuard, socket: OwnedSocket, { token, id }: AuthMessage) {
  const refreshed = await guard.refresh(socket, token);
  const named = id === undefined ? {} : { id };
  if (!refreshed.ok) return { op: 'auth', ...named, ok: false, code: refreshed.code };
  return { op: 'auth', ...named, ok: true, expiresAt: timeText(refreshed.expiresAt) };
}

const AUTH_MALFORMED = JSON.stringify({ op: 'auth', ok: false, code: 'AUTH_MALFORMED' });

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
