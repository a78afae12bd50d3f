/** Opens sockets when services have given theirs. */
import type { Socket } from 'node:net';
import type { Route } from '../config/build.js';
import type { WebSocketConfig } from '../config/schema/websocket.js';
import type { Exchange } from '../exchange.js';
import { takeServiceHalf } from './handshake.js';
import { answerAuth } from './owners/auth-message.js';
import type { HopClock } from './owners/hop-clock.js';
import type { SocketOwners } from './owners/socket-owners.js';
import { Tunnel, type TunnelOwner } from './tunnel.js';

export class SocketKeeper implements TunnelOwner {
  readonly owners: SocketOwners;
  readonly hopsIn: HopClock;
  readonly hopsOut: HopClock;

  constructor(owners: SocketOwners) {
    this.owners = owners;
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
    this.#connect(x, new Tunnel(x, route.websocket as WebSocketConfig, socket, this, ended), protocol);
    return true;
  }

  #connect(x: Exchange, tunnel: Tunnel, protocol: string): void {
    this.owners.add(tunnel);
    const client = x.client.accept(protocol, tunnel);
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

  onAuthMessage(tunnel: Tunnel, message: ArrayBuffer): void {
    answerAuth(this.owners.guard, tunnel, message);
  }
}
