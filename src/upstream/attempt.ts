/**
 * One try to get an answer from one endpoint. It is itself the handler that undici calls: no closure and no promise
 * per request. A try ends exactly once: completed, failed, broken in the middle, or abandoned.
 */

import type { Failure } from '../errors.js';
import * as failures from '../errors.js';
import type { Exchange, OngoingAttempt } from '../exchange.js';
import { bodyPassed } from '../memory.js';
import { BAD_LENGTH, takeAnswerHead } from './answer-head.js';
import type { Connection } from './connection.js';
import type { Deadlines, Timed } from './deadlines.js';
import type { Endpoint, Taker } from './endpoint.js';
import { connectFailure, exchangeFailure } from './errors.js';
import type { Timeouts } from './service.js';
import type { Dispatcher, IncomingHttpHeaders } from './undici.js';

/** What the try tells its conductor (gateway.ts). */
export interface Conductor {
  /** The service's head is in `x`, nothing of it has gone to the client. */
  onHead(x: Exchange, length: number): void;
  onCompleted(x: Exchange): void;
  /** No answer; whether another try follows is the conductor's choice, as long as `x.client.begun` is false. */
  onFailed(x: Exchange, attempt: Attempt, failure: Failure, error: Error | null): void;
}

/** Waits for a connection. */
const CONNECTING = 0;
/** The request's body is on its way. */
const SENDING = 1;
/** The request is sent; no head yet. */
const AWAITING = 2;
const RECEIVING = 3;
const OVER = 4;

/**
 * How many times `idle` a client may take before it counts as stalled: the kernel says that there is room only when a
 * third of its buffer (4 MB on fast links) is free again.
 */
const CLIENT_PATIENCE = 4;

export class Attempt implements Taker, Timed, OngoingAttempt, Dispatcher.DispatchHandler {
  readonly endpoint: Endpoint;
  /** It ran on a connection that had carried an answer before, so the service may have closed it for idleness. */
  reused = false;
  /** At least one byte of the request may have left. */
  sent = false;
  dueAt = Number.POSITIVE_INFINITY;
  slot = -1;

  readonly #x: Exchange;
  readonly #target: string;
  readonly #timeouts: Timeouts;
  readonly #conductor: Conductor;
  readonly #deadlines: Deadlines;
  #totalDueAt = Number.POSITIVE_INFINITY;
  #phase = CONNECTING;
  #startedAt = 0;
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
    this.#target = target;
    this.endpoint = endpoint;
    this.#timeouts = timeouts;
    this.#conductor = conductor;
    this.#deadlines = deadlines;
  }

  /**
   * Goes. `fresh` insists on a new connection; `firstStartedAt` is when the exchange's first try began, from which the
   * total timeout counts. Reports everything through the conductor.
   */
  start(fresh: boolean, now: number, firstStartedAt: number): void {
    this.#startedAt = now;
    if (this.#timeouts.total > 0) this.#totalDueAt = firstStartedAt + this.#timeouts.total;
    this.#deadlines.add(this, now);
    this.#dueIn(this.#timeouts.connect);
    this.endpoint.began();
    if (!this.endpoint.acquire(this, fresh)) this.#fail(failures.SERVICE_BUSY, null);
  }

  take(connection: Connection): void {
    const x = this.#x;
    this.#connection = connection;
    const { body } = x;
    connection.dispatch(
      {
        path: this.#target,
        method: x.method as Dispatcher.HttpMethod,
        headers: x.forwardHeaders,
        // The same for every request, or undici would open another connection: see Connection.
        servername: 'endpoint',
        body: body === null ? null : (body.whole ?? body.stream()),
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

  expire(): void {
    if (this.#deadlines.now >= this.#totalDueAt) return this.#fail(failures.TOTAL_TIMEOUT, null);
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
    const { body } = this.#x;
    if (body !== null && body.whole === null) {
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
    // Interim answers (1xx) end here: the listener cannot pass them on.
    if (this.#phase === OVER) return;
    if (status < 100) return this.#fail(failures.UPSTREAM_PROTOCOL_ERROR, null);
    if (status < 200) return;
    const x = this.#x;
    this.#phase = RECEIVING;
    this.#headAt = performance.now();
    (this.#connection as Connection).awaitsHead = false;
    this.#dueIn(this.#timeouts.idle);
    x.status = status;
    const length = takeAnswerHead(x, headers);
    if (length === BAD_LENGTH) return this.#fail(failures.UPSTREAM_PROTOCOL_ERROR, null);
    this.#conductor.onHead(x, length);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#phase !== RECEIVING) return;
    this.#dueIn(this.#timeouts.idle);
    bodyPassed(chunk.length);
    if (this.#x.client.write(chunk)) return;
    this.#paused = true;
    this.#dueIn(this.#timeouts.idle * CLIENT_PATIENCE);
    controller.pause();
  }

  onResponseEnd(): void {
    if (this.#phase !== RECEIVING) return;
    const connection = this.#connection as Connection;
    if (connection.broken) return this.#fail(failures.UPSTREAM_INCOMPLETE, null);
    const x = this.#x;
    this.#over(null);
    this.endpoint.release(connection);
    this.#conductor.onCompleted(x);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#phase === OVER) return;
    this.#fail(this.sent ? exchangeFailure(error, this.#phase === RECEIVING) : connectFailure(error), error);
  }

  // ------------------------------------------------------------------------------------------------------------

  #await(): void {
    this.#phase = AWAITING;
    this.#dueIn(this.#timeouts.firstByte);
  }

  #dueIn(ms: number): void {
    const due = this.#deadlines.now + ms;
    this.dueAt = due < this.#totalDueAt ? due : this.#totalDueAt;
  }

  #fail(failure: Failure, error: Error | null): void {
    this.#stop(failure);
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
    if (this.#headAt === 0) this.endpoint.ended(failure, 0, 0);
    else this.endpoint.ended(failure, x.status, this.#headAt - this.#startedAt);
    x.upstreamMs += performance.now() - this.#startedAt;
    x.attempt = null;
  }
}
