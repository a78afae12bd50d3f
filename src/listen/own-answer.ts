/** Answers that the gateway gives by itself: a route's fixed one, and failures as problem+json (RFC 9457). */
import type { Failure } from '../errors.js';
import type { Answer, Exchange, RequestBody } from '../exchange.js';
import { COLLECT_BYTES } from './body.js';

/** What a client that may come back should wait at least, in seconds. */
const RETRY_AFTER = '1';
/** RFC 6455 §4.4, and RFC 9110 §15.5.22: what it would take. */
const WEBSOCKET_WANTED = ['upgrade', 'websocket', 'connection', 'upgrade', 'sec-websocket-version', '13'];

export function answerOwn(x: Exchange, answer: Answer): void {
  x.status = answer.status;
  x.answerHeaders = ['x-request-id', x.id, ...answer.headers];
  send(x, answer.body);
}

export function refuse(x: Exchange, failure: Failure): void {
  x.failure = failure;
  if (failure.close) x.closing = true;
  x.status = failure.status;
  x.answerHeaders = [
    'x-request-id',
    x.id,
    'content-type',
    'application/problem+json',
    'cache-control',
    'no-store',
  ];
  if (failure.proxyStatus !== null)
    x.answerHeaders.push('proxy-status', `sluice; error=${failure.proxyStatus}`);
  if (failure.status === 503 || failure.status === 429 || x.retryAfterS > 0) {
    x.answerHeaders.push('retry-after', x.retryAfterS === 0 ? RETRY_AFTER : String(x.retryAfterS));
  }
  if (x.challenge !== '') x.answerHeaders.push('www-authenticate', x.challenge);
  if (failure.status === 426) x.answerHeaders.push(...WEBSOCKET_WANTED);
  if (failure.status === 405) x.answerHeaders.push('allow', x.allow.join(', '));
  send(x, problem(x, failure));
}

/** The listener skips the unread rest of a body of known length; more than a little is not worth the reading. */
export function leaveBody(x: Exchange, { length, received }: RequestBody): void {
  if (length < 0 || length - received > COLLECT_BYTES) x.closing = true;
}

function send(x: Exchange, body: string | Buffer): void {
  if (x.body !== null && !x.body.complete) {
    leaveBody(x, x.body);
    x.body.discard();
  }
  x.route?.pipeline.onResponse?.(x);
  x.client.answer(body);
}

function problem(x: Exchange, failure: Failure): string {
  const detail = x.detail === '' ? failure.detail : x.detail;
  const own = { detail, message: detail, instance: x.path === '' ? undefined : x.path, request_id: x.id };
  return `${failure.bodyHead},${JSON.stringify(own).slice(1)}`;
}
