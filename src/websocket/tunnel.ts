/**
 * One WebSocket through the gateway: a client, a service, and messages between them as they are. What one side cannot take
 * waits within a bound: the service is not read while the client is slow. A client cannot be stopped (the listener has no
 * way to), so a service that is slow itself ends the socket. No message is ever left out, unless the route says which.
 */
import type { Socket } from 'node:net';
import type { WebSocketConfig } from '../config/schema/websocket.js';
import type { ClientSocket, Exchange, SocketEvents } from '../exchange.js';
import {
  ABNORMAL,
  BAD_GATEWAY,
  closeToPassOn,
  GOING_AWAY,
  NO_STATUS,
  SERVICE_RESTART,
  SLOW_CONSUMER,
  TOKEN_EXPIRED,
  TOO_BIG,
  TOO_MANY_MESSAGES,
  TRY_AGAIN_LATER,
  UNREADABLE_CLOSE,
} from './close-code.js';
import { Allowance } from './inbound/allowance.js';
import { type GateEvents, InboundGate } from './inbound/gate.js';
import { ConflatedSender, type PausableSource } from './outbound/conflated-sender.js';
import { isAuthMessage } from './owners/auth-message.js';
import type { HopClock } from './owners/hop-clock.js';
import type { OwnedSocket } from './owners/owned-socket.js';
import { withRetryHint } from './owners/retry-hint.js';
import type { SocketPolicy } from './policy.js';
import { ServiceLeg } from './service-leg.js';

/** Without a byte for this long the service is asked whether it is there; after twice that it is not. */
const PING_AFTER_MS = 30_000;

export interface TunnelOwner {
  /** Messages of clients, and of services. */
  readonly hopsIn: HopClock;
  readonly hopsOut: HopClock;
  /** Both sides are told; it is over. `code` is what ended it. */
  onTunnelEnd(tunnel: Tunnel, code: number): void;
  /** The client shows new credentials. The message is only lent. */
  onAuthMessage(tunnel: Tunnel, message: ArrayBuffer): void;
}

export class Tunnel implements SocketEvents, OwnedSocket, GateEvents, PausableSource {
  readonly kind = 'proxy';
  readonly x: Exchange;
  number = 0;
  readonly openedAt: number;
  messagesIn = 0;
  messagesOut = 0;
  #admitted = 0;
  readonly #policy: SocketPolicy;
  readonly options: WebSocketConfig;
  readonly #owner: TunnelOwner;
  readonly #service: ServiceLeg;
  /** For the endpoint: one less in flight. */
  readonly #ended: () => void;
  /** null: what the client says goes to the service as it is. */
  readonly #gate: InboundGate | null;
  /** null: everything goes to the client. */
  #conflated: ConflatedSender | null = null;
  /** From the first ping on. */
  #pings: Allowance | null = null;
  #client: ClientSocket | null = null;
  #over = false;
  /** Since when the client has been too slow; 0: it is not. */
  #slowSince = 0;
  #lastMessageAt: number;
  #serviceHeardAt: number;
  #pinged = false;

  constructor(x: Exchange, policy: SocketPolicy, socket: Socket, owner: TunnelOwner, ended: () => void) {
    const { options, inbound } = policy;
    const now = x.acceptedAt;
    this.x = x;
    this.openedAt = now;
    this.#ended = ended;
    this.#policy = policy;
    this.options = options;
    this.#gate = inbound === null ? null : new InboundGate(inbound, this);
    this.#owner = owner;
    this.#lastMessageAt = now;
    this.#serviceHeardAt = now;
    this.#service = new ServiceLeg(socket, options.maxMessage, this);
  }

  /** Bytes that the service has not taken yet, or not been given. */
  get waitingForService(): number {
    return this.#service.waiting + (this.#gate?.waiting ?? 0);
  }

  /** The client has its 101. */
  start(client: ClientSocket): void {
    this.#client = client;
    const { conflation } = this.#policy;
    if (conflation !== null) this.#conflated = new ConflatedSender(conflation, client, this);
    this.#service.start();
  }

  /** The client did not wait for it. */
  giveUp(): void {
    this.#over = true;
    this.#service.cut();
    this.#ended();
  }

  // the client -----------------------------------------------------------------------------------------------------

  onMessage(message: ArrayBuffer, binary: boolean): void {
    if (this.#over) return;
    this.x.bytesIn += message.byteLength;
    this.messagesIn++;
    const now = performance.now();
    this.#lastMessageAt = now;
    if (message.byteLength > this.options.maxMessage) return this.end(TOO_BIG, 'the message is too large');
    if (this.options.refresh && isAuthMessage(message, binary))
      return this.#owner.onAuthMessage(this, message);
    const admitted = this.#admitted;
    if (this.#gate === null) this.onAdmitted(message, binary);
    else this.#gate.take(message, binary);
    if (this.#admitted > admitted) this.#owner.hopsIn.sent(now, this.#service);
  }

  onAdmitted(message: ArrayBuffer, binary: boolean): void {
    if (this.#over) return;
    // A message of any size may go to a service that keeps up: what counts is what it has not taken by the next one.
    if (this.#service.waiting > this.options.buffer)
      return this.end(TRY_AGAIN_LATER, withRetryHint('the service is too slow'));
    this.#admitted++;
    this.#service.send(message, binary);
  }

  onNotice(text: string): boolean {
    const client = this.#client;
    if (client === null || client.waiting > this.options.buffer) return false;
    client.send(Buffer.from(text), false);
    return true;
  }

  onPing(): void {
    const { pings } = this.options;
    if (this.#over || pings === null) return;
    const now = performance.now();
    this.#pings ??= new Allowance({ rate: pings }, now);
    if (this.#pings.take(now, 0)) return;
    this.#policy.counts.pings++;
    this.end(TOO_MANY_MESSAGES, 'too many pings');
  }

  onDrain(): void {
    if (this.#conflated !== null) return this.#conflated.drained();
    if (this.#slowSince === 0 || (this.#client?.waiting ?? 0) > this.options.buffer / 2) return;
    this.resumeSource();
  }

  onClosed(code: number, reason: string): void {
    this.#client = null;
    if (this.#over) return;
    this.#gate?.flush();
    if (this.#over) return; // for what it had said last
    const passedOn = closeToPassOn(code, reason);
    if (passedOn === ABNORMAL) this.#service.cut();
    else this.#service.closeBehind(passedOn, passedOn === code ? reason : '');
    this.#finish(reason === UNREADABLE_CLOSE ? NO_STATUS : code);
  }

  // the service ----------------------------------------------------------------------------------------------------

  onServiceMessage(message: Buffer, binary: boolean): void {
    const client = this.#client;
    if (this.#over || client === null) return;
    this.x.bytesOut += message.length;
    this.messagesOut++;
    const now = performance.now();
    this.#lastMessageAt = now;
    this.#serviceHeardAt = now;
    this.#pinged = false;
    if (this.#conflated !== null) return this.#conflate(this.#conflated, client, message, binary);
    client.send(message, binary);
    this.#owner.hopsOut.sent(now, client);
    if (this.#slowSince > 0 || client.waiting <= this.options.buffer) return;
    this.#policy.counts.pausing++;
    this.pauseSource();
  }

  #conflate(conflated: ConflatedSender, client: ClientSocket, message: Buffer, binary: boolean): void {
    const before = conflated.leftOutBytes;
    if (conflated.send(message, binary)) this.messagesOut--;
    this.x.bytesOut -= conflated.leftOutBytes - before;
    if (conflated.waiting === 0) this.#owner.hopsOut.sent(this.#serviceHeardAt, client);
  }

  pauseSource(): void {
    this.#slowSince = performance.now();
    this.#service.pause();
  }

  resumeSource(): void {
    this.#slowSince = 0;
    this.#service.resume();
  }

  /** What has come together goes out together. */
  onServiceBatch(rest: () => void): void {
    if (this.#client === null) rest();
    else this.#client.together(rest);
  }

  onServiceClosed(code: number, reason: string): void {
    if (this.#over) return;
    const client = this.#finish(code);
    if (code === ABNORMAL) client?.cut();
    else client?.end(code === NO_STATUS ? 0 : code, reason);
  }

  onServiceFault(tooBig: boolean): void {
    if (this.#over) return;
    if (tooBig) this.#finish(TOO_BIG)?.end(TOO_BIG, 'the message is too large');
    else this.#finish(BAD_GATEWAY)?.end(BAD_GATEWAY, 'the service broke the protocol');
  }

  // the gateway ----------------------------------------------------------------------------------------------------

  /** Bytes that the client has not taken yet. */
  get waiting(): number {
    return (this.#client?.waiting ?? 0) + (this.#conflated?.waiting ?? 0);
  }

  /** A word of our own to the client. */
  tell(text: string): void {
    if (!this.#over) this.#client?.send(Buffer.from(text), false);
  }

  /** Closes both sides for a reason of our own. */
  end(code: number, reason: string): void {
    if (this.#over) return;
    this.#service.close(code === TOO_BIG ? TOO_BIG : GOING_AWAY, '');
    this.#finish(code)?.end(code, reason);
  }

  /** Looks at the clock; `wall` in milliseconds since 1970. */
  check(now: number, wall: number): void {
    const { idle, lifetime, slow, slowFor } = this.options;
    this.#gate?.look();
    this.#conflated?.drained();
    if (this.#slowSince > 0) this.#lastMessageAt = now; // the service may have much to say
    const { identity } = this.x;
    if (identity !== null && identity.expiresAt <= wall)
      return this.end(TOKEN_EXPIRED, 'the credentials have expired');
    if (slow === 'close' && this.#slowSince > 0 && now - this.#slowSince > slowFor) {
      this.#policy.counts.closing++;
      return this.end(SLOW_CONSUMER, withRetryHint('the client reads too slowly'));
    }
    if (lifetime > 0 && now - this.openedAt > lifetime)
      return this.end(SERVICE_RESTART, withRetryHint('the socket is old: connect again'));
    if (idle > 0 && now - this.#lastMessageAt > idle) return this.end(GOING_AWAY, 'nobody has said anything');
    this.#checkService(now);
  }

  #checkService(now: number): void {
    if (this.#slowSince > 0) {
      this.#serviceHeardAt = now; // it is we who do not read
      return;
    }
    const silent = now - this.#serviceHeardAt;
    if (silent > 2 * PING_AFTER_MS) return this.onServiceLost();
    if (silent < PING_AFTER_MS || this.#pinged) return;
    this.#pinged = true;
    this.#service.ping();
  }

  /** It has answered a ping, or sent one. */
  onServiceAlive(): void {
    this.#serviceHeardAt = performance.now();
    this.#pinged = false;
  }

  onServiceLost(): void {
    this.#service.cut();
    this.onServiceClosed(ABNORMAL, '');
  }

  /** The client's end, if there still is one: to be told last, because the listener calls back at once. */
  #finish(code: number): ClientSocket | null {
    const client = this.#client;
    this.#over = true;
    this.#client = null;
    this.#gate?.stop();
    // Behind what waits comes the close; without one it was cut off itself.
    if (client !== null && code !== ABNORMAL) this.#conflated?.flush();
    else this.#conflated?.stop();
    this.#ended();
    this.#owner.onTunnelEnd(this, code);
    return client;
  }
}
