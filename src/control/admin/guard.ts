import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Config } from '../../config/schema.js';
import { type Endpoint, problem, type Reply } from './endpoint.js';

type AdminConfig = NonNullable<Config['admin']>;

/** Why a request may not be served, or null. */
export function guard(request: IncomingMessage, endpoint: Endpoint, { token }: AdminConfig): Reply | null {
  return (
    refuseForeignSite(request) ??
    (token === null ? refuseForeignHost(request) : refuseStranger(request, endpoint, token))
  );
}

function refuseStranger(request: IncomingMessage, { open }: Endpoint, token: string): Reply | null {
  if (open === true) return null;
  const given = /^Bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (given !== undefined && equalInConstantTime(given, token)) return null;
  const challenge =
    given === undefined
      ? 'Bearer realm="sluice admin"'
      : 'Bearer realm="sluice admin", error="invalid_token"';
  const refusal = problem(401, 'Unauthorized', 'send the admin token as "Authorization: Bearer TOKEN"');
  return { ...refusal, headers: { 'www-authenticate': challenge } };
}

/** Digests have one length, whatever was given: neither the time nor an early exit tells anything about the token. */
function equalInConstantTime(given: string, expected: string): boolean {
  return timingSafeEqual(digest(given), digest(expected));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/**
 * Without a token the listener is on loopback, and the one way in from outside is a browser on this machine whose name
 * for us was rebound to 127.0.0.1 (DNS rebinding): its Host field still bears the foreign name.
 */
function refuseForeignHost(request: IncomingMessage): Reply | null {
  const name = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
  if (name === 'localhost' || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name)) return null;
  return problem(
    403,
    'Forbidden',
    'without a token the admin API answers only to localhost, 127.0.0.1 and [::1]',
  );
}

/** A page of another site must not change anything by sending a form (CSRF). Programs send neither field. */
function refuseForeignSite(request: IncomingMessage): Reply | null {
  if (request.method === 'GET' || request.method === 'HEAD') return null;
  const site = request.headers['sec-fetch-site'];
  const isForeign = site !== undefined && site !== 'same-origin' && site !== 'none';
  if (!isForeign && isOwnOrigin(request)) return null;
  return problem(403, 'Forbidden', 'changes are not accepted from a page of another site');
}

function isOwnOrigin({ headers: { origin, host } }: IncomingMessage): boolean {
  return origin === undefined || origin === `http://${host}`;
}
