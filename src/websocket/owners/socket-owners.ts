/**
 * All open sockets of a worker, whatever is at their other end: found by whose they are, counted, checked as time goes by,
 * and closed when a reload, a drain, an operator or a revocation says so.
 */
import type { Route } from '../../config/build.js';
import type { Config } from '../../config/schema.js';
import type { Exchange } from '../../exchange.js';
import { SERVICE_RESTART } from '../close-code.js';
import { HandshakeCounter, type HandshakeCounts } from './handshake-counter.js';
import { HopClock, type HopCounts } from './hop-clock.js';
import type { OwnedSocket } from './owned-socket.js';
import { withRetryHint } from './retry-hint.js';
import { type Fate, RouteBook } from './route-book.js';
import { SocketDesk } from './socket-desk.js';
import { SocketGuard } from './socket-guard.js';
import { SocketIndex } from './sockets-by-owner.js';
import { spread } from './spread.js';

/** How often clocks are looked at. */
const LOOK_EVERY_MS = 500;
/** Of the time for a drain. */
const USUAL_SHARE = 0.5;
const LEAVING = 'the gateway restarts: connect again';

/** What sockets have done since the report before; `open` is the value now. */
export interface SocketCounts {
  readonly open: number;
  readonly opened: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** By close code; 1006 for those that were cut. */
  readonly closed: Readonly<Record<number, number>>;
  readonly handshakes: HandshakeCounts;
  /** How long messages were on their way through, from clients (in) and services (out): one in 64 is timed. */
  readonly hops: { readonly in: HopCounts; readonly out: HopCounts };
}

export interface SocketEnd {
  /** The socket is over: step 7 follows. */
  onSocketEnd(x: Exchange): void;
}

export class SocketOwners {
  readonly index: SocketIndex;
  readonly guard: SocketGuard;
  readonly desk: SocketDesk;
  readonly handshakes = new HandshakeCounter();
  readonly hops = { in: new HopClock(), out: new HopClock() };
  /** `performance.now()` of the last end: its close frame may still be on its way. */
  lastEndAt = Number.NEGATIVE_INFINITY;
  readonly #events: SocketEnd;
  readonly #routes = new RouteBook();
  #timer: NodeJS.Timeout | undefined;
  /** `performance.now()` by which all must be gone; Infinity: nobody leaves. */
  #leaveBy = Number.POSITIVE_INFINITY;
  #drain: Pick<Config['drain'], 'sockets' | 'timeout'> = { timeout: 0 };
  #opened = 0;
  #closed: Record<number, number> = {};
  /** Of those that are over, and of all as last reported. */
  #over = { in: 0, out: 0 };
  #told = { in: 0, out: 0 };

  /** `worker` from 1. */
  constructor(worker: number, events: SocketEnd) {
    this.#events = events;
    this.index = new SocketIndex(worker);
    this.guard = new SocketGuard(this.index, this.#routes.reviewFor);
    this.desk = new SocketDesk(this.index, worker);
  }

  /** It is about to be open. */
  add(socket: OwnedSocket): void {
    this.index.add(socket);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  /** It is open: the client has its 101. */
  opened(socket: OwnedSocket): void {
    if (socket.kind !== 'events') {
      this.#opened++;
      this.handshakes.accepted++;
    }
    const { x } = socket;
    // While the service was asked, others may have been told to go.
    if (this.guard.changedAt >= x.startedAt) this.guard.recheck(socket);
    if (this.#leaveBy < Number.POSITIVE_INFINITY)
      return this.#send([socket], this.#leaveBy - performance.now(), LEAVING);
    const fate = this.#routes.fateOf(x.route as Route);
    if (fate === null) return;
    if (fate.atOnce) socket.end(fate.code, fate.reason);
    else this.#send([socket], windowOf(this.#drain), fate.reason);
  }

  /** The client did not wait for it. */
  forget(socket: OwnedSocket): void {
    this.index.remove(socket);
  }

  /** It is over; `code` is what ended it. */
  ended(socket: OwnedSocket, code: number): void {
    if (!this.index.remove(socket)) return;
    if (socket.kind !== 'events') {
      this.#over.in += socket.messagesIn;
      this.#over.out += socket.messagesOut;
      this.#closed[code] = (this.#closed[code] ?? 0) + 1;
    }
    this.lastEndAt = performance.now();
    socket.x.closeCode = code;
    this.#events.onSocketEnd(socket.x);
  }

  /** A configuration is in force. Those whose turn it is to go do so within the time that `drain` gives them. */
  adopt(routes: readonly Route[], drain: Config['drain']): void {
    this.#routes.adopt(routes);
    this.#drain = drain;
    const windowMs = windowOf(drain);
    const fates = new Map<Route, Fate>();
    const leaving = new Map<string, OwnedSocket[]>();
    for (const socket of [...this.index.all()]) {
      const route = socket.x.route as Route;
      let fate = fates.get(route);
      if (fate === undefined) {
        fate = this.#routes.fateOf(route);
        fates.set(route, fate);
      }
      if (fate === null) continue;
      if (fate.atOnce) {
        socket.end(fate.code, fate.reason);
        continue;
      }
      const together = leaving.get(fate.reason);
      if (together === undefined) leaving.set(fate.reason, [socket]);
      else together.push(socket);
    }
    for (const [reason, sockets] of leaving) this.#send(sockets, windowMs, reason);
  }

  /** The worker leaves within `timeoutMs`: closes all, and those that are still being opened, in good time. */
  drain(timeoutMs: number): void {
    const windowMs = Math.min(timeoutMs, windowOf(this.#drain));
    this.#leaveBy = performance.now() + windowMs;
    this.#send(this.index.all(), windowMs, LEAVING);
  }

  report(): SocketCounts {
    const now = { ...this.#over };
    let open = 0;
    for (const { kind, messagesIn, messagesOut } of this.index.all()) {
      if (kind === 'events') continue;
      open++;
      now.in += messagesIn;
      now.out += messagesOut;
    }
    const counts = {
      open,
      opened: this.#opened,
      messagesIn: now.in - this.#told.in,
      messagesOut: now.out - this.#told.out,
      closed: this.#closed,
      handshakes: this.handshakes.take(),
      hops: { in: this.hops.in.take(), out: this.hops.out.take() },
    };
    this.#told = now;
    this.#opened = 0;
    this.#closed = {};
    return counts;
  }

  #send(sockets: Iterable<OwnedSocket>, windowMs: number, reason: string): void {
    spread(sockets, Math.max(0, windowMs), (socket) => socket.end(SERVICE_RESTART, withRetryHint(reason)));
  }

  #look(): void {
    const now = performance.now();
    const wall = Date.now();
    for (const socket of [...this.index.all()]) socket.check(now, wall);
    if (this.index.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Over how long sockets are closed that go together. */
function windowOf({ sockets, timeout }: Pick<Config['drain'], 'sockets' | 'timeout'>): number {
  return sockets ?? timeout * USUAL_SHARE;
}
