/**
 * The listener: the one place where uWebSockets.js is opened and closed. It shares its port with the listeners of the
 * other workers (SO_REUSEPORT); the kernel spreads connections over them.
 */
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { CompressionMode } from '../config/schema/socket/compression.js';
import type { Config } from '../config/schema.js';
import type { Gateway } from '../gateway.js';
import { beginNoMore, HANDSHAKE_MS } from './addon/no-more-connections.js';
import { withBoundedReceiveBuffer } from './addon/receive-buffer.js';
import { loadUws, type TemplatedApp, type Uws, type us_listen_socket } from './addon/uws.js';
import { peers } from './peers.js';
import { socketBehavior } from './sockets.js';

type ListenConfig = Config['listen'];

export interface ListenerOptions {
  listen: ListenConfig;
  /** Overrides `listen.port`: what port 0 became in the first worker. */
  port: number;
  /** How sockets may be compressed: it takes memory, be there any or not. */
  compression: CompressionMode;
  /** Messages that wait may be replaced by newer ones: little is to wait where that cannot be done any more. */
  conflates: boolean;
}

/** An app of the addon, the socket it listens on, and how many connections it has. */
interface Open {
  app: TemplatedApp;
  socket: us_listen_socket;
  /** Of that socket, where they are known. */
  descriptors: readonly number[];
  connections: number;
  accepting: boolean;
}

export class Listener {
  readonly #uws: Uws;
  readonly #gateway: Gateway;
  readonly #compression: CompressionMode;
  readonly #conflates: boolean;
  /** What the current certificates were made from. */
  #material: string;
  #current: Open;
  /** Apps whose certificate was replaced: they accept no more, and their connections live on. */
  readonly #former = new Set<Open>();
  readonly port: number;

  /** @throws Error when the port cannot be listened on or a certificate cannot be used. */
  static async open(options: ListenerOptions, gateway: Gateway): Promise<Listener> {
    return new Listener(options, gateway);
  }

  private constructor({ listen, port, compression, conflates }: ListenerOptions, gateway: Gateway) {
    this.#uws = loadUws(listen.maxHeaderBytes);
    this.#gateway = gateway;
    this.#compression = compression;
    this.#conflates = conflates;
    this.#material = tlsMaterial(listen);
    this.#current = this.#start(listen, port);
    this.port = this.#uws.us_socket_local_port(this.#current.socket as never);
  }

  /** Open connections of clients. */
  connections(): number {
    let sum = this.#current.connections;
    for (const { connections } of this.#former) sum += connections;
    return sum;
  }

  /**
   * Takes over changed certificates: a second app listens beside the first, then the first stops accepting. Connections
   * keep the certificate they began with.
   *
   * @throws Error when a certificate cannot be used; the old ones stay then.
   */
  async update(listen: ListenConfig): Promise<void> {
    const material = tlsMaterial(listen);
    if (material === this.#material || material === '' || this.#material === '') return;
    const former = this.#current;
    this.#current = this.#start(listen, this.port);
    this.#material = material;
    this.#former.add(former);
    await this.#stop(former, true);
    this.#forget(former);
  }

  /** A text for all WebSockets that have joined the topic. */
  publish(topic: string, text: string): void {
    this.#current.app.publish(topic, text, false);
    for (const { app } of this.#former) app.publish(topic, text, false);
  }

  /** Resolves when the last connection has been accepted. `handOver`: others listen on the port, and none is to be lost. */
  async stopAccepting(handOver: boolean): Promise<void> {
    await this.#stop(this.#current, handOver);
  }

  /** Cuts every connection that is left. */
  close(): void {
    for (const { app } of [...this.#former, this.#current]) app.close();
    this.#former.clear();
  }

  async #stop(open: Open, handOver: boolean): Promise<void> {
    if (!open.accepting) return;
    open.accepting = false;
    if (handOver && open.descriptors.map(beginNoMore).includes(true)) await sleep(HANDSHAKE_MS);
    // What the kernel holds for the socket would be reset: let the event loop accept it first.
    await nextTurn();
    await nextTurn();
    this.#uws.us_listen_socket_close(open.socket);
  }

  /** A former app goes with its last connection. */
  #forget(open: Open): void {
    if (open.connections === 0 && this.#former.delete(open)) open.app.close();
  }

  #start(listen: ListenConfig, port: number): Open {
    const app = this.#createApp(listen);
    const scheme = listen.tls === null ? 'http' : 'https';
    const open: Open = { app, socket: {}, descriptors: [], connections: 0, accepting: true };
    this.#route(app, listen, scheme);
    // A name of its own certificate has routes of its own too; `domain` turns the app to them.
    for (const { host } of listen.tls?.sni ?? []) this.#route(app.domain(host), listen, scheme);
    // biome-ignore lint/suspicious/useIterableCallbackReturn: not an array: it is told of each connection
    app.filter((res, count) => {
      if (Number(count) > 0) {
        open.connections++;
        peers.opened(res);
      } else {
        open.connections--;
        if (open !== this.#current) setImmediate(() => this.#forget(open));
      }
    });
    const { opened: socket, descriptors } = withBoundedReceiveBuffer(
      () => listenOn(app, listen.host, port),
      this.#conflates,
    );
    if (socket === false) {
      app.close();
      throw new Error(
        `cannot listen on ${listen.host}:${port}: the port is in use, or the address is not this machine's`,
      );
    }
    open.socket = socket;
    open.descriptors = descriptors;
    return open;
  }

  #route(app: TemplatedApp, { maxMessageBytes }: ListenConfig, scheme: 'http' | 'https'): void {
    const gateway = this.#gateway;
    app.any('/*', (res, req) => gateway.handle(res, req, scheme, null));
    // Handshakes whose key has the right length come here, all others to the handler above.
    const compression = compressionFlags(this.#uws, this.#compression);
    app.ws(
      '/*',
      socketBehavior(maxMessageBytes, compression, (res, req, context) =>
        gateway.handle(res, req, scheme, context),
      ),
    );
  }

  #createApp({ tls }: ListenConfig): TemplatedApp {
    if (tls === null) return this.#uws.App();
    const app = this.#uws.SSLApp(appOptions(tls));
    for (const named of tls.sni) app.addServerName(named.host, appOptions(named));
    return app;
  }
}

/** Clients always forget what they have sent: reading takes no memory of a socket. */
function compressionFlags(uws: Uws, mode: CompressionMode): number {
  if (mode === 'off') return uws.DISABLED;
  const compressor = mode === 'shared' ? uws.SHARED_COMPRESSOR : uws.DEDICATED_COMPRESSOR_16KB;
  return compressor | uws.SHARED_DECOMPRESSOR;
}

/** The addon calls back before `listen` returns. */
function listenOn(app: TemplatedApp, host: string, port: number): us_listen_socket | false {
  let socket: us_listen_socket | false = false;
  app.listen(host, port, (listening) => {
    socket = listening;
  });
  return socket;
}

/** Everything that certificates are made from, as one text; empty without TLS. */
function tlsMaterial({ tls }: ListenConfig): string {
  if (tls === null) return '';
  const files = [tls, ...tls.sni].flatMap(({ cert, key }) => [
    readFileSync(cert, 'latin1'),
    readFileSync(key, 'latin1'),
  ]);
  return JSON.stringify([tls, files]);
}

function appOptions({ cert, key, passphrase }: { cert: string; key: string; passphrase?: string }) {
  return {
    cert_file_name: cert,
    key_file_name: key,
    ...(passphrase !== undefined && { passphrase }),
  };
}
