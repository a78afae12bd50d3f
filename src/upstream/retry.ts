/** When a failed try may be followed by another. */
import type { Failure } from '../errors.js';
import type { Exchange } from '../exchange.js';
import type { Attempt } from './attempt.js';

/** Tries of one exchange at most. */
const MOST_ATTEMPTS = 3;

/**
 * True when nothing can have been executed twice because of it: the request never left; or it is idempotent and the
 * idle connection it went out on was being closed by the service at that moment (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
 */
export function mayRetry(x: Exchange, attempt: Attempt, failure: Failure, endpoints: number): boolean {
  if (x.client.begun || x.aborted || x.attempts >= MOST_ATTEMPTS) return false;
  if (failure.retry === 'unsent') return !attempt.sent && endpoints > 1;
  if (failure.retry !== 'idempotent' || !attempt.reused || !isIdempotent(x.method)) return false;
  return x.body === null || x.body.whole !== null;
}

/** RFC 9110 §9.2.2. */
function isIdempotent(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'PUT' || method === 'DELETE' || method === 'OPTIONS';
}
