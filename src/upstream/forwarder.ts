/** Steps 4 and 5: chooses an endpoint, tries it, and tries again when nothing can have been executed twice. */
import type { Route } from '../config/build.js';
import type { Failure } from '../errors.js';
import * as failures from '../errors.js';
import type { Exchange } from '../exchange.js';
import { Attempt, type Conductor } from './attempt.js';
import { waitForBody } from './body-wait.js';
import { Deadlines } from './deadlines.js';
import type { Endpoint } from './endpoint.js';
import { forwardHeaders } from './forward.js';
import type { Service } from './service.js';

/** What becomes of an exchange that was forwarded. */
export interface Outcome {
  /** The head of the service's answer is in `x`, nothing of it has gone to the client. `length` is -1 when unknown. */
  onHead(x: Exchange, length: number): void;
  onCompleted(x: Exchange): void;
  /** No answer, or the rest of it will not come: the last try failed. */
  onFailed(x: Exchange, failure: Failure, error: Error | null): void;
}

/** Tries of one exchange at most. */
const MOST_ATTEMPTS = 3;

export class Forwarder implements Conductor {
  readonly #deadlines = new Deadlines();
  readonly #outcome: Outcome;

  constructor(outcome: Outcome) {
    this.#outcome = outcome;
  }

  /** Calls `then` when a body small enough to be sent in one piece, and sent again, has arrived. */
  collectBody(x: Exchange, service: Service, then: () => void, onStalled: () => void): void {
    if (x.body !== null) waitForBody(x, x.body, service.timeouts.idle, this.#deadlines, then, onStalled);
  }

  forward(x: Exchange, route: Route, service: Service): void {
    const now = performance.now();
    x.forwardedAt = now;
    const endpoint = service.pick(x, null);
    if (endpoint === null) return this.#outcome.onFailed(x, failures.NO_ENDPOINT, null);
    this.#attempt(x, route, service, endpoint, false, now);
  }

  #attempt(
    x: Exchange,
    route: Route,
    service: Service,
    endpoint: Endpoint,
    fresh: boolean,
    now: number,
  ): void {
    x.attempts++;
    x.endpoint = endpoint.url;
    x.forwardHeaders = forwardHeaders(x, route.keepHost ? x.authority : endpoint.authority);
    route.pipeline.onForward?.(x);
    const attempt = new Attempt(x, route.target(x), endpoint, service.timeouts, this, this.#deadlines);
    x.attempt = attempt;
    attempt.start(fresh, now, x.forwardedAt);
  }

  onHead(x: Exchange, length: number): void {
    this.#outcome.onHead(x, length);
  }

  onCompleted(x: Exchange): void {
    this.#outcome.onCompleted(x);
  }

  onFailed(x: Exchange, attempt: Attempt, failure: Failure, error: Error | null): void {
    if (x.done) return x.witness?.lost();
    const route = x.route as Route;
    const service = route.service as Service;
    if (!mayRetry(x, attempt, failure, service.endpoints.length)) {
      return this.#outcome.onFailed(x, failure, error);
    }
    // Unsent: another endpoint may be reachable. Else: this one closed an idle connection, and has others to give.
    const unsent = failure.retry === 'unsent';
    const next = unsent ? service.pick(x, attempt.endpoint) : attempt.endpoint;
    if (next === null) return this.#outcome.onFailed(x, failure, error);
    this.#attempt(x, route, service, next, !unsent, performance.now());
  }
}

/**
 * True when nothing can have been executed twice because of it: the request never left; or it is idempotent and the
 * idle connection it went out on was being closed by the service at that moment (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
 */
function mayRetry(x: Exchange, attempt: Attempt, failure: Failure, endpoints: number): boolean {
  if (x.client.begun || x.aborted || x.attempts >= MOST_ATTEMPTS) return false;
  if (failure.retry === 'unsent') return !attempt.sent && endpoints > 1;
  if (failure.retry !== 'idempotent' || !attempt.reused || !(x.idempotent || isIdempotent(x.method))) {
    return false;
  }
  return x.body === null || x.body.whole !== null;
}

/** RFC 9110 §9.2.2. */
function isIdempotent(method: string): boolean {
  return (
    method === 'GET' || method === 'HEAD' || method === 'PUT' || method === 'DELETE' || method === 'OPTIONS'
  );
}
