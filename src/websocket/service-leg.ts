/** The service's end of a WebSocket: frames on the socket that the handshake has left behind. */
import type { Socket } from 'node:net';
import { type Reader, readDirectly } from '../upstream/direct-reads.js';
import { ABNORMAL, isSendable, TOO_BIG } from './close-code.js';
import { BINARY, CLOSE, PING, PONG, TEXT } from './frames/opcode.js';
import { Outbox } from './frames/outbox.js';
import { type FrameEvents, FrameReader } from './frames/reader.js';
import { clientFrame } from './frames/writer.js';

export interface ServiceEvents {
  onServiceMessage(message: Buffer, binary: boolean): void;
  /** More than one have come at once: calls `rest`, from which the others come. */
  onServiceBatch(rest: () => void): void;
  /** It has answered a ping, or sent one. */
  onServiceAlive(): void;
  /** The service has closed; `code` 1006: it has vanished. Once. */
  onServiceClosed(code: number, reason: string): void;
  /** What it sent is no WebSocket, or a message that is too large. Once; nothing follows. */
  onServiceFault(tooBig: boolean): void;
}

/** How long a service has to answer a close, in milliseconds. */
const CLOSE_WITHIN_MS = 2000;
/** One that still has to read what was sent before the close is waited for, unless it takes nothing for this long. */
const STUCK_AFTER_MS = 30_000;
/** What may wait for such services in a worker: their clients have gone, and may come back with more. */
const MOST_LEFT_BYTES = 64 * 1024 * 1024;
const MOST_PONGS_BYTES = 64 * 1024;
const EMPTY = Buffer.alloc(0);

let leftBytes = 0;

export class ServiceLeg implements FrameEvents, Reader {
  readonly #socket: Socket;
  readonly #events: ServiceEvents;
  readonly #reader: FrameReader;
  readonly #outbox: Outbox;
  #over = false;
  #paused = false;
  #closing: NodeJS.Timeout | undefined;
  /** Its part of `leftBytes`. */
  #left = 0;

  constructor(socket: Socket, maxMessage: number, events: ServiceEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#reader = new FrameReader(maxMessage, this);
    this.#outbox = new Outbox(socket);
    socket.on('error', onError);
    socket.setTimeout(0);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
  }

  /** From now on its events come. */
  start(): void {
    const socket = this.#socket;
    readDirectly(socket, this);
    socket.resume();
  }

  /** Bytes that the service has not taken yet. */
  get waiting(): number {
    return this.#outbox.waiting;
  }

  /** The message is only lent: it is copied here. */
  send(message: ArrayBuffer, binary: boolean): void {
    if (!this.#over) this.#write(binary ? BINARY : TEXT, new Uint8Array(message));
  }

  ping(): void {
    if (!this.#over) this.#write(PING, EMPTY);
  }

  /** Does not read on until `resume`. */
  pause(): void {
    if (this.#paused || this.#over) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** Closes in order. A code that cannot be sent leaves it out. */
  close(code: number, reason: string | Buffer): void {
    this.#close(code, reason, 0);
  }

  /** The same for a client that has closed: what it said before reaches a service that is slow. */
  closeBehind(code: number, reason: string): void {
    const { waiting } = this;
    const isPatient = leftBytes + waiting <= MOST_LEFT_BYTES;
    if (isPatient && !this.#over) {
      this.#left = waiting;
      leftBytes += waiting;
    }
    this.#close(code, reason, isPatient ? STUCK_AFTER_MS : 0);
  }

  /** As if the client had been cut from the service itself. */
  cut(): void {
    this.#over = true;
    clearTimeout(this.#closing);
    this.#socket.destroy();
  }

  /** The socket has brought something. */
  receive(chunk: Buffer): void {
    this.#reader.read(chunk);
  }

  onBatch(rest: () => void): void {
    if (this.#over) rest();
    else this.#events.onServiceBatch(rest);
  }

  onMessage(message: Buffer, binary: boolean): void {
    if (!this.#over) this.#events.onServiceMessage(message, binary);
  }

  onPing(data: Buffer): void {
    if (this.#over) return;
    this.#events.onServiceAlive();
    // Not each has to be answered (RFC 6455 §5.5.3), and who does not read the answers gets no more of them.
    if (this.waiting < MOST_PONGS_BYTES) this.#write(PONG, data);
  }

  onPong(): void {
    this.#events.onServiceAlive();
  }

  onClose(code: number, reason: Buffer): void {
    if (this.#over) return void this.#socket.end();
    this.close(code, reason);
    this.#events.onServiceClosed(code, reason.toString());
  }

  onFault(code: number): void {
    if (this.#over) return this.cut();
    this.close(code, EMPTY);
    this.#events.onServiceFault(code === TOO_BIG);
  }

  /** The socket is over. */
  vanished(): void {
    clearTimeout(this.#closing);
    leftBytes -= this.#left;
    this.#left = 0;
    if (this.#over) return void this.#socket.destroy();
    this.cut();
    this.#events.onServiceClosed(ABNORMAL, '');
  }

  #write(opcode: number, payload: Uint8Array): void {
    this.#outbox.write(clientFrame(opcode, payload));
  }

  #close(code: number, reason: string | Buffer, patienceMs: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#write(CLOSE, isSendable(code) ? closePayload(code, reason) : EMPTY);
    this.resume();
    this.#outbox.flush();
    this.#socket.end();
    this.#leave(patienceMs, patienceMs);
  }

  /** The service is to end the connection; if it does not, we do. */
  #leave(leftMs: number, patienceMs: number): void {
    const { waiting } = this;
    this.#closing = setTimeout(() => {
      if (waiting === 0 || leftMs <= 0) this.#socket.destroy();
      else this.#leave(this.waiting < waiting ? patienceMs : leftMs - CLOSE_WITHIN_MS, patienceMs);
    }, CLOSE_WITHIN_MS).unref();
  }
}

function closePayload(code: number, reason: string | Buffer): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code, 0);
  payload.set(typeof reason === 'string' ? Buffer.from(reason) : reason, 2);
  return payload;
}

function onError(): void {}
