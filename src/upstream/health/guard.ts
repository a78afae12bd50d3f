/** Judges an endpoint by what becomes of attempts there, for its service and for itself. */
import type { Failure } from '../../errors.js';
import {
  BAD,
  type Breaker,
  GOOD,
  HALF_OPEN,
  NO_TICKET,
  type Result,
  SLOW,
  UNKNOWN,
} from '../../shared/health/breaker.js';
import type { Ejection } from '../../shared/health/ejection.js';

/** What an attempt carries from its beginning to its end: the phases of the breakers it began in. */
export interface Ticket {
  serviceTicket: number;
  endpointTicket: number;
  /** What became of it is known. A socket is judged by its handshake, long before it ends. */
  judged: boolean;
  /** `performance.now()`. */
  readonly startedAt: number;
}

/** What breakers take for a failure, beside attempts that brought no whole answer. */
export interface Verdicts {
  /** By status: 1 is a failure. */
  readonly statuses: Uint8Array;
  /** Milliseconds to the head of the answer; Infinity: none is too slow. */
  readonly slowCallMs: number;
}

export class Guard {
  readonly ejection: Ejection | null;
  /** Of the endpoint. */
  readonly breaker: Breaker | null;
  readonly #service: Breaker | null;
  readonly #verdicts: Verdicts;

  constructor(
    ejection: Ejection | null,
    breaker: Breaker | null,
    service: Breaker | null,
    verdicts: Verdicts,
  ) {
    this.ejection = ejection;
    this.breaker = breaker;
    this.#service = service;
    this.#verdicts = verdicts;
  }

  /** An attempt begins. False: it must not, a breaker lets nothing more through. `ended` follows either way. */
  began(ticket: Ticket): boolean {
    const { breaker } = this;
    const service = this.#service;
    if (service !== null) {
      if (!service.begin()) return false;
      ticket.serviceTicket = service.ticket;
    }
    if (breaker === null) return true;
    if (!breaker.begin()) return false;
    ticket.endpointTicket = breaker.ticket;
    return true;
  }

  /** The head of an answer has come. */
  answered({ serviceTicket, endpointTicket }: Ticket, status: number, headMs: number): void {
    // Only of interest to probes.
    if ((serviceTicket & 3) !== HALF_OPEN && (endpointTicket & 3) !== HALF_OPEN) return;
    if (this.#judge(null, status, headMs) !== GOOD) return;
    if (serviceTicket !== NO_TICKET) this.#service?.answered(serviceTicket);
    if (endpointTicket !== NO_TICKET) this.breaker?.answered(endpointTicket);
  }

  /** As for `Observer.ended`. */
  ended(ticket: Ticket, failure: Failure | null, status: number, headMs: number): void {
    if (ticket.judged) return;
    ticket.judged = true;
    const { breaker, ejection } = this;
    const service = this.#service;
    const result = this.#judge(failure, status, headMs);
    if (service !== null && ticket.serviceTicket !== NO_TICKET) service.end(ticket.serviceTicket, result);
    if (breaker !== null && ticket.endpointTicket !== NO_TICKET) breaker.end(ticket.endpointTicket, result);
    if (ejection === null) return;
    if (headMs > 0) ejection.tookMs(headMs);
    if (failure?.blame === 'upstream') ejection.failed(false);
    else if (status >= 500) ejection.failed(true);
    else if (status > 0) {
      ejection.succeeded();
      if (ejection.isOut) ejection.isWellAfterAll(performance.now() - ticket.startedAt);
    }
  }

  /** Others first, if there are any: it has only just come back. */
  hesitates(): boolean {
    return this.breaker?.hesitates() || this.ejection?.hesitates() || false;
  }

  /** Its time may have come, and nobody has looked yet. */
  tend(): void {
    this.breaker?.admits();
    this.ejection?.tend();
  }

  #judge(failure: Failure | null, status: number, headMs: number): Result {
    if (failure !== null && failure.blame === 'upstream') return BAD;
    // The client left, or we gave up, before the service said anything.
    if (status === 0) return UNKNOWN;
    const { statuses, slowCallMs } = this.#verdicts;
    if (statuses[status] === 1) return BAD;
    return headMs > slowCallMs ? SLOW : GOOD;
  }
}
