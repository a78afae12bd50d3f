/** Services as operators see them: `/services`, metrics. */

/** As health checks of the IETF's draft say it. */
export type Status = 'pass' | 'warn' | 'fail';

export type BreakerStateName = 'closed' | 'open' | 'half-open' | 'recovering';

export interface BreakerView {
  readonly state: BreakerStateName;
  /** How long it has been in that state; null: always. */
  readonly sinceMs: number | null;
  /** Until calls pass again; 0: they do, or may. */
  readonly retryInMs: number;
  /** In the window. */
  readonly calls: number;
  readonly failed: number;
  readonly slow: number;
  /** How often each state has begun. */
  readonly changes: Readonly<Record<BreakerStateName, number>>;
}

export interface ProbeView {
  /** `unknown`: no probe has ended yet. */
  readonly state: 'unknown' | 'healthy' | 'unhealthy';
  readonly passed: number;
  readonly failed: number;
  readonly last: {
    readonly at: string;
    readonly passed: boolean;
    readonly latencyMs: number;
    /** Why it failed; empty when it passed. */
    readonly output: string;
  } | null;
}

export interface PassiveView {
  readonly state: 'trusted' | 'ejected' | 'on trial';
  readonly ejections: number;
  /** Of the last ejection; null: there was none. */
  readonly cause: string | null;
  readonly returnsInMs: number;
}

/** Why an endpoint is not chosen. */
export type Reason = 'unhealthy' | 'ejected' | 'circuit-open' | 'drained';

export interface EndpointView {
  readonly id: string;
  readonly url: string;
  readonly state: 'available' | 'unavailable';
  readonly reasons: readonly Reason[];
  readonly weight: number;
  readonly zone: string;
  readonly priority: number;
  readonly version?: string;
  readonly inFlight: number;
  /** Moving mean of the time to the head of an answer, over all workers; null: unknown. */
  readonly latencyMs: number | null;
  readonly probe: ProbeView | null;
  readonly passive: PassiveView | null;
  readonly breaker: BreakerView | null;
}

export interface ServiceView {
  readonly name: string;
  readonly status: Status;
  readonly available: number;
  readonly breaker: BreakerView | null;
  readonly endpoints: readonly EndpointView[];
}

/** Of a service: fail: nobody answers. Warn: some do not, or a breaker is not closed. */
export function statusOf(available: number, endpoints: number, breaker: BreakerStateName | null): Status {
  if (available === 0 || breaker === 'open') return 'fail';
  return available < endpoints || (breaker !== null && breaker !== 'closed') ? 'warn' : 'pass';
}

export function worst(statuses: Iterable<Status>): Status {
  let found: Status = 'pass';
  for (const status of statuses) {
    if (status === 'fail') return 'fail';
    if (status === 'warn') found = 'warn';
  }
  return found;
}
