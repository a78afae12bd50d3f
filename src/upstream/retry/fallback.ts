/** What a route does instead when its service fails. */
import type { Failure } from '../../errors.js';
import type { Answer, Exchange } from '../../exchange.js';
import type { FallbackCount } from '../../observe/resilience/service-stats.js';
import type { Attempt } from '../attempt.js';
import type { Service } from '../service.js';
import type { StatusSet } from './policy.js';
import type { Recovery } from './recovery.js';
import { isRepeatable } from './repeatable.js';

/** One of both: another service, or an answer that is always the same. */
export interface FallbackStep {
  readonly service: Service | null;
  readonly answer: Answer | null;
  /** Besides failures: statuses of which the answer is not passed on. */
  readonly statuses: StatusSet;
  /** For log and metrics: `service:NAME` or `static`. */
  readonly label: string;
  readonly count: FallbackCount;
}

/**
 * The next step for a failure, or, if that is null, for an answer with `x.status`. Nothing may have gone to the client, and
 * the request must either not have been sent or have the same effect twice.
 */
export function nextStep(
  steps: readonly FallbackStep[],
  x: Exchange,
  recovery: Recovery,
  attempt: Attempt | null,
  failure: Failure | null,
): FallbackStep | null {
  if (x.client.begun || x.aborted) return null;
  if (failure !== null && failure.blame !== 'upstream' && failure.status !== 503) return null;
  const unsent = attempt === null || !attempt.sent;
  if (!unsent && !isRepeatable(x)) return null;
  for (let at = recovery.fallbackAt; at < steps.length; at++) {
    const step = steps[at];
    if (failure === null && !step.statuses.has(x.status)) continue;
    // The path may have named it already.
    if (step.service !== null && step.service === x.service) continue;
    // An expired deadline of the caller holds for every service.
    if (step.service !== null && performance.now() - x.startedAt >= x.deadlineMs) continue;
    recovery.fallbackAt = at + 1;
    return step;
  }
  return null;
}
