/**
 * Step 1. Copies what we need out of the listener's request, which is dead when its callback returns, and judges what
 * no service must ever see: framing that two parsers could read differently, illegal bytes, ambiguous paths.
 */

import type { Failure } from '../errors.js';
import * as failures from '../errors.js';
import { Exchange } from '../exchange.js';
import { normalHost } from '../route/host.js';
import { canonicalPath, pathFault, validQuery } from '../route/path.js';
import type { HttpRequest, HttpResponse, us_socket_context_t } from './addon/uws.js';
import type { TrustedProxies } from './addresses.js';
import { IncomingBody } from './body.js';
import { type ClientEvents, HttpClient } from './client.js';
import { head, type ReservedNames, type UnderscorePolicy } from './head.js';
import { isPlainMethod } from './method.js';
import { peers } from './peers.js';
import { isRequestId, newRequestId } from './request-id.js';

/** What the snapshot says about reading requests. */
export interface CaptureOptions {
  readonly underscores: UnderscorePolicy;
  /** Names of fields that only the gateway may set. */
  readonly reserved: ReservedNames;
  /** null: nobody's word is taken. */
  readonly trusted: TrustedProxies | null;
  readonly proxyProtocol: boolean;
  /** Methods that the configuration names, in upper case; null: no route asks who calls. */
  readonly methods: ReadonlySet<string> | null;
}

/** Always gives an exchange; `x.failure` says whether it may go on. */
export function capture(
  res: HttpResponse,
  req: HttpRequest,
  options: CaptureOptions,
  scheme: 'http' | 'https',
  events: ClientEvents,
  context: us_socket_context_t | null,
): Exchange {
  const x = new Exchange(performance.now());
  x.scheme = scheme;
  x.method = req.getCaseSensitiveMethod();
  head.read(req, options.underscores, options.reserved);
  x.client = new HttpClient(res, x, events, head.wants('upgrade') ? context : null);
  x.headers = head.headers;
  x.authority = head.authority;
  x.via = head.via;
  x.handshake = head.upgrade !== '' && head.upgrade.toLowerCase() === 'websocket';
  x.closing = head.wants('close');
  const unknownPeer = identify(x, res, options);
  const unframed = head.fault ?? judgeFraming() ?? unknownPeer;
  if (unframed === null) takeBody(x, res);
  x.failure = unframed ?? judgeLine(x, req, options.methods);
  return x;
}

/** Who calls, and what the request is called. */
function identify(
  x: Exchange,
  res: HttpResponse,
  { trusted, proxyProtocol }: CaptureOptions,
): Failure | null {
  const peer = proxyProtocol ? peers.announcedAddressOf(res) : peers.addressOf(res);
  x.peerIp = peer ?? peers.addressOf(res);
  x.clientIp = x.peerIp;
  if (trusted?.trusts(x.peerIp)) {
    x.peerTrusted = true;
    x.forwarded = head.forwarded;
    x.forwardedFor = head.forwardedFor;
    // Proxies often pass on what the client wrote here, and both go into `Forwarded` as they are.
    if (head.forwardedProto === 'http' || head.forwardedProto === 'https')
      x.forwardedProto = head.forwardedProto;
    if (normalHost(head.forwardedHost) !== '') x.forwardedHost = head.forwardedHost;
    x.clientIp = trusted.clientOf(x.peerIp, head.forwardedFor);
    if (isRequestId(head.requestId)) x.id = head.requestId;
    if (head.requestDeadline !== '') x.deadlineMs = deadlineOf(head.requestDeadline);
  }
  if (x.id === '') x.id = newRequestId();
  if (peer !== null) return null;
  x.detail = 'The PROXY protocol announced another address for the same connection.';
  return failures.BAD_FRAMING;
}

/** Milliseconds, at most eleven days; what cannot be read sets no bound. */
function deadlineOf(value: string): number {
  return /^\d{1,9}$/.test(value) ? Number(value) : Number.POSITIVE_INFINITY;
}

/** RFC 9112 §6.3: one way to know where the body ends, or none at all. */
function judgeFraming(): Failure | null {
  return head.contentLength !== '' && head.transferEncoding !== '' ? failures.BAD_FRAMING : null;
}

function judgeLine(x: Exchange, req: HttpRequest, methods: CaptureOptions['methods']): Failure | null {
  if (x.method !== 'GET' && !isPlainMethod(x.method, methods)) return failures.BAD_METHOD;
  x.host = normalHost(x.authority);
  if (x.host === '') return failures.BAD_HOST;
  const raw = req.getUrl();
  x.path = canonicalPath(raw);
  if (x.path === '') {
    x.detail = pathFault(raw);
    return failures.BAD_PATH;
  }
  const query = req.getQuery();
  if (query) {
    if (!validQuery(query)) return failures.BAD_QUERY;
    x.query = query;
  }
  return null;
}

function takeBody(x: Exchange, res: HttpResponse): void {
  if (head.transferEncoding !== '') {
    // The listener's chunk parser is lax: what follows such a body on the connection is never read as a request.
    x.closing = true;
    x.body = new IncomingBody(res, x, -1);
    return;
  }
  const length = Number(head.contentLength);
  if (length > 0) x.body = new IncomingBody(res, x, length);
}
