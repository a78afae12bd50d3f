/** WebSockets of clients, as the listener has them: one behaviour for all routes, and each socket knows who listens to it. */
import type { ClientSocket, SocketEvents } from '../exchange.js';
import type { WebSocket, WebSocketBehavior } from './addon/uws.js';

/** What the listener keeps with a socket: it copies the members, so there is one. */
export interface SocketData {
  readonly link: SocketLink;
}

export interface SocketLink {
  readonly events: SocketEvents;
  /** Messages of so many bytes and more are compressed, if the client can. */
  readonly compressFrom: number;
  /** Once it is open. */
  socket: UwsSocket | null;
}

/** Of the listener: it pings by itself, and a client that does not answer in this time is gone. In seconds. */
const VANISHED_AFTER_S = 120;

/** So many answers to pings may wait for a client. */
const MOST_PINGS = 1000;

/** The client's end. After the listener has closed it, its own object must not be touched. */
export class UwsSocket implements ClientSocket {
  #ws: WebSocket<SocketData> | null;
  readonly #compressFrom: number;
  /** Pings since there was nothing that waited for the client. */
  #pings = 0;
  #corked = false;
  /** Code and reason of a close that waits for what goes together before it. */
  #lastWords: readonly [code: number, reason: string] | null = null;

  constructor(ws: WebSocket<SocketData>, compressFrom: number) {
    this.#ws = ws;
    this.#compressFrom = compressFrom;
  }

  get waiting(): number {
    return this.#ws === null ? 0 : this.#ws.getBufferedAmount();
  }

  send(message: Buffer | string, binary: boolean): void {
    this.#ws?.send(message, binary, message.length >= this.#compressFrom);
  }

  join(topic: string): void {
    this.#ws?.subscribe(topic);
  }

  part(topic: string): void {
    this.#ws?.unsubscribe(topic);
  }

  together(send: () => void): void {
    const ws = this.#ws;
    if (ws === null) return send();
    this.#corked = true;
    ws.cork(send);
    this.#corked = false;
    if (this.#lastWords !== null) ws.end(...this.#lastWords);
  }

  end(code: number, reason: string): void {
    const ws = this.#ws;
    this.#ws = null;
    // Within its own `cork` the listener would send the close frame and leave the connection open (RFC 6455 §7.1.1).
    if (this.#corked && ws !== null) this.#lastWords = [code, reason];
    else ws?.end(code, reason);
  }

  cut(): void {
    const ws = this.#ws;
    this.#ws = null;
    ws?.close();
  }

  /** The listener has answered a ping, and would answer for ever: a client that takes no answers is cut. */
  pinged(): void {
    if (this.waiting === 0) this.#pings = 0;
    else if (++this.#pings > MOST_PINGS) this.cut();
  }

  /** The listener has closed it. */
  closed(): void {
    this.#ws = null;
  }
}

/**
 * `maxMessage` in bytes: of what is larger the listener reads nothing, and cuts the connection. There is no bound on what
 * waits for a client here: the listener would drop messages without a word. Who sends looks at `waiting`. `compression` in
 * the listener's own words: what a socket may have at most.
 */
export function socketBehavior(
  maxMessage: number,
  compression: number,
  upgrade: NonNullable<WebSocketBehavior<SocketData>['upgrade']>,
): WebSocketBehavior<SocketData> {
  return {
    compression,
    maxPayloadLength: maxMessage,
    maxBackpressure: 0,
    idleTimeout: VANISHED_AFTER_S,
    sendPingsAutomatically: true,
    upgrade,
    open(ws) {
      const { link } = ws.getUserData();
      link.socket = new UwsSocket(ws, link.compressFrom);
    },
    message(ws, message, isBinary) {
      ws.getUserData().link.events.onMessage(message, isBinary);
    },
    pong(ws) {
      ws.getUserData().link.events.onPing?.();
    },
    drain(ws) {
      ws.getUserData().link.events.onDrain();
    },
    ping(ws) {
      const { events, socket } = ws.getUserData().link;
      socket?.pinged();
      events.onPing?.();
    },
    close(ws, code, message) {
      const { events, socket } = ws.getUserData().link;
      socket?.closed();
      events.onClosed(code, Buffer.from(message).toString());
    },
  };
}
