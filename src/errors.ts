/**
 * Every refusal the gateway can give, as data. The path of a request never throws for what it expects to happen:
 * it names one of these. Each has a line in docs/errors.md, and a test holds the two together.
 */

export type Blame = 'client' | 'gateway' | 'upstream';

/** When the same request may be tried again: never; when its method is idempotent; when it provably never left us. */
export type Retry = 'never' | 'idempotent' | 'unsent';

/** One way in which an exchange can end without the service's answer. */
export interface Failure {
  /** Stable, upper snake case: what programs compare. */
  readonly code: string;
  readonly status: number;
  readonly title: string;
  /** One sentence for a person; names no address and no internal detail. */
  readonly detail: string;
  readonly blame: Blame;
  readonly retry: Retry;
  /** The connection is not used again: what follows on it cannot be trusted to be a request. */
  readonly close: boolean;
  /** RFC 9209 §2.3 error type, for 502, 503 and 504. */
  readonly proxyStatus: string | null;
  /** The problem+json document up to the members that belong to one exchange. */
  readonly bodyHead: string;
}

interface FailureOptions {
  retry?: Retry;
  close?: boolean;
  proxyStatus?: string;
}

const all: Failure[] = [];

function failure(
  code: string,
  status: number,
  blame: Blame,
  title: string,
  detail: string,
  options: FailureOptions = {},
): Failure {
  const made = Object.freeze({
    code,
    status,
    title,
    detail,
    blame,
    retry: options.retry ?? 'never',
    close: options.close ?? false,
    proxyStatus: options.proxyStatus ?? null,
    bodyHead: problemHead(code, status, title),
  });
  all.push(made);
  return made;
}

/** RFC 9457 members that are the same for every occurrence, and the two (`error`, `message`) older clients look for. */
function problemHead(code: string, status: number, title: string): string {
  const slug = code.toLowerCase().replaceAll('_', '-');
  const head = JSON.stringify({ type: `urn:sluice:error:${slug}`, title, status, code, error: code });
  return head.slice(0, -1);
}

// What the client sent cannot be understood, or must not be passed on.
export const BAD_PATH = failure(
  'BAD_PATH',
  400,
  'client',
  'Bad request path',
  'The request path is not one this gateway passes on.',
);
export const BAD_QUERY = failure(
  'BAD_QUERY',
  400,
  'client',
  'Bad query string',
  'The query string contains characters that must be percent-encoded.',
);
export const BAD_METHOD = failure(
  'BAD_METHOD',
  400,
  'client',
  'Bad method',
  'The request method is not a valid token.',
  { close: true },
);
export const BAD_HEADER = failure(
  'BAD_HEADER',
  400,
  'client',
  'Bad header',
  'A header name or value contains characters that are not allowed.',
  { close: true },
);
export const BAD_HOST = failure(
  'BAD_HOST',
  400,
  'client',
  'Bad host',
  'Exactly one valid Host header is required.',
  { close: true },
);
export const BAD_FRAMING = failure(
  'BAD_FRAMING',
  400,
  'client',
  'Bad message framing',
  'Content-Length and Transfer-Encoding must give one unambiguous body length.',
  { close: true },
);
export const BAD_BODY = failure(
  'BAD_BODY',
  400,
  'client',
  'Bad request body',
  'The request body ended before its announced length.',
  { close: true },
);
export const EXPECTATION_FAILED = failure(
  'EXPECTATION_FAILED',
  417,
  'client',
  'Expectation failed',
  'Only "Expect: 100-continue" is supported.',
  { close: true },
);
export const BODY_TOO_LARGE = failure(
  'BODY_TOO_LARGE',
  413,
  'client',
  'Request body too large',
  'The request body is larger than this route allows.',
  { close: true },
);
export const URL_TOO_LONG = failure(
  'URL_TOO_LONG',
  414,
  'client',
  'Request target too long',
  'The path and query are longer than this route allows.',
);
export const REQUEST_TIMEOUT = failure(
  'REQUEST_TIMEOUT',
  408,
  'client',
  'Request timeout',
  'The request body did not arrive in time.',
  { close: true },
);
export const NOT_FOUND = failure('NOT_FOUND', 404, 'client', 'Not found', 'No route matches this request.');
export const METHOD_NOT_ALLOWED = failure(
  'METHOD_NOT_ALLOWED',
  405,
  'client',
  'Method not allowed',
  'The resource exists, but not for this method; see Allow.',
);
export const CLIENT_STALLED = failure(
  'CLIENT_STALLED',
  408,
  'client',
  'Client too slow',
  'The client stopped reading the answer.',
  { close: true },
);
/** Never reaches a client: what the log and the metrics say of one that left. */
export const CLIENT_CLOSED = failure(
  'CLIENT_CLOSED',
  499,
  'client',
  'Client closed request',
  'The client left before the answer was complete.',
  { close: true },
);

// Who is calling, and may they.
export const UNAUTHENTICATED = failure(
  'UNAUTHENTICATED',
  401,
  'client',
  'Authentication required',
  'This resource needs credentials, and the request carries none.',
);
export const INVALID_TOKEN = failure(
  'INVALID_TOKEN',
  401,
  'client',
  'Invalid token',
  'The access token is malformed, expired, revoked or not for this gateway.',
);
export const INVALID_API_KEY = failure(
  'INVALID_API_KEY',
  401,
  'client',
  'Invalid API key',
  'The API key is not valid here.',
);
export const INVALID_SESSION = failure(
  'INVALID_SESSION',
  401,
  'client',
  'Invalid session',
  'The session has ended or never was: log in again.',
);
export const DUPLICATE_CREDENTIALS = failure(
  'DUPLICATE_CREDENTIALS',
  400,
  'client',
  'Ambiguous credentials',
  'The request carries two credentials of one kind.',
);
export const FORBIDDEN = failure(
  'FORBIDDEN',
  403,
  'client',
  'Forbidden',
  'The caller is known, and may not do this.',
);
export const INSUFFICIENT_SCOPE = failure(
  'INSUFFICIENT_SCOPE',
  403,
  'client',
  'Insufficient scope',
  'The credentials do not reach as far as this needs.',
);
export const LOGIN_REFUSED = failure(
  'LOGIN_REFUSED',
  400,
  'client',
  'Login refused',
  'The login was not begun here, took too long, or was refused by the identity provider: begin again.',
);
export const AUTH_UNAVAILABLE = failure(
  'AUTH_UNAVAILABLE',
  503,
  'gateway',
  'Authentication unavailable',
  'Whether the credentials are valid cannot be found out now.',
  { proxyStatus: 'proxy_internal_error' },
);
export const VERIFIER_BUSY = failure(
  'VERIFIER_BUSY',
  503,
  'gateway',
  'Authentication busy',
  'More tokens wait to be verified than the gateway takes.',
  { proxyStatus: 'proxy_internal_error' },
);
export const DECISION_UNAVAILABLE = failure(
  'DECISION_UNAVAILABLE',
  503,
  'gateway',
  'Authorisation unavailable',
  'Whether the caller may do this cannot be found out now.',
  { proxyStatus: 'proxy_internal_error' },
);

// WebSocket handshakes.
export const BAD_HANDSHAKE = failure(
  'BAD_HANDSHAKE',
  400,
  'client',
  'Bad handshake',
  'The handshake is not one of RFC 6455.',
);
export const WEBSOCKET_VERSION = failure(
  'WEBSOCKET_VERSION',
  426,
  'client',
  'Upgrade required',
  'Only version 13 of the WebSocket protocol is spoken here.',
);
export const ORIGIN_REFUSED = failure(
  'ORIGIN_REFUSED',
  403,
  'client',
  'Forbidden',
  'Pages of this origin may not open a socket here.',
);
export const HANDSHAKES_LIMITED = failure(
  'HANDSHAKES_LIMITED',
  503,
  'gateway',
  'Too many handshakes',
  'More sockets are being opened than this route takes at once; see Retry-After.',
  { proxyStatus: 'connection_limit_reached' },
);
export const LEAVING = failure(
  'LEAVING',
  503,
  'gateway',
  'Gateway leaving',
  'This gateway is about to leave, and opens no more sockets; connect again.',
  { proxyStatus: 'destination_unavailable' },
);

// Channels.
export const BAD_CHANNELS = failure(
  'BAD_CHANNELS',
  400,
  'client',
  'Bad request',
  'The request does not say which channels it is about, or not in the right way.',
);
export const CHANNEL_FORBIDDEN = failure(
  'CHANNEL_FORBIDDEN',
  403,
  'client',
  'Forbidden',
  'The channel is not for this client.',
);
export const NO_EVENTS = failure(
  'NO_EVENTS',
  406,
  'client',
  'Not acceptable',
  'The route has channels: open a WebSocket, or ask for text/event-stream where the route serves it.',
);

// How much of it.
export const RATE_LIMITED = failure(
  'RATE_LIMITED',
  429,
  'client',
  'Too many requests',
  'A limit is used up; see Retry-After.',
);
export const LIMIT_TABLE_FULL = failure(
  'LIMIT_TABLE_FULL',
  503,
  'gateway',
  'Limits unavailable',
  'The gateway has no room to count this request.',
  { proxyStatus: 'proxy_internal_error' },
);

// Whether it has been done already.
export const IDEMPOTENCY_KEY_MISSING = failure(
  'IDEMPOTENCY_KEY_MISSING',
  400,
  'client',
  'Idempotency key missing',
  'This request needs an idempotency key: a text of your own that names it, such as a UUID.',
);
export const IDEMPOTENCY_KEY_INVALID = failure(
  'IDEMPOTENCY_KEY_INVALID',
  400,
  'client',
  'Idempotency key invalid',
  'The idempotency key is given once, as a text in double quotes of 1 to 255 characters.',
);
export const IDEMPOTENCY_IN_FLIGHT = failure(
  'IDEMPOTENCY_IN_FLIGHT',
  409,
  'client',
  'Request under way',
  'The first request with this idempotency key is still under way.',
);
export const IDEMPOTENCY_OUTCOME_UNKNOWN = failure(
  'IDEMPOTENCY_OUTCOME_UNKNOWN',
  409,
  'client',
  'Outcome unknown',
  'The first request with this idempotency key was sent, and what became of it is not known. It is not sent again.',
);
export const IDEMPOTENCY_ANSWER_NOT_KEPT = failure(
  'IDEMPOTENCY_ANSWER_NOT_KEPT',
  409,
  'client',
  'Answer not kept',
  'The first request with this idempotency key was answered, with more than is kept. It is not sent again.',
);
export const IDEMPOTENCY_KEY_REUSED = failure(
  'IDEMPOTENCY_KEY_REUSED',
  422,
  'client',
  'Idempotency key used for another request',
  'This idempotency key belongs to another request: another method, path, query or body.',
);
export const IDEMPOTENCY_UNAVAILABLE = failure(
  'IDEMPOTENCY_UNAVAILABLE',
  503,
  'gateway',
  'Idempotency unavailable',
  'Whether this request was made before cannot be found out now. It was not sent.',
  { retry: 'unsent', proxyStatus: 'proxy_internal_error' },
);

// The gateway cannot serve it now.
export const OVERLOADED = failure(
  'OVERLOADED',
  503,
  'gateway',
  'Gateway overloaded',
  'The gateway has more to do than it can; see Retry-After.',
  { proxyStatus: 'connection_limit_reached' },
);
export const SERVICE_BUSY = failure(
  'SERVICE_BUSY',
  503,
  'gateway',
  'Service busy',
  'The service has as much to do as it is given at once.',
  { proxyStatus: 'connection_limit_reached' },
);
export const NO_ENDPOINT = failure(
  'NO_ENDPOINT',
  503,
  'gateway',
  'Service unavailable',
  'No instance of the service is available at the moment.',
  { retry: 'unsent', proxyStatus: 'destination_unavailable' },
);
export const CIRCUIT_OPEN = failure(
  'CIRCUIT_OPEN',
  503,
  'gateway',
  'Service unavailable',
  'The service has failed too often and is left alone for a while; see Retry-After.',
  { retry: 'unsent', proxyStatus: 'destination_unavailable' },
);
export const INTERNAL = failure(
  'INTERNAL_ERROR',
  500,
  'gateway',
  'Internal error',
  'The gateway failed to handle the request.',
  { close: true },
);

// The service did not do its part.
export const CONNECT_FAILED = failure(
  'UPSTREAM_CONNECT_FAILED',
  502,
  'upstream',
  'Bad gateway',
  'The service could not be reached.',
  { retry: 'unsent', proxyStatus: 'connection_refused' },
);
export const NAME_NOT_RESOLVED = failure(
  'UPSTREAM_NAME_NOT_RESOLVED',
  502,
  'upstream',
  'Bad gateway',
  'The name of the service could not be resolved.',
  { retry: 'unsent', proxyStatus: 'dns_error' },
);
export const TLS_FAILED = failure(
  'UPSTREAM_TLS_FAILED',
  502,
  'upstream',
  'Bad gateway',
  'The service could not be reached over TLS.',
  { retry: 'unsent', proxyStatus: 'tls_protocol_error' },
);
export const CONNECT_TIMEOUT = failure(
  'UPSTREAM_CONNECT_TIMEOUT',
  504,
  'upstream',
  'Gateway timeout',
  'The service did not accept a connection in time.',
  { retry: 'unsent', proxyStatus: 'connection_timeout' },
);
export const UPSTREAM_RESET = failure(
  'UPSTREAM_RESET',
  502,
  'upstream',
  'Bad gateway',
  'The service closed the connection before it answered.',
  { retry: 'idempotent', proxyStatus: 'connection_terminated' },
);
export const UPSTREAM_PROTOCOL_ERROR = failure(
  'UPSTREAM_PROTOCOL_ERROR',
  502,
  'upstream',
  'Bad gateway',
  'The service sent something that is not a valid answer.',
  { proxyStatus: 'http_protocol_error' },
);
export const UPSTREAM_INCOMPLETE = failure(
  'UPSTREAM_INCOMPLETE',
  502,
  'upstream',
  'Bad gateway',
  'The service stopped in the middle of its answer.',
  { close: true, proxyStatus: 'http_response_incomplete' },
);
export const FIRST_BYTE_TIMEOUT = failure(
  'UPSTREAM_FIRST_BYTE_TIMEOUT',
  504,
  'upstream',
  'Gateway timeout',
  'The service did not begin to answer in time.',
  { proxyStatus: 'http_response_timeout' },
);
export const IDLE_TIMEOUT = failure(
  'UPSTREAM_IDLE_TIMEOUT',
  504,
  'upstream',
  'Gateway timeout',
  'The service stopped sending or receiving for too long.',
  { close: true, proxyStatus: 'http_response_timeout' },
);
export const TOTAL_TIMEOUT = failure(
  'UPSTREAM_TOTAL_TIMEOUT',
  504,
  'upstream',
  'Gateway timeout',
  'The exchange took longer than the service is given.',
  { proxyStatus: 'http_response_timeout' },
);

/** All of them, for the documentation and the tests that compare it. */
export const failures: readonly Failure[] = all;
