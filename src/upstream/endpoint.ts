/**
 * One address of a service, and this worker's connections to it: a bound on how many, and a bounded queue behind it.
 */
import type { OnReadOpts } from 'node:net';
import type { Failure } from '../errors.js';
import type { EndpointTable } from '../shared/endpoint-table.js';
import { Connection, MAX_HEAD_BYTES } from './connection.js';
import { DIRECT_READS } from './direct-reads.js';
import type { Guard, Ticket } from './health/guard.js';
import { buildConnector, type ClientOptions } from './undici.js';

export interface EndpointOptions {
  /** Origin: scheme, host and port. */
  readonly url: string;
  /** Connections at most. */
  readonly maxConnections: number;
  /** Attempts that may wait for a connection. */
  readonly maxWaiting: number;
  /** Milliseconds an idle connection is kept. */
  readonly keepAliveMs: number;
  readonly tls: {
    /** PEM. */
    readonly ca?: string;
    /** Asked for and verified instead of the host in `url`. */
    readonly servername?: string;
    readonly verify: boolean;
  };
}

/** What all processes know of it. */
export interface EndpointState {
  readonly table: EndpointTable;
  readonly slot: number;
}

/** Learns what becomes of attempts at an endpoint: for balancing, health, breakers. */
export interface Observer {
  began(): void;
  /**
   * Once for each `began`. `failure` null: the answer is complete; CLIENT_CLOSED: the attempt was given up, which says
   * nothing of the endpoint. `status` 0: there was no head. `headMs`: from the beginning of the attempt to that head.
   */
  ended(failure: Failure | null, status: number, headMs: number): void;
}

/** Who waits for a connection. */
export interface Taker {
  /** Asks for an upgrade: its connection is dialled for that, and becomes another's. */
  readonly upgrades: boolean;
  take(connection: Connection): void;
}

export class Endpoint {
  readonly url: string;
  /** What goes in `Host` unless the route keeps the client's. */
  readonly authority: string;
  /** null: it is no service's, and nobody but us judges it. */
  readonly state: EndpointState | null;
  /** null: nobody wants to know. */
  observer: Observer | null = null;
  /** For balancing by latency; null: that is not asked for. */
  meter: Pick<Observer, 'ended'> | null = null;
  /** null: it has neither a breaker nor passive health. */
  guard: Guard | null = null;
  /** It has sent bytes that belong to no answer. null: nobody wants to know. */
  onStray: ((error: Error) => void) | null = null;
  readonly #options: EndpointOptions;
  readonly #clientOptions: ClientOptions;
  /** One each for all connections: TLS sessions are resumed across them. */
  readonly #connect: ReturnType<typeof buildConnector>;
  readonly #connectToUpgrade: ReturnType<typeof buildConnector>;
  readonly #all = new Set<Connection>();
  /** Most recently used last: the tail stays warm, the head ages out. */
  readonly #idle: Connection[] = [];
  readonly #waiting = new Set<Taker>();
  #retired = false;

  constructor(options: EndpointOptions, state: EndpointState | null = null) {
    this.url = options.url;
    this.state = state;
    this.authority = new URL(options.url).host;
    this.#options = options;
    this.#clientOptions = clientOptions(options);
    this.#connect = connector(options.tls);
    this.#connectToUpgrade = connector(options.tls, DIRECT_READS);
  }

  /** Nobody has a reason not to choose it. */
  get available(): boolean {
    const { state, guard } = this;
    if (state === null || state.table.isAvailable(state.slot)) return true;
    if (guard === null) return false;
    guard.tend();
    return state.table.isAvailable(state.slot);
  }

  /** An attempt begins. False: it must end at once, a breaker lets nothing more through. `ended` follows either way. */
  began(ticket: Ticket): boolean {
    const { state } = this;
    // Counted before the guard is asked, and until it has been told: probes are never more than what is in flight.
    if (state !== null) {
      state.table.inFlight[state.slot]++;
      state.table.sent[state.slot]++;
    }
    this.observer?.began();
    return this.guard === null || this.guard.began(ticket);
  }

  /** An attempt has ended: as for `Observer`. */
  ended(ticket: Ticket, failure: Failure | null, status: number, headMs: number): void {
    const { state } = this;
    this.meter?.ended(failure, status, headMs);
    this.guard?.ended(ticket, failure, status, headMs);
    this.observer?.ended(failure, status, headMs);
    if (state !== null) state.table.inFlight[state.slot]--;
  }

  /**
   * Gives the taker a connection, now or when one is free. `fresh` asks for one that no request has used: for a retry
   * after an idle connection turned out dead. False: all are busy and the queue is full.
   */
  acquire(taker: Taker, fresh: boolean): boolean {
    const { maxConnections, maxWaiting } = this.#options;
    const isNew = fresh || taker.upgrades;
    const idle = isNew ? undefined : this.#idle.pop();
    if (idle !== undefined) {
      idle.busy = true;
      taker.take(idle);
      return true;
    }
    const [oldest] = this.#idle;
    if (oldest !== undefined && (fresh || this.#all.size >= maxConnections)) this.drop(oldest);
    if (this.#all.size < maxConnections) {
      this.#dial(taker);
      return true;
    }
    if (this.#waiting.size >= maxWaiting) return false;
    this.#waiting.add(taker);
    return true;
  }

  #dial(taker: Taker): void {
    const connect = taker.upgrades ? this.#connectToUpgrade : this.#connect;
    const connection = new Connection(this, this.url, this.#clientOptions, connect);
    this.#all.add(connection);
    taker.take(connection);
  }

  /** The taker no longer wants one. */
  cancel(taker: Taker): void {
    this.#waiting.delete(taker);
  }

  /** An answer is complete and its connection can be used again. */
  release(connection: Connection): void {
    if (connection.destroyed) return;
    connection.uses++;
    const taker = this.#nextWaiting();
    if (taker?.upgrades) return this.#replace(connection, taker);
    if (taker !== null) return taker.take(connection);
    connection.busy = false;
    if (this.#retired) this.drop(connection);
    else this.#idle.push(connection);
  }

  /** The taker needs one that is dialled for it. */
  #replace(connection: Connection, taker: Taker): void {
    this.#all.delete(connection);
    connection.destroy();
    this.#dial(taker);
  }

  /** This connection is of no use any more. */
  drop(connection: Connection): void {
    if (!this.#all.delete(connection)) return;
    connection.destroy();
    const at = this.#idle.lastIndexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    const taker = this.#nextWaiting();
    if (taker !== null) this.acquire(taker, false); // there is room now
  }

  #nextWaiting(): Taker | null {
    for (const taker of this.#waiting) {
      this.#waiting.delete(taker);
      return taker;
    }
    return null;
  }

  /** No snapshot names it any more: idle connections close now, busy ones after their answer. */
  retire(): void {
    this.#retired = true;
    for (const connection of [...this.#idle]) this.drop(connection);
  }

  /** A later snapshot names it again. */
  revive(): void {
    this.#retired = false;
  }
}

function clientOptions({ keepAliveMs }: EndpointOptions): ClientOptions {
  return {
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    // Our own deadlines cover these phases, to 20 ms.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: MAX_HEAD_BYTES,
  };
}

function connector({ ca, servername, verify }: EndpointOptions['tls'], onread?: OnReadOpts) {
  return buildConnector({
    timeout: 0,
    allowH2: false,
    rejectUnauthorized: verify,
    ...(ca !== undefined && { ca }),
    ...(servername !== undefined && { servername }),
    ...(onread !== undefined && { onread }),
  });
}
