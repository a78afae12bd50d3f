/**
 * THE LIFE OF A REQUEST
 *
 *   1 capture   copy what we need out of the listener; framing and bytes are judged   bad ──▶ 400 413 417 …
 *   2 route     which route?                                                          none ─▶ 404, 405 + Allow
 *   3 filter    the route's onRequest stages                                          no ───▶ refused or answered ─▶ 6
 *   4 balance   which endpoint?                                                       all busy ─▶ 503
 *   5 attempt   one try upstream                                                      failed ▶ 4 again, a fallback, or 502 504
 *   6 respond   onResponse stages, stream to the client; a slow client pauses the service
 *   7 done      counters, access line: always, exactly once, also after an abort
 */
import type { Socket } from 'node:net';
import {
  buildSnapshot,
  type FilterServices,
  type Route,
  type Snapshot,
  type Workshop,
} from './config/build.js';
import type { Config } from './config/schema.js';
import type { Failure } from './errors.js';
import * as failures from './errors.js';
import type { Answer, Exchange, RequestBody } from './exchange.js';
import type { HttpRequest, HttpResponse, us_socket_context_t } from './listen/addon/uws.js';
import { COLLECT_BYTES } from './listen/body.js';
import { capture } from './listen/capture.js';
import type { ClientEvents } from './listen/client.js';
import { answerOwn, leaveBody, refuse } from './listen/own-answer.js';
import { createAccessLog } from './observe/access-log.js';
import type { Lines, Log } from './observe/log.js';
import type { WorkerMetrics } from './observe/metrics.js';
import { credentialHeaders, tokenParameters } from './observe/redact.js';
import { CONTINUE, type Verdict } from './pipeline.js';
import { withService } from './route/dynamic.js';
import { readsOneWay } from './route/lookalikes.js';
import { NEVER_FORWARDED, whyNoRoute } from './route/why-none.js';
import type { EndpointTable } from './shared/endpoint-table.js';
import type { Roster } from './upstream/balance/roster.js';
import { EndpointPool } from './upstream/endpoint-pool.js';
import { Forwarder, type Outcome } from './upstream/forwarder.js';
import { ResiliencePool } from './upstream/retry/resilience.js';
import { takeHandshake } from './websocket/handshake.js';
import type { SocketKeeper } from './websocket/keeper.js';
import type { SocketEnd } from './websocket/owners/socket-owners.js';

export interface GatewayEnv {
  readonly log: Log;
  /** Where access lines go. */
  readonly accessLog: Lines;
  readonly metrics: WorkerMetrics;
  /** From 1; workers differ in where their balancers begin. */
  readonly workerId: number;
  /** What all processes know of endpoints. */
  readonly table: EndpointTable;
}

/** The data plane of one worker. */
export class Gateway implements ClientEvents, Outcome, SocketEnd {
  generation = 0;
  inFlight = 0;
  #snapshot: Snapshot | null = null;
  #accessLog: ((x: Exchange) => void) | null = null;
  #draining = false;
  /** null: no route takes handshakes, nor has one done so. */
  #sockets: SocketKeeper | null = null;
  readonly #env: GatewayEnv;
  readonly #endpoints: EndpointPool;
  readonly #resilience = new ResiliencePool();
  readonly #forwarder = new Forwarder(this);

  constructor(env: GatewayEnv) {
    this.#env = env;
    this.#endpoints = new EndpointPool(env.table, env.log);
  }

  /** The listener calls this for every request it has read the head of. */
  handle(
    res: HttpResponse,
    req: HttpRequest,
    scheme: 'http' | 'https',
    context: us_socket_context_t | null,
  ): void {
    const snapshot = this.#snapshot as Snapshot;
    const x = capture(res, req, snapshot.capture, scheme, this, context); // 1
    this.inFlight++;
    if (this.#draining) x.closing = true;
    try {
      const route = this.#route(x, snapshot); // 2
      if (route !== null) this.#filter(x, route); // 3
    } catch (error) {
      this.onCrashed(x, error);
    }
  }

  #route(x: Exchange, { table, lookalikes }: Snapshot): Route | null {
    const found = x.failure !== null || NEVER_FORWARDED.has(x.method) ? null : table.find(x, x);
    x.route = found;
    (found?.stats ?? this.#env.metrics.unrouted).begin();
    const route = found !== null && readsOneWay(x, found, lookalikes) ? withService(x, found) : null;
    if (route === null) refuse(x, x.failure ?? whyNoRoute(x, found !== null));
    return route;
  }

  #filter(x: Exchange, route: Route): void {
    const { onRequest } = route.pipeline;
    const verdict = onRequest === null ? CONTINUE : onRequest(x);
    if (typeof verdict === 'number') return this.#proceed(x, route, verdict);
    verdict.then(
      (late) => this.#proceed(x, route, late),
      (error) => this.onCrashed(x, error),
    );
  }

  #proceed(x: Exchange, route: Route, verdict: Verdict): void {
    if (x.done) return;
    if (x.failure !== null) return refuse(x, x.failure);
    if (verdict !== CONTINUE) return answerOwn(x, x.ownAnswer);
    if (x.handshake && route.websocket !== null) {
      const fault = takeHandshake(x, route.websocket, this.#draining);
      if (fault !== null) return refuse(x, fault);
    }
    if (x.body !== null) return this.#admitBody(x, route, x.body);
    this.#forward(x, route);
  }

  #admitBody(x: Exchange, route: Route, body: RequestBody): void {
    if (body.received > body.limit) return this.#tooLarge(x);
    body.onTooLarge = () => this.#tooLarge(x);
    const small = body.length >= 0 && body.length <= COLLECT_BYTES;
    if (!small || body.complete || route.service === null) return this.#forward(x, route);
    const go = () => this.#forward(x, route);
    const stalled = () => refuse(x, failures.REQUEST_TIMEOUT);
    this.#forwarder.collectBody(x, route.service, go, stalled);
  }

  #forward(x: Exchange, route: Route): void {
    if (route.answer !== null) return answerOwn(x, route.answer(x));
    if (route.channels !== null) return route.channels(x);
    if (route.service !== null) this.#forwarder.forward(x, route, route.service); // 4 and 5
  }

  // what becomes of it upstream ----------------------------------------------------------------------------------

  onHead(x: Exchange, length: number): void {
    try {
      x.route?.pipeline.onResponse?.(x); // 6
    } catch (error) {
      return this.onCrashed(x, error);
    }
    if (this.#draining) x.closing = true;
    if (x.body !== null && !x.body.complete) leaveBody(x, x.body);
    x.client.begin(length);
  }

  onCompleted(x: Exchange): void {
    x.client.end();
  }

  onReplaced(x: Exchange, answer: Answer): void {
    try {
      answerOwn(x, answer);
    } catch (error) {
      this.onCrashed(x, error);
    }
  }

  /** The client has its socket when the service has given one. */
  onUpgraded(x: Exchange, socket: Socket, ended: () => void): void {
    if (this.#sockets?.open(x, socket, ended)) return;
    this.onFailed(x, failures.UPSTREAM_PROTOCOL_ERROR, null);
  }

  onSocketEnd(x: Exchange): void {
    this.#finish(x);
  }

  onFailed(x: Exchange, failure: Failure, error: Error | null): void {
    if (x.done) return x.witness?.lost();
    // What clients or our own bounds bring about comes in floods, and is in the access line.
    if (failure.blame === 'upstream') {
      const { id, route, endpoint } = x;
      this.#env.log.warn(
        { request_id: id, route: route?.name, endpoint, code: failure.code, err: error?.message },
        'upstream attempt failed',
      );
    }
    this.#fail(x, failure);
  }

  // what becomes of the client -----------------------------------------------------------------------------------

  onGone(x: Exchange): void {
    if (x.done) return;
    x.aborted = true;
    x.failure ??= failures.CLIENT_CLOSED;
    if (!x.client.begun) x.status = failures.CLIENT_CLOSED.status;
    if (x.witness !== null && x.sent) x.attempt?.resume();
    else x.attempt?.abandon();
    this.#finish(x);
  }

  onSent(x: Exchange): void {
    this.#finish(x);
  }

  // endings ------------------------------------------------------------------------------------------------------

  #tooLarge(x: Exchange): void {
    x.attempt?.abandon();
    this.#fail(x, failures.BODY_TOO_LARGE);
  }

  /** An answer that has begun can only be cut: it must never look complete. */
  #fail(x: Exchange, failure: Failure): void {
    x.failure = failure;
    if (!x.client.begun) return refuse(x, failure);
    x.client.cut();
    this.#finish(x);
  }

  /** A mistake of ours, or of a filter: the exchange ends, the worker goes on. */
  onCrashed(x: Exchange, error: unknown): void {
    x.attempt?.abandon();
    this.#env.log.error(
      { request_id: x.id, route: x.route?.name, err: error },
      'the gateway failed to handle a request',
    );
    if (x.done) return x.witness?.lost();
    try {
      this.#fail(x, failures.INTERNAL);
    } catch {
      x.client.cut(); // the mistake is in a stage that refusals pass, too
      this.#finish(x);
    }
  }

  /** 7. */
  #finish(x: Exchange): void {
    if (x.done) return;
    x.done = true;
    x.endedAt = performance.now();
    const { route } = x;
    const stats = route?.stats ?? this.#env.metrics.unrouted;
    // Of a socket the handshake counts: how long it then lives says nothing about how quick we are.
    const totalMs = (x.acceptedAt === 0 ? x.endedAt : x.acceptedAt) - x.startedAt;
    stats.done(x.method, x.status, totalMs, x.upstreamMs, x.bytesIn, x.bytesOut, x.failure, x.attempts);
    route?.pipeline.onDone?.(x);
    if (x.handshake && x.acceptedAt === 0 && route?.websocket) this.#sockets?.owners.handshakes.ended(x);
    this.#accessLog?.(x);
    this.inFlight--;
    x.place?.leave(x);
  }

  // life of the worker -------------------------------------------------------------------------------------------

  /** Builds a snapshot beside the old one and swaps the pointer. Throws, and changes nothing, when it cannot be built. */
  apply(
    config: Config,
    generation: number,
    services: FilterServices,
    rosters: readonly Roster[],
    sockets: SocketKeeper | null,
  ): void {
    const { metrics, accessLog: lines, workerId } = this.#env;
    const [endpoints, resilience] = [this.#endpoints, this.#resilience];
    const workshop: Workshop = { endpoints, resilience, rosters, metrics, workerId, services };
    const snapshot = buildSnapshot(config, workshop);
    this.#accessLog = createAccessLog(
      { ...config.accessLog, redactQuery: [...config.accessLog.redactQuery, ...tokenParameters(config)] },
      lines,
      workerId,
      credentialHeaders(config),
    );
    this.#snapshot = snapshot;
    this.#sockets = sockets;
    sockets?.owners.adopt(snapshot.routes, config.drain);
    this.generation = generation;
    this.#resilience.adopt([...snapshot.services.values()].flatMap(({ resilience }) => resilience ?? []));
    this.#retireOthers(snapshot);
  }

  /** The endpoints of a service have changed. */
  takeRoster(roster: Roster): void {
    const snapshot = this.#snapshot as Snapshot;
    snapshot.services.get(roster.service)?.take(roster);
    this.#retireOthers(snapshot);
  }

  /** Exchanges under way keep their own route and endpoint; only idle connections close now. */
  #retireOthers({ services }: Snapshot): void {
    this.#endpoints.keepOnly(new Set([...services.values()].flatMap(({ endpoints }) => endpoints)));
  }

  /** From now on every answer ends its connection, and sockets end in good time. */
  drain(timeoutMs: number): void {
    this.#draining = true;
    this.#sockets?.owners.drain(timeoutMs);
  }
}
