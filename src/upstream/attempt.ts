/**
 * One try to get an answer from one endpoint. It is itself the handler that undici calls: no closure and no promise
 * per request. A try ends exactly once: completed, failed, broken in the middle, or abandoned.
 */
import type { Socket } from 'node:net';
import type { Failure } from '../errors.js';
import * as failures from '../errors.js';
import type { Exchange, OngoingAttempt } from '../exchange.js';
import { bodyPassed } from '../memory.js';
import { NO_TICKET } from '../shared/health/breaker.js';
import { BAD_LENGTH, takeAnswerHead } from './answer-head.js';
import type { Connection } from './connection.js';
import type { Deadlines, Timed } from './deadlines.js';
import type { Endpoint, Taker } from './endpoint.js';
import { connectFailure, exchangeFailure } from './errors.js';
import type { Conductor } from './forwarder.js';
import type { Ticket } from './health/guard.js';
import type { Timeouts } from './service.js';
import type { Dispatcher, IncomingHttpHeaders } from './undici.js';

/** Waits for a connection. */
const CONNECTING = 0;
/** The request's body is on its way. */
const SENDING = 1;
/** The request is sent; no head yet. */
const AWAITING = 2;
const RECEIVING = 3;
const OVER = 4;
/** Nobody wants the answer: so much of it is read, for so many milliseconds, to use the connection again. */
const DISCARDING = 5;
const DISCARD_BYTES = 64 * 1024;
const DISCARD_MS = 1_000;
/** How many times `idle` a client may take: the kernel tells of room only when a third of its buffer is free again. */
const CLIENT_PATIENCE = 4;

export class Attempt implements Taker, Timed, Ticket, OngoingAttempt, Dispatcher.DispatchHandler {
  readonly endpoint: Endpoint;
  readonly upgrades: boolean;
  /** Chosen with the endpoint: another try, which runs beside this one or was thought of later, has its own. */
  readonly stickyCookie: string;
  /** It ran on a connection that had carried an answer before, so the service may have closed it for idleness. */
  reused = false;
  /** At least one byte of the request may have left. */
  sent = false;
  dueAt = Number.POSITIVE_INFINITY;
  slot = -1;
  startedAt = 0;
  /** When the first of those that ran beside it started; else as `startedAt`. */
  since = 0;
  serviceTicket = NO_TICKET;
  endpointTicket = NO_TICKET;
  judged = false;

  readonly #x: Exchange;
  readonly #target: string;
  /** As they were made for this endpoint: another try may run beside this one. */
  readonly #headers: string[];
  readonly #timeouts: Timeouts;
  readonly #conductor: Conductor;
  readonly #deadlines: Deadlines;
  #phase = CONNECTING;
  #toDiscard = DISCARD_BYTES;
  #headAt = 0;
  #paused = false;
  #connection: Connection | null = null;
  #controller: Dispatcher.DispatchController | null = null;

  constructor(
    x: Exchange,
    target: string,
    endpoint: Endpoint,
    timeouts: Timeouts,
    conductor: Conductor,
    deadlines: Deadlines,
  ) {
    this.#x = x;
    this.upgrades = x.dialling;
    this.#target = target;
    this.#headers = x.forwardHeaders;
    this.stickyCookie = x.stickyCookie;
    this.endpoint = endpoint;
    this.#timeouts = timeouts;
    this.#conductor = conductor;
    this.#deadlines = deadlines;
  }

  /** Goes. `fresh` insists on a new connection. Reports everything through the conductor. */
  start(fresh: boolean, now: number): void {
    this.startedAt = now;
    this.since = now;
    this.#deadlines.add(this, now);
    this.#dueIn(this.#timeouts.connect);
    if (!this.endpoint.began(this)) return this.#fail(failures.CIRCUIT_OPEN, null);
    if (!this.endpoint.acquire(this, fresh)) this.#fail(failures.SERVICE_BUSY, null);
  }

  take(connection: Connection): void {
    const x = this.#x;
    this.#connection = connection;
    connection.dispatch(
      {
        path: this.#target,
        method: x.method as Dispatcher.HttpMethod,
        headers: this.#headers,
        // The same for every request, or undici would open another connection: see Connection.
        servername: 'endpoint',
        body: x.body === null ? null : (x.body.whole ?? x.body.stream()),
        ...(this.upgrades && { upgrade: 'websocket' }),
      },
      this,
    );
  }

  resume(): void {
    if (this.#phase !== RECEIVING || !this.#paused) return;
    this.#paused = false;
    this.#dueIn(this.#timeouts.idle);
    this.#controller?.resume();
  }

  abandon(): void {
    if (this.#phase !== OVER) this.#stop(failures.CLIENT_CLOSED);
  }

  /** Its answer has begun, and something else takes its place: as `abandon`, but a short rest of it is read. */
  discard(length: number): void {
    if (this.#phase !== RECEIVING) return;
    this.#over(null);
    if (length > DISCARD_BYTES) return this.endpoint.drop(this.#connection as Connection);
    this.#phase = DISCARDING;
    this.#deadlines.add(this, performance.now());
    this.dueAt = this.#deadlines.now + DISCARD_MS;
  }

  expire(): void {
    if (this.#phase === DISCARDING) return this.#discarded(false);
    if (this.#deadlines.now >= this.#x.dueAt) return this.#fail(failures.TOTAL_TIMEOUT, null);
    switch (this.#phase) {
      case CONNECTING:
        return this.#fail(failures.CONNECT_TIMEOUT, null);
      case SENDING:
        return this.#fail(this.#x.body?.starving ? failures.REQUEST_TIMEOUT : failures.IDLE_TIMEOUT, null);
      case AWAITING:
        return this.#fail(failures.FIRST_BYTE_TIMEOUT, null);
      default:
        return this.#fail(this.#paused ? failures.CLIENT_STALLED : failures.IDLE_TIMEOUT, null);
    }
  }

  // undici calls these -----------------------------------------------------------------------------------------

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#phase === OVER) return controller.abort(new Error('abandoned'));
    this.#controller = controller;
    this.sent = true;
    this.#x.sent = true;
    const connection = this.#connection as Connection;
    connection.awaitsHead = true;
    this.reused = connection.uses > 0;
    if (this.#x.body?.whole === null) {
      this.#phase = SENDING;
      this.#dueIn(this.#timeouts.idle);
    } else {
      this.#await();
    }
  }

  onBodySent(): void {
    if (this.#phase === SENDING) this.#dueIn(this.#timeouts.idle);
  }

  onRequestSent(): void {
    if (this.#phase === SENDING) this.#await();
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (this.#phase >= OVER) return;
    if (status < 100) return this.#fail(failures.UPSTREAM_PROTOCOL_ERROR, null);
    if (status < 200) return; // interim: the listener cannot pass it on
    const x = this.#x;
    this.#phase = RECEIVING;
    this.#headAt = performance.now();
    this.#dueIn(this.#timeouts.idle);
    x.status = status;
    this.endpoint.guard?.answered(this, status, this.#headAt - this.startedAt);
    x.stickyCookie = this.stickyCookie;
    const length = takeAnswerHead(x, headers);
    if (length === BAD_LENGTH) return this.#fail(failures.UPSTREAM_PROTOCOL_ERROR, null);
    this.#conductor.onHead(x, this, length);
  }

  onRequestUpgrade(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    socket: Socket,
  ): void {
    if (this.#phase >= OVER) return void socket.destroy();
    const x = this.#x;
    const connection = this.#connection as Connection;
    x.status = status;
    this.#headAt = performance.now();
    this.endpoint.guard?.ended(this, null, status, this.#headAt - this.startedAt);
    x.stickyCookie = this.stickyCookie;
    takeAnswerHead(x, headers);
    this.#phase = OVER;
    this.#deadlines.remove(this);
    x.upstreamMs += this.#headAt - this.startedAt;
    x.attempt = null;
    // The socket is no longer the connection's, and does not count among those of the endpoint. What only the request needed goes.
    connection.handOver(socket);
    this.endpoint.drop(connection);
    this.#connection = null;
    this.#controller = null;
    this.#headers.length = 0;
    this.#conductor.onUpgraded(x, this, socket);
  }

  /** The socket that came of it has ended: until then it counts as in flight. */
  socketEnded(): void {
    this.endpoint.ended(this, null, 101, this.#headAt - this.startedAt);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#phase !== RECEIVING) {
      if (this.#phase !== DISCARDING) return;
      this.#toDiscard -= chunk.length;
      if (this.#toDiscard < 0) this.#discarded(false);
      return;
    }
    this.#dueIn(this.#timeouts.idle);
    bodyPassed(chunk.length);
    if (this.#x.client.write(chunk)) return;
    this.#paused = true;
    this.#dueIn(this.#timeouts.idle * CLIENT_PATIENCE);
    controller.pause();
  }

  onResponseEnd(): void {
    const connection = this.#connection as Connection;
    if (this.#phase === DISCARDING) return this.#discarded(!connection.broken);
    if (this.#phase !== RECEIVING) return;
    if (connection.broken) return this.#fail(failures.UPSTREAM_INCOMPLETE, null);
    this.#over(null);
    this.endpoint.release(connection);
    this.#conductor.onCompleted(this.#x);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#phase === OVER) return;
    if (this.#phase === DISCARDING) return this.#discarded(false);
    this.#fail(this.sent ? exchangeFailure(error, this.#phase === RECEIVING) : connectFailure(error), error);
  }

  #await(): void {
    this.#phase = AWAITING;
    this.#dueIn(this.#timeouts.firstByte);
  }

  #dueIn(ms: number): void {
    this.dueAt = Math.min(this.#deadlines.now + ms, this.#x.dueAt);
  }

  #fail(failure: Failure, error: Error | null): void {
    // Whoever waits for one of our own connections has learnt nothing of the endpoint.
    this.#stop(this.#connection === null ? failures.SERVICE_BUSY : failure);
    this.#conductor.onFailed(this.#x, this, failure, error);
  }

  #stop(failure: Failure): void {
    this.#over(failure);
    if (this.#connection === null) this.endpoint.cancel(this);
    else this.endpoint.drop(this.#connection);
  }

  #over(failure: Failure | null): void {
    this.#phase = OVER;
    this.#deadlines.remove(this);
    const x = this.#x;
    if (this.#headAt === 0) this.endpoint.ended(this, failure, 0, 0);
    else this.endpoint.ended(this, failure, x.status, this.#headAt - this.startedAt);
    // One of several that run at once: who conducts them keeps the time.
    if (x.attempt !== this) return;
    x.upstreamMs += performance.now() - this.since;
    x.attempt = null;
  }

  /** Not `whole`: the rest of the answer is too long, or does not come. */
  #discarded(whole: boolean): void {
    const connection = this.#connection as Connection;
    this.#phase = OVER;
    this.#deadlines.remove(this);
    this.endpoint[whole ? 'release' : 'drop'](connection);
  }
}
