/**
 * THE LIFE OF A REQUEST
 *
 *   1 capture   copy what we need out of the listener; framing and bytes are judged   bad ──▶ 400 413 417 …
 *   2 route     which route?                                                          none ─▶ 404, 405 + Allow
 *   3 filter    the route's onRequest stages                                          no ───▶ refused or answered ─▶ 6
 *   4 balance   which endpoint?                                                       all busy ─▶ 503
 *   5 attempt   one try upstream                                                      failed ▶ 4 again, or 502 504
 *   6 respond   onResponse stages, stream to the client; a slow client pauses the service
 *   7 done      counters, access line: always, exactly once, also after an abort
 */
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
import type { Exchange, RequestBody } from './exchange.js';
import { COLLECT_BYTES } from './listen/body.js';
import { capture } from './listen/capture.js';
import type { ClientEvents } from './listen/client.js';
import { answerOwn, leaveBody, refuse } from './listen/own-answer.js';
import type { HttpRequest, HttpResponse } from './listen/uws.js';
import { createAccessLog } from './observe/access-log.js';
import type { Lines, Log } from './observe/log.js';
import type { WorkerMetrics } from './observe/metrics.js';
import { credentialHeaders, tokenParameters } from './observe/redact.js';
import { CONTINUE, type Verdict } from './pipeline.js';
import { readsOneWay } from './route/lookalikes.js';
import { hasEncodedSlash } from './route/path.js';
import type { EndpointTable } from './shared/endpoint-table.js';
import type { Roster } from './upstream/balance/roster.js';
import { EndpointPool } from './upstream/endpoint-pool.js';
import { Forwarder, type Outcome } from './upstream/forwarder.js';

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

/** TRACE would show a client the fields that we add (RFC 9110 §9.3.8); CONNECT asks for a tunnel, which we are not. */
const NEVER_FORWARDED = new Set(['TRACE', 'CONNECT']);
const ALL_METHODS = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'];

/** The data plane of one worker. */
export class Gateway implements ClientEvents, Outcome {
  generation = 0;
  inFlight = 0;
  #snapshot: Snapshot | null = null;
  #accessLog: ((x: Exchange) => void) | null = null;
  #draining = false;
  readonly #env: GatewayEnv;
  readonly #endpoints: EndpointPool;
  readonly #forwarder = new Forwarder(this);

  constructor(env: GatewayEnv) {
    this.#env = env;
    this.#endpoints = new EndpointPool(env.table);
  }

  /** The listener calls this for every request it has read the head of. */
  handle(res: HttpResponse, req: HttpRequest, scheme: 'http' | 'https'): void {
    const snapshot = this.#snapshot as Snapshot;
    const x = capture(res, req, snapshot.capture, scheme, this); // 1
    this.inFlight++;
    if (this.#draining) x.closing = true;
    try {
      const route = this.#route(x, snapshot); // 2
      if (route !== null) this.#filter(x, route); // 3
    } catch (error) {
      this.#crashed(x, error);
    }
  }

  #route(x: Exchange, { table, lookalikes }: Snapshot): Route | null {
    const route = x.failure !== null || NEVER_FORWARDED.has(x.method) ? null : table.find(x, x);
    x.route = route;
    (route?.stats ?? this.#env.metrics.unrouted).begin();
    if (route !== null && readsOneWay(x, route, lookalikes)) return route;
    refuse(x, x.failure ?? this.#whyNoRoute(x, route));
    return null;
  }

  #whyNoRoute(x: Exchange, route: Route | null): Failure {
    if (route !== null) {
      x.detail = hasEncodedSlash(x.path)
        ? 'The path holds an encoded slash, which this route does not accept.'
        : 'The path could be read as another one, which asks callers who they are.';
      return failures.BAD_PATH;
    }
    if (NEVER_FORWARDED.has(x.method)) x.allow = ALL_METHODS;
    return x.allow.length === 0 ? failures.NOT_FOUND : failures.METHOD_NOT_ALLOWED;
  }

  #filter(x: Exchange, route: Route): void {
    const { onRequest } = route.pipeline;
    const verdict = onRequest === null ? CONTINUE : onRequest(x);
    if (typeof verdict === 'number') return this.#proceed(x, route, verdict);
    verdict.then(
      (late) => this.#proceed(x, route, late),
      (error) => this.#crashed(x, error),
    );
  }

  #proceed(x: Exchange, route: Route, verdict: Verdict): void {
    if (x.done) return;
    if (x.failure !== null) return refuse(x, x.failure);
    if (verdict !== CONTINUE) return answerOwn(x, x.ownAnswer);
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
    if (route.service !== null) this.#forwarder.forward(x, route, route.service); // 4 and 5
  }

  // what becomes of it upstream ----------------------------------------------------------------------------------

  onHead(x: Exchange, length: number): void {
    try {
      x.route?.pipeline.onResponse?.(x); // 6
    } catch (error) {
      x.attempt?.abandon();
      return this.#crashed(x, error);
    }
    // The service answers without waiting for the rest of the body.
    if (x.body !== null && !x.body.complete) leaveBody(x, x.body);
    x.client.begin(length);
  }

  onCompleted(x: Exchange): void {
    x.client.end();
  }

  onFailed(x: Exchange, failure: Failure, error: Error | null): void {
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
  #crashed(x: Exchange, error: unknown): void {
    const { id, route } = x;
    this.#env.log.error(
      { request_id: id, route: route?.name, err: error },
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
    const totalMs = x.endedAt - x.startedAt;
    stats.done(x.method, x.status, totalMs, x.upstreamMs, x.bytesIn, x.bytesOut, x.failure, x.attempts);
    route?.pipeline.onDone?.(x);
    this.#accessLog?.(x);
    this.inFlight--;
  }

  // life of the worker -------------------------------------------------------------------------------------------

  /** Builds a snapshot beside the old one and swaps the pointer. Throws, and changes nothing, when it cannot be built. */
  apply(config: Config, generation: number, services: FilterServices, rosters: readonly Roster[]): void {
    const { metrics, accessLog: lines, workerId } = this.#env;
    const workshop: Workshop = { endpoints: this.#endpoints, rosters, metrics, workerId, services };
    const snapshot = buildSnapshot(config, workshop);
    this.#accessLog = createAccessLog(
      { ...config.accessLog, redactQuery: [...config.accessLog.redactQuery, ...tokenParameters(config)] },
      lines,
      workerId,
      credentialHeaders(config),
    );
    this.#snapshot = snapshot;
    this.generation = generation;
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

  /** From now on every answer ends its connection. */
  drain(): void {
    this.#draining = true;
  }
}
