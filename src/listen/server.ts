/**
 * The listener: the one place where uWebSockets.js is opened and closed. It shares its port with the listeners of the
 * other workers (SO_REUSEPORT); the kernel spreads connections over them.
 */
import type { Config } from '../config/schema.js';
import type { Gateway } from '../gateway.js';
import { proxiedPeers } from './proxied-peers.js';
import { loadUws, type TemplatedApp, type Uws, type us_listen_socket } from './uws.js';

type ListenConfig = Config['listen'];

export interface ListenerOptions {
  listen: ListenConfig;
  /** Overrides `listen.port`: what port 0 became in the first worker. */
  port: number;
}

/** An app of the addon and the socket it listens on. */
interface Open {
  app: TemplatedApp;
  socket: us_listen_socket;
}

export class Listener {
  readonly #uws: Uws;
  readonly #gateway: Gateway;
  #listen: ListenConfig;
  #open: Open;
  /** Apps whose certificate was replaced: they accept no more, and their connections live on. */
  #former: Open[] = [];
  #connections = 0;
  readonly port: number;

  /** @throws Error when the port cannot be listened on or a certificate cannot be used. */
  static async open({ listen, port }: ListenerOptions, gateway: Gateway): Promise<Listener> {
    return new Listener(listen, port, gateway);
  }

  private constructor(listen: ListenConfig, port: number, gateway: Gateway) {
    this.#uws = loadUws(listen.maxHeaderBytes);
    this.#gateway = gateway;
    this.#listen = listen;
    this.#open = this.#start(listen, port);
    this.port = this.#uws.us_socket_local_port(this.#open.socket as never);
  }

  /** Open connections of clients. */
  connections(): number {
    return this.#connections;
  }

  /**
   * Takes over changed certificates: a second app listens beside the first, then the first stops accepting. Connections
   * keep the certificate they began with.
   *
   * @throws Error when a certificate cannot be used; the old ones stay then.
   */
  async update(listen: ListenConfig): Promise<void> {
    if (listen.tls === null || this.#listen.tls === null) return;
    const former = this.#open;
    this.#open = this.#start(listen, this.port);
    this.#listen = listen;
    this.#uws.us_listen_socket_close(former.socket);
    this.#former.push(former);
  }

  stopAccepting(): void {
    this.#uws.us_listen_socket_close(this.#open.socket);
  }

  /** Cuts every connection that is left. */
  close(): void {
    for (const { app } of [...this.#former, this.#open]) app.close();
    this.#former = [];
  }

  #start(listen: ListenConfig, port: number): Open {
    const app = this.#createApp(listen);
    const scheme = listen.tls === null ? 'http' : 'https';
    const gateway = this.#gateway;
    app.filter((res, count) => {
      const opened = Number(count) > 0;
      this.#connections += opened ? 1 : -1;
      if (opened) proxiedPeers.opened(res);
    });
    app.any('/*', (res, req) => gateway.handle(res, req, scheme));
    let socket: us_listen_socket | false = false;
    app.listen(listen.host, port, (listening) => {
      socket = listening;
    });
    if (socket === false) {
      app.close();
      throw new Error(`cannot listen on ${listen.host}:${port}: the port is in use, or the address is not this machine's`);
    }
    return { app, socket };
  }

  #createApp({ tls }: ListenConfig): TemplatedApp {
    if (tls === null) return this.#uws.App();
    const app = this.#uws.SSLApp(appOptions(tls));
    for (const named of tls.sni) app.addServerName(named.host, appOptions(named));
    return app;
  }
}

function appOptions({ cert, key, passphrase }: { cert: string; key: string; passphrase?: string }) {
  return {
    cert_file_name: cert,
    key_file_name: key,
    ...(passphrase !== undefined && { passphrase }),
  };
}
