/**
 * The features a route can switch on, in the order in which they run. The order is the security model: what is cheap
 * and needs no identity comes first, what changes the message comes last.
 */
import { auth } from './auth.js';
import { headers } from './headers.js';
import { idempotency } from './idempotency.js';
import { limit } from './limit.js';
import { priority } from './priority.js';
import { requestSize } from './request-size.js';

export const filters = [priority, requestSize, auth, limit, idempotency, headers] as const;
