/**
 * THE LIFE OF A REQUEST
 *
 *   1 capture   copy what we need out of the listener; framing and bytes are judged   bad ──▶ 400 413 417 …
 *   2 route     which route?                                                          none ─▶ 404, 405 + Allow
 *   3 filter    the route's onRequest stages                                          no ───▶ refused or answered ─▶ 6
 *   4 balance   which endpoint?                                                       none ─▶ 503
 *   5 attempt   one try upstream                                                      failed ▶ 4 again, or 502 504
 *   6 respond   onResponse stages, stream to the client; a slow client pauses the service
 *   7 done      counters, access line: always, exactly once, also after an abort
 */
import type { Route, Snapshot } from './config/build.js';
import { buildSnapshot, type Workshop } from './config/build.js';
import type { Config } from './config/schema.js';
import * as failures from './errors.js';
import type { Failure } from './errors.js';
import type { Answer, Exchange, RequestBody } from './exchange.js';
import { COLLECT_BYTES } from './listen/body.js';
import { capture } from './listen/capture.js';
import type { ClientEvents } from './listen/client.js';
import { problem } from './listen/problem.js';
import type { HttpRequest, HttpResponse } from './listen/uws.js';
import { createAccessLog } from './observe/access-log.js';
import type { Lines, Log } from './observe/log.js';
import type { WorkerMetrics } from './observe/metrics.js';
import { ANSWERED, CONTINUE, type Verdict } from './pipeline.js';
import { hasEncodedSlash } from './route/path.js';
import { Attempt, type Conductor } from './upstream/attempt.js';
import { waitForBody } from './upstream/body-wait.js';
import { Deadlines } from './upstream/deadlines.js';
import type { Endpoint } from './upstream/endpoint.js';
import { EndpointPool } from './upstream/endpoint-pool.js';
import { forwardHeaders } from './upstream/forward.js';
import { mayRetry } from './upstream/retry.js';
import type { Service } from './upstream/service.js';

export interface GatewayEnv {
  readonly log: Log;
  /** Where access lines go. */
  readonly accessLog: Lines;
  readonly metrics: WorkerMetrics;
  /** From 1; workers differ in where their balancers begin. */
  readonly workerId: number;
}

/** TRACE would show a client the fields that we add (RFC 9110 §9.3.8); CONNECT asks for a tunnel, which we are not. */
const NEVER_FORWARDED = new Set(['TRACE', 'CONNECT']);
const ALL_METHODS = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'];

/** The data plane of one worker. */
export class Gateway implements Conductor, ClientEvents {
  generation = 0;
  inFlight = 0;
  #snapshot: Snapshot | null = null;
  #accessLog: ((x: Exchange) => void) | null = null;
  #draining = false;
  #whenIdle: (() => void)[] = [];
  readonly #env: GatewayEnv;
  readonly #deadlines = new Deadlines();
  readonly #endpoints = new EndpointPool();

  constructor(env: GatewayEnv) {
    this.#env = env;
  }

  /** The listener calls this for every request it has read the head of. */
  handle(res: HttpResponse, req: HttpRequest, scheme: 'http' | 'https'): void {
    const snapshot = this.#snapshot as Snapshot;
    const x = capture(res, req, snapshot.capture, scheme, this); // 1
    this.inFlight++;
    if (this.#draining) x.closing = true;
    try {
      this.#run(x, snapshot);
    } catch (error) {
      this.#crashed(x, error);
    }
  }

  #run(x: Exchange, snapshot: Snapshot): void {
    if (x.failure !== null) {
      this.#env.metrics.unrouted.begin();
      return this.#refuse(x, x.failure);
    }
    const route = this.#route(x, snapshot); // 2
    if (route === null) return;
    const { onRequest } = route.pipeline; // 3
    const verdict = onRequest === null ? CONTINUE : onRequest(x);
    if (verdict === CONTINUE) this.#forward(x, route);
    else if (verdict === ANSWERED) this.#answerOwn(x);
    else this.#await(verdict, x, route);
  }

  #route(x: Exchange, { table }: Snapshot): Route | null {
    const route = NEVER_FORWARDED.has(x.method) ? null : table.find(x, x);
    if (route === null) {
      this.#env.metrics.unrouted.begin();
      if (NEVER_FORWARDED.has(x.method)) x.allow = ALL_METHODS;
      this.#refuse(x, x.allow.length === 0 ? failures.NOT_FOUND : failures.METHOD_NOT_ALLOWED);
      return null;
    }
    x.route = route;
    route.stats.begin();
    if (!route.match.encodedSlashes && hasEncodedSlash(x.path)) {
      x.detail = 'The path holds an encoded slash, which this route does not accept.';
      this.#refuse(x, failures.BAD_PATH);
      return null;
    }
    return route;
  }

  #await(verdict: Promise<Verdict>, x: Exchange, route: Route): void {
    verdict.then(
      (v) => {
        if (x.done) return;
        if (v === ANSWERED) this.#answerOwn(x);
        else this.#forward(x, route);
      },
      (error) => this.#crashed(x, error),
    );
  }

  #forward(x: Exchange, route: Route): void {
    const { body } = x;
    if (body !== null) {
      if (body.received > body.limit) return this.#tooLarge(x);
      body.onTooLarge = () => this.#tooLarge(x);
      if (body.length >= 0 && body.length <= COLLECT_BYTES && !body.complete && route.service !== null) {
        // What fits one read is sent in one piece, and can be sent again.
        const { idle } = route.service.timeouts;
        const go = () => this.#dispatch(x, route);
        const stalled = () => this.#refuse(x, failures.REQUEST_TIMEOUT);
        return waitForBody(x, body, idle, this.#deadlines, go, stalled);
      }
    }
    this.#dispatch(x, route);
  }

  #dispatch(x: Exchange, route: Route): void {
    if (x.done) return;
    const { service } = route;
    if (service === null) return this.#answerOwn(x, route.answer?.(x));
    const now = performance.now();
    x.forwardedAt = now;
    this.#attempt(x, route, service, service.balancer.pick(null), false, now);
  }

  #attempt(x: Exchange, route: Route, service: Service, endpoint: Endpoint, fresh: boolean, now: number): void {
    x.attempts++;
    x.endpoint = endpoint.url;
    x.forwardHeaders = forwardHeaders(x, route.keepHost ? x.authority : endpoint.authority);
    route.pipeline.onForward?.(x);
    const attempt = new Attempt(x, route.target(x), endpoint, service.timeouts, this, this.#deadlines);
    x.attempt = attempt;
    attempt.start(fresh, now, x.forwardedAt);
  }

  // what an attempt reports --------------------------------------------------------------------------------------

  onHead(x: Exchange, length: number): void {
    try {
      x.route?.pipeline.onResponse?.(x); // 6
    } catch (error) {
      x.attempt?.abandon();
      return this.#crashed(x, error);
    }
    // The service answers without waiting for the rest of the body.
    if (x.body !== null && !x.body.complete) this.#leaveBody(x);
    x.client.begin(length);
  }

  onCompleted(x: Exchange): void {
    x.client.end();
  }

  onFailed(x: Exchange, attempt: Attempt, failure: Failure, error: Error | null): void {
    if (x.done) return;
    const { route } = x;
    const service = route?.service as Service;
    if (mayRetry(x, attempt, failure, service.endpoints.length)) {
      const unsent = failure.retry === 'unsent';
      const next = unsent ? service.balancer.pick(attempt.endpoint) : attempt.endpoint;
      return this.#attempt(x, route as Route, service, next, !unsent, performance.now());
    }
    this.#env.log.warn(
      { request_id: x.id, route: route?.name, endpoint: attempt.endpoint.url, code: failure.code, err: error?.message },
      'upstream attempt failed',
    );
    x.failure = failure;
    if (!x.client.begun) return this.#refuse(x, failure);
    x.client.cut();
    this.#finish(x);
  }

  // what the client's side reports -------------------------------------------------------------------------------

  onGone(x: Exchange): void {
    if (x.done) return;
    x.aborted = true;
    x.failure ??= failures.CLIENT_CLOSED;
    if (!x.client.begun) x.status = failures.CLIENT_CLOSED.status;
    x.attempt?.abandon();
    this.#finish(x);
  }

  onSent(x: Exchange): void {
    this.#finish(x);
  }

  // answers of our own -------------------------------------------------------------------------------------------

  #answerOwn(x: Exchange, answer: Answer = x.ownAnswer): void {
    if (x.failure !== null) return this.#refuse(x, x.failure);
    x.status = answer.status;
    x.answerHeaders = ['x-request-id', x.id, ...answer.headers];
    this.#send(x, answer.body);
  }

  #refuse(x: Exchange, failure: Failure): void {
    x.failure = failure;
    if (failure.close) x.closing = true;
    this.#send(x, problem(x, failure));
  }

  #send(x: Exchange, body: string | Buffer): void {
    if (x.body !== null && !x.body.complete) {
      this.#leaveBody(x);
      x.body.discard();
    }
    x.route?.pipeline.onResponse?.(x);
    x.client.answer(body);
  }

  /** The listener skips the unread rest of a body of known length; more than a little is not worth the reading. */
  #leaveBody(x: Exchange): void {
    const { length, received } = x.body as RequestBody;
    if (length < 0 || length - received > COLLECT_BYTES) x.closing = true;
  }

  #tooLarge(x: Exchange): void {
    x.attempt?.abandon();
    x.failure = failures.BODY_TOO_LARGE;
    if (!x.client.begun) return this.#refuse(x, failures.BODY_TOO_LARGE);
    x.client.cut();
    this.#finish(x);
  }

  /** A mistake of ours, or of a filter: the exchange ends, the worker goes on. */
  #crashed(x: Exchange, error: unknown): void {
    this.#env.log.error({ request_id: x.id, route: x.route?.name, err: error }, 'the gateway failed to handle a request');
    if (x.done) return;
    x.failure = failures.INTERNAL;
    x.closing = true;
    x.client.answer(problem(x, failures.INTERNAL));
  }

  /** 7. */
  #finish(x: Exchange): void {
    if (x.done) return;
    x.done = true;
    x.endedAt = performance.now();
    const { route } = x;
    const stats = route === null ? this.#env.metrics.unrouted : route.stats;
    const total = x.endedAt - x.startedAt;
    stats.done(x.method, x.status, total, x.upstreamMs, x.bytesIn, x.bytesOut, x.failure, x.attempts);
    route?.pipeline.onDone?.(x);
    this.#accessLog?.(x);
    if (--this.inFlight === 0 && this.#whenIdle.length > 0) this.#wakeIdle();
  }

  // life of the worker -------------------------------------------------------------------------------------------

  /** Builds a snapshot beside the old one and swaps the pointer. Throws, and changes nothing, when it cannot be built. */
  apply(config: Config, generation: number): void {
    const { metrics, accessLog: lines, workerId } = this.#env;
    const workshop: Workshop = { endpoints: this.#endpoints, metrics, workerId };
    const snapshot = buildSnapshot(config, workshop);
    const accessLog = createAccessLog(config.accessLog, lines, workerId);
    this.#snapshot = snapshot;
    this.#accessLog = accessLog;
    this.generation = generation;
    // Exchanges under way keep their own route and service; only idle connections close now.
    this.#endpoints.keepOnly(snapshot.endpoints);
  }

  /** From now on every answer ends its connection. */
  drain(): void {
    this.#draining = true;
  }

  /** Resolves when nothing is in flight. */
  idle(): Promise<void> {
    if (this.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #wakeIdle(): void {
    for (const wake of this.#whenIdle.splice(0)) wake();
  }
}
