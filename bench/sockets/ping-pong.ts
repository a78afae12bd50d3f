/**
 * As many messages as there is CPU for: `node ping-pong.ts URL SOCKETS SECONDS` sends the next on each socket when the last has
 * come back. Prints when it begins to count, and then one line of JSON.
 */
import type { Socket } from 'node:net';
import { ANSWER_BYTES, MESSAGE, openRaw } from './raw-socket.ts';

export interface PingPongResult {
  /** Messages that came back; each was carried twice. */
  messages: number;
  seconds: number;
}

const [, , target, sockets, seconds] = process.argv;
const url = new URL(target as string);
let messages = 0;

function play(socket: Socket): void {
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes < ANSWER_BYTES) return;
    bytes = 0;
    messages++;
    socket.write(MESSAGE);
  });
  socket.on('close', () => {
    throw new Error('a socket has ended');
  });
}

const open = await Promise.all(
  Array.from({ length: Number(sockets) }, () => openRaw({ url, path: '/echo' })),
);
for (const socket of open) play(socket);
const startedAt = performance.now();
for (const socket of open) socket.write(MESSAGE);
setTimeout(() => {
  const result: PingPongResult = { messages, seconds: (performance.now() - startedAt) / 1000 };
  console.log(JSON.stringify(result));
  process.exit(0);
}, Number(seconds) * 1000);
