/** Why a request has no route, or must not have the one that it matches. */
import type { Failure } from '../errors.js';
import * as failures from '../errors.js';
import type { Exchange } from '../exchange.js';
import { hasEncodedSlash } from './path.js';

/** TRACE would show a client the fields that we add (RFC 9110 §9.3.8); CONNECT asks for a tunnel, which we are not. */
export const NEVER_FORWARDED = new Set(['TRACE', 'CONNECT']);
const ALL_METHODS = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'];

/** `matched`: some route takes it, but for how it is written. */
export function whyNoRoute(x: Exchange, matched: boolean): Failure {
  if (matched) {
    x.detail = hasEncodedSlash(x.path)
      ? 'The path holds an encoded slash, which this route does not accept.'
      : 'The path could be read as another one, which asks callers who they are.';
    return failures.BAD_PATH;
  }
  if (NEVER_FORWARDED.has(x.method)) x.allow = ALL_METHODS;
  return x.allow.length === 0 ? failures.NOT_FOUND : failures.METHOD_NOT_ALLOWED;
}
