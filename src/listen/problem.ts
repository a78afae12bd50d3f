/** Failures as the client sees them: problem+json (RFC 9457), with `Proxy-Status` (RFC 9209) where a proxy failed. */
import type { Exchange } from '../exchange.js';
import type { Failure } from '../errors.js';

/** What a client that may come back should wait at least, in seconds. */
const RETRY_AFTER = '1';

/** Fills status and fields of the answer to a failed exchange and returns its body. */
export function problem(x: Exchange, failure: Failure): string {
  x.status = failure.status;
  x.answerHeaders = ['x-request-id', x.id, 'content-type', 'application/problem+json', 'cache-control', 'no-store'];
  if (failure.proxyStatus !== null) x.answerHeaders.push('proxy-status', `sluice; error=${failure.proxyStatus}`);
  if (failure.status === 503) x.answerHeaders.push('retry-after', RETRY_AFTER);
  if (failure.status === 405) x.answerHeaders.push('allow', x.allow.join(', '));
  const detail = x.detail === '' ? failure.detail : x.detail;
  const own = { detail, message: detail, instance: x.path === '' ? undefined : x.path, request_id: x.id };
  return `${failure.bodyHead},${JSON.stringify(own).slice(1)}`;
}
