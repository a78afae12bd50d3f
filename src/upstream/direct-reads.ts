/**
 * Reads past the stream, for sockets that carry another protocol after an upgrade. A stream takes 64 KiB for each read, shrinks
 * them to what has come, and makes a buffer and an event of it: together a ninth of a proxied message. Here all sockets of a
 * worker read into the same memory, and who has taken one over is called at once.
 */
import type { OnReadOpts, Socket } from 'node:net';

export interface Reader {
  /** The bytes are only lent. */
  receive(bytes: Buffer): void;
  /** The socket is over: at its end, and when it is closed. */
  vanished(): void;
}

/** The listeners are the same for all sockets, so that none has closures of its own. */
const READER = Symbol('reader');

interface DirectSocket extends Socket {
  [READER]?: Reader;
}

const memory = Buffer.allocUnsafeSlow(64 * 1024);

/** For the dial (`onread` of `net.connect` and `tls.connect`). Until somebody reads directly the socket is a stream as any other. */
export const DIRECT_READS: OnReadOpts = { buffer: memory, callback: arrived };

/** What arrives goes to the reader unless the socket is paused. What has come before waits in the stream, and goes first. */
export function readDirectly(socket: Socket, reader: Reader): void {
  (socket as DirectSocket)[READER] = reader;
  socket.on('data', onData);
  socket.on('end', onGone);
  socket.on('close', onGone);
}

function onData(this: DirectSocket, chunk: Buffer): void {
  this[READER]?.receive(chunk);
}

function onGone(this: DirectSocket): void {
  this[READER]?.vanished();
}

/** Node calls it on the socket. False: nothing more is read until the stream has room. */
function arrived(this: DirectSocket, length: number): boolean {
  const bytes = memory.subarray(0, length);
  const reader = this[READER];
  if (reader === undefined || this.readableLength > 0) return this.push(Buffer.from(bytes));
  reader.receive(bytes);
  return true;
}
