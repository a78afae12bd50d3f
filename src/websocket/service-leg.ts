/** The service's end of a WebSocket: frames on the socket that the handshake has left behind. */
import type { Socket } from 'node:net';
import { ABNORMAL, isSendable } from './close-code.js';
import { Receiver, Sender } from './codec.js';

export interface ServiceEvents {
  onServiceMessage(message: Buffer, binary: boolean): void;
  /** It has answered a ping, or sent one. */
  onServiceAlive(): void;
  /** The service has closed; `code` 1006: it has vanished. Once. */
  onServiceClosed(code: number, reason: string): void;
  /** What it sent is no WebSocket, or a message that is too large. Once; nothing follows. */
  onServiceFault(tooBig: boolean): void;
}

/** How long a service has to answer a close, in milliseconds. */
const CLOSE_WITHIN_MS = 2000;
const EMPTY = Buffer.alloc(0);

export class ServiceLeg {
  readonly #socket: Socket;
  readonly #events: ServiceEvents;
  readonly #receiver: Receiver;
  readonly #sender: Sender;
  #over = false;
  #paused = false;
  #closing: NodeJS.Timeout | undefined;

  constructor(socket: Socket, maxMessage: number, events: ServiceEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#receiver = new Receiver({ maxPayload: maxMessage, allowSynchronousEvents: true });
    this.#sender = new Sender(socket);
    socket.setTimeout(0);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
  }

  /** From now on its events come. */
  start(): void {
    const socket = this.#socket;
    const receiver = this.#receiver;
    receiver.on('message', (message: Buffer, binary: boolean) => {
      if (!this.#over) this.#events.onServiceMessage(message, binary);
    });
    receiver.on('ping', (data: Buffer) => {
      if (this.#over) return;
      this.#events.onServiceAlive();
      this.#sender.pong(data, true, ignore);
    });
    receiver.on('pong', () => this.#events.onServiceAlive());
    receiver.on('conclude', (code: number, reason: Buffer) => this.#concluded(code, reason));
    receiver.on('error', (error: Error & { code?: string }) =>
      this.#faulty(error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'),
    );
    socket.on('data', (chunk: Buffer) => {
      receiver.write(chunk);
    });
    socket.on('error', ignore);
    socket.on('end', () => this.#vanished());
    socket.on('close', () => this.#vanished());
    socket.resume();
  }

  /** Bytes that the service has not taken yet. */
  get waiting(): number {
    return this.#socket.writableLength;
  }

  /** The message is only lent: it is copied here. */
  send(message: ArrayBuffer, binary: boolean): void {
    if (this.#over) return;
    // Masked in place, so in memory of our own.
    const copy = Buffer.from(Buffer.from(message));
    this.#sender.send(copy, { binary, fin: true, mask: true, compress: false }, ignore);
  }

  ping(): void {
    if (!this.#over) this.#sender.ping(EMPTY, true, ignore);
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
    if (this.#over) return;
    this.#over = true;
    if (isSendable(code)) this.#sender.close(code, reason, true, ignore);
    else this.#sender.close(undefined, EMPTY, true, ignore);
    this.#leave();
  }

  /** As if the client had been cut from the service itself. */
  cut(): void {
    this.#over = true;
    clearTimeout(this.#closing);
    this.#socket.destroy();
  }

  #concluded(code: number, reason: Buffer): void {
    if (this.#over) return void this.#socket.end();
    this.close(code, reason);
    this.#events.onServiceClosed(code, reason.toString());
  }

  #faulty(tooBig: boolean): void {
    if (this.#over) return this.cut();
    this.close(tooBig ? 1009 : 1002, EMPTY);
    this.#events.onServiceFault(tooBig);
  }

  #vanished(): void {
    clearTimeout(this.#closing);
    if (this.#over) return void this.#socket.destroy();
    this.cut();
    this.#events.onServiceClosed(ABNORMAL, '');
  }

  /** The service is to end the connection; if it does not, we do. */
  #leave(): void {
    this.resume();
    this.#socket.end();
    this.#closing = setTimeout(() => this.#socket.destroy(), CLOSE_WITHIN_MS).unref();
  }
}

function ignore(): void {}
