/** The sockets of a worker: opened, looked after, and closed in order when it leaves. */
import type { Socket } from 'node:net';
import type { Route } from '../config/build.js';
import type { CompressionMode } from '../config/schema/socket/compression.js';
import type { WebSocketConfig } from '../config/schema/websocket.js';
import type { Exchange } from '../exchange.js';
import { SERVICE_RESTART } from './close-code.js';
import { agreeOnCompression } from './compression.js';
import { takeServiceHalf } from './handshake.js';
import { SocketPolicies } from './policy.js';
import type { PolicyCounts } from './policy-counts.js';
import { Tunnel, type TunnelOwner } from './tunnel.js';

/** How often clocks are looked at. */
const LOOK_EVERY_MS = 500;
/** Sockets closed in one turn while draining, at most: each is a client that comes back elsewhere. */
const DRAIN_STEP_MS = 20;

/** What sockets have done since the report before; `open` is the value now. */
export interface SocketCounts {
  readonly open: number;
  readonly opened: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  /** By close code; 1006 for those that were cut. */
  readonly closed: Readonly<Record<number, number>>;
  /** What rules of routes have done, by route. */
  readonly policies: ReadonlyMap<string, Omit<PolicyCounts, 'take'>>;
  /** Bytes that wait for clients and for services now. */
  readonly waiting: { readonly client: number; readonly service: number };
}

export interface KeeperEvents {
  /** The socket is over: step 7 follows. */
  onSocketEnd(x: Exchange): void;
}

export class SocketKeeper implements TunnelOwner {
  readonly #events: KeeperEvents;
  readonly #compression: CompressionMode;
  readonly policies = new SocketPolicies();
  /** `performance.now()` of the last end: its close frame may still be on its way. */
  lastEndAt = Number.NEGATIVE_INFINITY;
  readonly #open = new Set<Tunnel>();
  #timer: NodeJS.Timeout | undefined;
  #opened = 0;
  #messagesIn = 0;
  #messagesOut = 0;
  #closed: Record<number, number> = {};

  /** `compression`: how the listener can. */
  constructor(events: KeeperEvents, compression: CompressionMode) {
    this.#compression = compression;
    this.#events = events;
  }

  /**
   * The service has answered 101: the client gets its own, and both are connected. False: what the service said is no
   * handshake. `ended` is called once, when the socket is over.
   */
  open(x: Exchange, socket: Socket, ended: () => void): boolean {
    const protocol = takeServiceHalf(x);
    const route = x.route as Route;
    if (protocol === null) {
      socket.destroy();
      ended();
      return false;
    }
    route.pipeline.onResponse?.(x);
    x.acceptedAt = performance.now();
    const policy = this.policies.of(route.websocket as WebSocketConfig);
    this.#connect(x, new Tunnel(x, policy, socket, this, ended), protocol);
    return true;
  }

  #connect(x: Exchange, tunnel: Tunnel, protocol: string): void {
    this.#open.add(tunnel);
    this.#opened++;
    const compression = agreeOnCompression(x, this.#compression, tunnel.options.compression.minBytes);
    const client = x.client.accept(protocol, tunnel, compression);
    if (client === null) {
      this.#open.delete(tunnel);
      tunnel.giveUp();
      return;
    }
    tunnel.start(client);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  onTunnelEnd(tunnel: Tunnel, code: number): void {
    if (!this.#open.delete(tunnel)) return;
    this.#messagesIn += tunnel.messagesIn;
    this.#messagesOut += tunnel.messagesOut;
    this.#closed[code] = (this.#closed[code] ?? 0) + 1;
    this.lastEndAt = performance.now();
    tunnel.x.closeCode = code;
    this.#events.onSocketEnd(tunnel.x);
  }

  /** Sockets of routes that are no more are closed. */
  retain(routes: ReadonlySet<string>): void {
    for (const tunnel of [...this.#open]) {
      if (!routes.has(tunnel.x.route?.name ?? '')) tunnel.end(SERVICE_RESTART, 'the route is gone');
    }
  }

  /** Closes all, spread over this time, so that clients do not come back all at once. */
  drain(windowMs: number): void {
    const waiting = shuffled([...this.#open]);
    const perStep = Math.ceil(waiting.length / Math.max(1, windowMs / DRAIN_STEP_MS));
    const step = () => {
      for (const tunnel of waiting.splice(0, perStep))
        tunnel.end(SERVICE_RESTART, 'the gateway restarts: connect again');
      if (waiting.length > 0) setTimeout(step, DRAIN_STEP_MS);
    };
    step();
  }

  report(): SocketCounts {
    let messagesIn = this.#messagesIn;
    let messagesOut = this.#messagesOut;
    const waiting = { client: 0, service: 0 };
    for (const tunnel of this.#open) {
      messagesIn += tunnel.messagesIn;
      messagesOut += tunnel.messagesOut;
      waiting.client += tunnel.waitingForClient;
      waiting.service += tunnel.waitingForService;
      tunnel.messagesIn = 0;
      tunnel.messagesOut = 0;
    }
    const counts = {
      open: this.#open.size,
      opened: this.#opened,
      messagesIn,
      messagesOut,
      closed: this.#closed,
      policies: this.policies.report(),
      waiting,
    };
    this.#opened = 0;
    this.#messagesIn = 0;
    this.#messagesOut = 0;
    this.#closed = {};
    return counts;
  }

  #look(): void {
    const now = performance.now();
    const wall = Date.now();
    for (const tunnel of [...this.#open]) tunnel.check(now, wall);
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

function shuffled<T>(list: T[]): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [list[i], list[j]] = [list[j] as T, list[i] as T];
  }
  return list;
}
