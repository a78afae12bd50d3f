/**
 * One request and its answer. Every field is declared and initialised here, so that all exchanges share one shape;
 * which step fills which is said beside it (steps: see gateway.ts).
 */
import type { Readable } from 'node:stream';
import type { Route } from './config/build.js';
import type { Failure } from './errors.js';
import type { Verdict } from './pipeline.js';
import type { Identity } from './services/identity.js';
import type { LimitTicket } from './services/limits/gate.js';
import type { Waiter } from './services/limits/queue/waiter.js';
import type { Bulkhead } from './upstream/bulkhead/bulkhead.js';
import type { Recovery } from './upstream/retry/recovery.js';
import type { Service } from './upstream/service.js';
import type { Agreement } from './websocket/compression.js';

/** An answer the gateway gives by itself. */
export interface Answer {
  readonly status: number;
  /** Flat: name, value, name, value …; names in lower case. */
  readonly headers: readonly string[];
  readonly body: string | Buffer;
}

/** The client's side of an exchange: what the steps after `capture` may do with it. Implemented in `listen/`. */
export interface Client {
  /** Sends a whole answer with `x.status`, `x.answerHeaders` and this body. */
  answer(body: string | Buffer): void;
  /** The head of the service's answer: `x.status` and `x.answerHeaders` are final. `length` is -1 when unknown. */
  begin(length: number): void;
  /** Part of the body. False: wait until the exchange's attempt is told to `resume()`. */
  write(chunk: Buffer): boolean;
  end(): void;
  /** The answer has begun and cannot be completed: cut the connection, so that it never looks complete. */
  cut(): void;
  /** Whether the connection can become a WebSocket. */
  readonly upgradable: boolean;
  /**
   * Makes it one, with `x.answerHeaders` beside the fields of the protocol. null: the client has gone. `compression`: see
   * `Agreement`; null: none.
   */
  accept(protocol: string, events: SocketEvents, compression?: Agreement | null): ClientSocket | null;
  /** The head has gone out: from now on the answer can only be completed or cut. */
  readonly begun: boolean;
}

/** The client's end of a WebSocket. Implemented in `listen/`. */
export interface ClientSocket {
  send(message: Buffer | string, binary: boolean): void;
  /** What is sent meanwhile leaves in one write. */
  together(send: () => void): void;
  /** Bytes that the client has not taken yet. */
  readonly waiting: number;
  /** From now on it gets what the listener publishes on the topic. */
  join(topic: string): void;
  /** No longer; what was published before still comes. */
  part(topic: string): void;
  /** Closes in order; code 0: without one. Its events may still come. */
  end(code: number, reason: string): void;
  /** Without a close frame. */
  cut(): void;
}

/** What the client's end of a WebSocket tells. Implemented in `websocket/`. */
export interface SocketEvents {
  /** The message is only lent: it is gone when this returns. */
  onMessage(message: ArrayBuffer, binary: boolean): void;
  /** The client has taken some of what waited for it. */
  onDrain(): void;
  /** A ping, which the listener has answered, or a pong. */
  onPing?(): void;
  /** Once. `code` 1006: without a close frame; `reason` is then the listener's own. */
  onClosed(code: number, reason: string): void;
}

/** The request's body, read from the client as fast as somebody takes it. Implemented in `listen/`. */
export interface RequestBody {
  /** Announced length in bytes; -1 when chunked. */
  readonly length: number;
  /** Bytes that have arrived. */
  readonly received: number;
  readonly complete: boolean;
  /** Its taker waits for the client to send more. */
  readonly starving: boolean;
  /** More than this many bytes end the exchange with 413. */
  limit: number;
  /** The whole body as one buffer, when it was collected. */
  readonly whole: Buffer | null;
  /** Called once, when more than `limit` bytes have come; the rest is then discarded. */
  onTooLarge: (() => void) | null;
  /** Calls back once when all of it has arrived; only for bodies small enough to hold. */
  collect(then: () => void): void;
  /** The same stream each time: an attempt that never began leaves it untouched for the next. */
  stream(): Readable;
  /** Nobody will read the rest. */
  discard(): void;
}

/** What the exchange's current try upstream must understand. Implemented in `upstream/`. */
export interface OngoingAttempt {
  /** The client can take more. */
  resume(): void;
  /** Stop, and free what it holds. Nothing is reported back. */
  abandon(): void;
}

/** Follows what was sent to its end, even when the client has left. Implemented in `services/idempotency/`. */
export interface Witness {
  /** Nothing more will come of it. */
  lost(): void;
}

const NONE: readonly string[] = Object.freeze([]);
const NO_ANSWER: Answer = Object.freeze({ status: 0, headers: [], body: '' });

export class Exchange {
  // 1 capture ------------------------------------------------------------------------------------------------
  client!: Client;
  method = '';
  /** The one canonical path: matching, limits, cache and the service see this and nothing else. */
  path = '';
  /** Raw, without the question mark; empty when there is none. */
  query = '';
  /** Lower case, without port and trailing dot; IPv6 with brackets. */
  host = '';
  /** As the client wrote it, with the port. */
  authority = '';
  /** End-to-end fields of the request in order, flat: name, value, …; names in lower case. */
  headers: readonly string[] = NONE;
  /** Fields about the way here, kept apart: `forwardHeaders` are made from them if the peer is trusted. */
  via = '';
  forwarded = '';
  forwardedFor = '';
  forwardedProto = '';
  forwardedHost = '';
  /** Request id: a UUIDv7, or the trusted peer's own. */
  id = '';
  scheme: 'http' | 'https' = 'http';
  /** Who is connected to us. */
  peerIp = '';
  peerTrusted = false;
  /** Milliseconds that a trusted peer gives it (`X-Request-Deadline`); Infinity: it says nothing. */
  deadlineMs = Number.POSITIVE_INFINITY;
  /** Whom we take for the client: the right-most address that is not a trusted proxy. */
  clientIp = '';
  body: RequestBody | null = null;
  /** The client wants to speak WebSocket on this connection (RFC 6455 §4.1). */
  handshake = false;
  /** What its handshake offers beside (RFC 6455 §9.1), where the route may take it; empty: nothing. */
  extensions = '';
  /** The connection ends with this answer. */
  closing = false;
  /** `performance.now()` in milliseconds. */
  readonly startedAt: number;

  // 2 route --------------------------------------------------------------------------------------------------
  route: Route | null = null;
  /** Values in the order of `route.paramNames`, percent-encoded as in `path`. */
  params: readonly string[] = NONE;
  /** Methods of the routes that match all but the method (for 405). */
  allow: readonly string[] = NONE;

  // 3 filter -------------------------------------------------------------------------------------------------
  /** Who is calling; null where nobody asked. */
  identity: Identity | null = null;
  /** Values of the fields about limits; empty where there are none. */
  rateLimitPolicy = '';
  rateLimit = '';
  /** Of the limit that is used up first: how many, how many are left, seconds until all are there again. */
  legacyLimit: readonly [limit: number, remaining: number, reset: number] | null = null;
  /** Seconds for `Retry-After`; 0: the usual. */
  retryAfterS = 0;
  /** What limits have taken and may have to give back. */
  limitTickets: LimitTicket[] | null = null;
  /** While it waits for a limit. */
  limitWait: Waiter | null = null;
  /** Milliseconds it has waited for limits. */
  waitedMs = 0;
  /** For `WWW-Authenticate`, beside a refusal with 401 or 403. */
  challenge = '';

  /** The same request may reach the service twice, whatever its method: its key tells the service (`Idempotency-Key`). */
  idempotent = false;
  /** Must know what becomes of it: it is not given up when the client leaves. */
  witness: Witness | null = null;

  // 4 balance, 5 attempt -------------------------------------------------------------------------------------
  /** Whom it is forwarded to: the route's service, or one that takes its place. */
  service: Service | null = null;
  /** `performance.now()` at which everything upstream must be over; Infinity: there is no bound. */
  dueAt = Number.POSITIVE_INFINITY;
  /** Where it holds a place. */
  place: Bulkhead | null = null;
  /** What was done about failed tries; null: none has failed. */
  recovery: Recovery | null = null;
  /** Who took the place of the route's service: `service:NAME` or `static`; empty: nobody. */
  degraded = '';
  attempt: OngoingAttempt | null = null;
  /** The service is asked for a WebSocket. */
  dialling = false;
  attempts = 0;
  /** Part of the request may have reached a service. */
  sent = false;
  /** Address of the endpoint last tried: for the log, never for the client. */
  endpoint = '';
  /** `Set-Cookie` that brings the client back to this endpoint; empty: none is needed. */
  stickyCookie = '';
  /** Fields that go to the service; made anew for each attempt. */
  forwardHeaders: string[] = [];
  /** Milliseconds between handing the request to the service's connection and the end of its answer, over all attempts. */
  upstreamMs = 0;

  // 6 respond ------------------------------------------------------------------------------------------------
  status = 0;
  answerHeaders: string[] = [];
  /** An answer of our own, waiting to be sent. */
  ownAnswer: Answer = NO_ANSWER;
  failure: Failure | null = null;
  /** Replaces the failure's general detail. */
  detail = '';

  /** `performance.now()` when it became a WebSocket; 0: it has not. */
  acceptedAt = 0;
  /** Why the WebSocket ended; 1006: without a close frame. */
  closeCode = 0;

  // 7 done ---------------------------------------------------------------------------------------------------
  endedAt = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** The client left first. */
  aborted = false;
  /** Step 7 has run. */
  done = false;

  constructor(startedAt: number) {
    this.startedAt = startedAt;
  }

  /** First value of a request field; `name` in lower case. */
  header(name: string): string | undefined {
    const { headers } = this;
    for (let i = 0; i < headers.length; i += 2) {
      if (headers[i] === name) return headers[i + 1];
    }
    return this.#apart(name);
  }

  /** Fields that are kept apart from `headers`; those about the way here only when a trusted proxy sent them. */
  #apart(name: string): string | undefined {
    switch (name) {
      case 'host':
        return this.authority;
      case 'x-request-id':
        return this.id;
      case 'forwarded':
        return this.forwarded || undefined;
      case 'x-forwarded-for':
        return this.forwardedFor || undefined;
      case 'x-forwarded-proto':
        return this.forwardedProto || undefined;
      case 'x-forwarded-host':
        return this.forwardedHost || undefined;
      case 'via':
        return this.via || undefined;
      default:
        return undefined;
    }
  }

  /** From a filter: end the exchange with this failure. */
  refuse(failure: Failure, detail = ''): Verdict {
    this.failure = failure;
    this.detail = detail;
    return ANSWERED;
  }

  /** From a filter: end the exchange with an answer of our own. */
  answer(answer: Answer): Verdict {
    this.ownAnswer = answer;
    return ANSWERED;
  }
}

// The value of pipeline.ts's ANSWERED: this file imports types only, so that every arrow can point here.
const ANSWERED = 1;
