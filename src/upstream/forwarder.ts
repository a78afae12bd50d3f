/** Steps 4 and 5: chooses an endpoint, tries it, and tries again when nothing can have been executed twice. */
import type { Socket } from 'node:net';
import type { Route } from '../config/build.js';
import type { Failure } from '../errors.js';
import * as failures from '../errors.js';
import type { Answer, Exchange } from '../exchange.js';
import { FAILED, SUCCESS } from '../observe/resilience/service-stats.js';
import { Attempt } from './attempt.js';
import { waitForBody } from './body-wait.js';
import { Deadlines } from './deadlines.js';
import type { Endpoint } from './endpoint.js';
import { forwardHeaders } from './forward.js';
import { BackOff } from './retry/back-off.js';
import { nextStep } from './retry/fallback.js';
import { NO_REASON, type RetryPolicy, retryAfterMs, STATUS } from './retry/policy.js';
import { Race } from './retry/race.js';
import { Recovery } from './retry/recovery.js';
import { isRepeatable } from './retry/repeatable.js';
import type { Resilience } from './retry/resilience.js';
import type { Service } from './service.js';

/** What becomes of an exchange that was forwarded. */
export interface Outcome {
  /** The head of the service's answer is in `x`, nothing of it has gone to the client. `length` is -1 when unknown. */
  onHead(x: Exchange, length: number): void;
  onCompleted(x: Exchange): void;
  /** The service speaks WebSocket from here on; its half of the handshake is in `x`. `ended` is to be called once, when the socket is over. */
  onUpgraded(x: Exchange, socket: Socket, ended: () => void): void;
  /** No answer, or the rest of it will not come: the last try failed. */
  onFailed(x: Exchange, failure: Failure, error: Error | null): void;
  /** A mistake of ours. */
  onCrashed(x: Exchange, error: unknown): void;
  /** The service failed, and the route has an answer for that. */
  onReplaced(x: Exchange, answer: Answer): void;
}

/** What the try tells its conductor. */
export interface Conductor {
  /** The service's head is in `x`, nothing of it has gone to the client. */
  onHead(x: Exchange, attempt: Attempt, length: number): void;
  onCompleted(x: Exchange): void;
  /** The service speaks WebSocket from here on, on this socket; its half of the handshake is in `x`. */
  onUpgraded(x: Exchange, attempt: Attempt, socket: Socket): void;
  /** No answer; whether another try follows is the conductor's choice, as long as `x.client.begun` is false. */
  onFailed(x: Exchange, attempt: Attempt, failure: Failure, error: Error | null): void;
}

/** Tries that follow by themselves at most, without any configuration. */
const MOST_MOVES = 2;

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
    const { resilience, timeouts } = service;
    x.service = service;
    // Of the service before, if this one takes its place.
    x.stickyCookie = '';
    x.retryAfterS = 0;
    x.dueAt = Math.min(
      timeouts.total > 0 ? now + timeouts.total : Number.POSITIVE_INFINITY,
      x.startedAt + x.deadlineMs,
    );
    if (now >= x.dueAt) return this.#failed(x, null, failures.TOTAL_TIMEOUT, null);
    if (resilience === null) return this.#try(x, route, service.pick(x, null), false, now);
    const { bulkhead } = resilience;
    if (bulkhead === null || bulkhead.enter(x)) return this.#first(x, route, service, resilience, now);
    if (service.isShut) return this.#failed(x, null, service.refusal(x), null);
    const admitted = bulkhead.wait(x, this.#deadlines, now, (hasPlace) => {
      if (hasPlace) this.#first(x, route, service, resilience, performance.now());
      else this.#failed(x, null, failures.SERVICE_BUSY, null);
    });
    if (!admitted) this.#failed(x, null, failures.SERVICE_BUSY, null);
  }

  #first(x: Exchange, route: Route, service: Service, resilience: Resilience, now: number): void {
    resilience.requested(now);
    const endpoint = service.pick(x, null);
    const { hedge } = resilience;
    const afterMs = hedge?.mayHelp(x) && service.endpoints.length > 1 ? hedge.afterMs : Number.NaN;
    if (endpoint === null || Number.isNaN(afterMs)) return this.#try(x, route, endpoint, false, now);
    const race = new Race(x, afterMs, resilience, this.#deadlines, this, this.#another, now);
    const first = this.#prepare(x, route, endpoint, race);
    if (first !== null) race.start(first, now);
  }

  /** For a race: one more, on another endpoint. */
  readonly #another = (x: Exchange, race: Race, not: Endpoint): Attempt | null => {
    const service = x.service as Service;
    for (let i = 0; i < service.endpoints.length; i++) {
      const endpoint = service.pick(x, not);
      if (endpoint === null) return null;
      if (!race.asks(endpoint)) return this.#prepare(x, x.route as Route, endpoint, race);
    }
    return null;
  };

  #try(x: Exchange, route: Route, endpoint: Endpoint | null, fresh: boolean, now: number): void {
    if (endpoint === null) return this.#failed(x, null, (x.service as Service).refusal(x), null);
    const attempt = this.#prepare(x, route, endpoint, this);
    if (attempt === null) return;
    x.attempt = attempt;
    attempt.start(fresh, now);
  }

  /** null: a stage of the route has failed, and the exchange is over. */
  #prepare(x: Exchange, route: Route, endpoint: Endpoint, conductor: Conductor): Attempt | null {
    const { timeouts } = x.service as Service;
    x.attempts++;
    x.endpoint = endpoint.url;
    try {
      x.forwardHeaders = forwardHeaders(x, route.keepHost ? x.authority : endpoint.authority);
      route.pipeline.onForward?.(x);
      return new Attempt(x, route.target(x), endpoint, timeouts, conductor, this.#deadlines);
    } catch (error) {
      // Tries also begin from timers, where nobody would catch it.
      this.#outcome.onCrashed(x, error);
      return null;
    }
  }

  // what tries tell ----------------------------------------------------------------------------------------------

  onHead(x: Exchange, attempt: Attempt, length: number): void {
    const { resilience } = x.service as Service;
    resilience?.answered(attempt, x.status);
    if (x.status >= 400 && !x.done && this.#replaced(x, attempt, length)) return;
    if (x.recovery !== null) resilience?.settle(x.recovery, SUCCESS);
    this.#outcome.onHead(x, length);
  }

  onCompleted(x: Exchange): void {
    x.place?.leave(x);
    this.#outcome.onCompleted(x);
  }

  onUpgraded(x: Exchange, attempt: Attempt, socket: Socket): void {
    if (x.recovery !== null) (x.service as Service).resilience?.settle(x.recovery, SUCCESS);
    // A bulkhead bounds requests: sockets stay for hours, and are counted by the endpoint.
    x.place?.leave(x);
    this.#outcome.onUpgraded(x, socket, () => attempt.socketEnded());
  }

  onFailed(x: Exchange, attempt: Attempt, failure: Failure, error: Error | null): void {
    if (x.done) x.witness?.lost();
    else this.#failed(x, attempt, failure, error);
  }

  // what follows -------------------------------------------------------------------------------------------------

  /** Whether something else takes the place of an answer with this status. */
  #replaced(x: Exchange, attempt: Attempt, length: number): boolean {
    const route = x.route as Route;
    const service = x.service as Service;
    const { resilience } = service;
    const policy = policyOf(route, service);
    if (policy === null && route.fallback === null) return false;
    x.recovery ??= new Recovery();
    const listed = policy?.statuses.has(x.status) ?? false;
    if (listed) resilience?.settle(x.recovery, FAILED);
    if (listed && isRepeatable(x) && resilience !== null && policy !== null) {
      const now = performance.now();
      const askedMs = retryAfterMs(x.answerHeaders, Date.now());
      const waitMs = resilience.retryIn(x, x.recovery, policy, STATUS, askedMs, now);
      if (waitMs >= 0) {
        attempt.discard(length);
        this.#backOff(x, attempt, waitMs, now);
        return true;
      }
    }
    return this.#fallBack(x, attempt, null, length);
  }

  /** `attempt` is null when there was none. */
  #failed(x: Exchange, attempt: Attempt | null, failure: Failure, error: Error | null): void {
    const route = x.route as Route;
    const service = x.service as Service;
    if (!x.client.begun && !x.aborted && failure.blame !== 'client') {
      x.recovery ??= new Recovery();
      if (attempt === null) service.resilience?.settle(x.recovery, FAILED);
      else if (this.#retried(x, route, service, attempt, failure)) return;
      if (this.#fallBack(x, attempt, failure, 0)) return;
    }
    x.place?.leave(x);
    this.#outcome.onFailed(x, failure, error);
  }

  #retried(x: Exchange, route: Route, service: Service, attempt: Attempt, failure: Failure): boolean {
    const { resilience } = service;
    const recovery = x.recovery as Recovery;
    if (movesOn(x, recovery, attempt, failure, service.endpoints.length)) {
      // Unsent: another endpoint may be reachable. Else: this one closed an idle connection, and has others to give.
      const unsent = failure.retry === 'unsent';
      const unreachable = unsent && failure.blame === 'upstream';
      const next = unsent ? service.pickOther(x, attempt.endpoint, unreachable) : attempt.endpoint;
      if (next !== null && !(unsent && next === attempt.endpoint)) {
        recovery.moves++;
        if (!unsent) x.stickyCookie = attempt.stickyCookie;
        this.#try(x, route, next, !unsent, performance.now());
        return true;
      }
    }
    if (resilience === null) return false;
    resilience.settle(recovery, FAILED);
    const policy = policyOf(route, service);
    const reason = policy === null ? NO_REASON : policy.reasonOf(failure);
    if (failure.status === 504) resilience.timedOut(attempt.startedAt);
    if (policy === null || reason === NO_REASON || (attempt.sent && !isRepeatable(x))) return false;
    const now = performance.now();
    const waitMs = resilience.retryIn(x, recovery, policy, reason, 0, now);
    if (waitMs >= 0) this.#backOff(x, attempt, waitMs, now);
    return waitMs >= 0;
  }

  #backOff(x: Exchange, failed: Attempt, waitMs: number, now: number): void {
    const service = x.service as Service;
    if (service.isShut) return this.#failed(x, null, service.refusal(x), null);
    new BackOff(x, waitMs, this.#deadlines, now, () => {
      const next = service.pickOther(x, failed.endpoint, false);
      this.#try(x, x.route as Route, next, false, performance.now());
    });
  }

  /** `failure` null: instead of the answer that has begun. */
  #fallBack(x: Exchange, attempt: Attempt | null, failure: Failure | null, length: number): boolean {
    const route = x.route as Route;
    const recovery = x.recovery as Recovery;
    const step = route.fallback && nextStep(route.fallback, x, recovery, attempt, failure);
    if (step === null) return false;
    step.count.count++;
    x.degraded = step.label;
    x.place?.leave(x);
    if (failure === null) attempt?.discard(length);
    recovery.restart();
    if (step.service !== null) this.forward(x, route, step.service);
    else if (step.answer !== null) this.#outcome.onReplaced(x, step.answer);
    return true;
  }
}

/** A route's own retries are for its own service. */
function policyOf(route: Route, service: Service): RetryPolicy | null {
  if (route.retries !== undefined && service === route.service) return route.retries;
  return service.resilience === null ? null : service.resilience.retries;
}

/**
 * True when nothing can have been executed twice because of it: the request never left; or it is idempotent and the
 * idle connection it went out on was being closed by the service at that moment (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
 */
function movesOn(
  x: Exchange,
  recovery: Recovery,
  attempt: Attempt,
  failure: Failure,
  endpoints: number,
): boolean {
  if (recovery.moves >= MOST_MOVES) return false;
  if (failure.retry === 'unsent') return !attempt.sent && endpoints > 1;
  return failure.retry === 'idempotent' && attempt.reused && isRepeatable(x);
}
