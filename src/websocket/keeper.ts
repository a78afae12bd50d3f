/** Opens sockets when services have given theirs. */
import type { Socket } from 'node:net';
import type { Route } from '../config/build.js';
import type { CompressionMode } from '../config/schema/socket/compression.js';
import type { WebSocketConfig } from '../config/schema/websocket.js';
import type { Exchange } from '../exchange.js';
import { agreeOnCompression } from './compression.js';
import { takeServiceHalf } from './handshake.js';
import { answerAuth } from './owners/auth-message.js';
import type { HopClock } from './owners/hop-clock.js';
import type { SocketCounts, SocketOwners } from './owners/socket-owners.js';
import { SocketPolicies } from './policy.js';
import type { PolicyCounts } from './policy-counts.js';
import { Tunnel, type TunnelOwner } from './tunnel.js';

/** What sockets have done since the report before. */
export interface SocketReport extends SocketCounts {
  /** What rules of routes have done, by route. */
  readonly policies: ReadonlyMap<string, Omit<PolicyCounts, 'take'>>;
  /** Bytes that wait for clients and for services now. */
  readonly waiting: { readonly client: number; readonly service: number };
}

export class SocketKeeper implements TunnelOwner {
  readonly owners: SocketOwners;
  readonly policies = new SocketPolicies();
  readonly hopsIn: HopClock;
  readonly hopsOut: HopClock;
  readonly #compression: CompressionMode;

  /** `compression`: how the listener can. */
  constructor(owners: SocketOwners, compression: CompressionMode) {
    this.owners = owners;
    this.#compression = compression;
    this.hopsIn = owners.hops.in;
    this.hopsOut = owners.hops.out;
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
    this.owners.add(tunnel);
    const compression = agreeOnCompression(x, this.#compression, tunnel.options.compression.minBytes);
    const client = x.client.accept(protocol, tunnel, compression);
    if (client === null) {
      this.owners.forget(tunnel);
      tunnel.giveUp();
      return;
    }
    tunnel.start(client);
    // They have been sent, and a socket lives long.
    x.forwardHeaders = [];
    x.answerHeaders = [];
    this.owners.opened(tunnel);
  }

  onTunnelEnd(tunnel: Tunnel, code: number): void {
    this.owners.ended(tunnel, code);
  }

  report(): SocketReport {
    const waiting = { client: 0, service: 0 };
    for (const socket of this.owners.index.all()) {
      waiting.client += socket.waiting;
      if (socket instanceof Tunnel) waiting.service += socket.waitingForService;
    }
    return { ...this.owners.report(), policies: this.policies.report(), waiting };
  }

  onAuthMessage(tunnel: Tunnel, message: ArrayBuffer): void {
    answerAuth(this.owners.guard, tunnel, message);
  }
}
