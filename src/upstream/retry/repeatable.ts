/** Whether a request may reach a service a second time. */
import type { Exchange } from '../../exchange.js';

/** It has the same effect twice (RFC 9110 §9.2.2), and there still is all of it to send. */
export function isRepeatable(x: Exchange): boolean {
  return (x.idempotent || isIdempotent(x.method)) && (x.body === null || x.body.whole !== null);
}

function isIdempotent(method: string): boolean {
  return (
    method === 'GET' || method === 'HEAD' || method === 'PUT' || method === 'DELETE' || method === 'OPTIONS'
  );
}
