/** Small requests of the gateway's own, answered as a whole: not part of any exchange with a service. */
import { Endpoint } from '../endpoint.js';
import { Calling } from './calling.js';

export interface CallRequest {
  readonly method: string;
  readonly url: string;
  /** Flat: name, value, name, value …; values as Latin-1 bytes. */
  readonly headers: readonly string[];
  readonly body: string | Buffer | null;
  /** From the call to the last byte of the answer. */
  readonly timeoutMs: number;
  /** A longer body is an error, unless what is beyond is not wanted. */
  readonly maxBytes: number;
  readonly beginningOnly?: boolean;
  /** It may be sent again when the connection it went out on was being closed, whatever its method (RFC 9110 §9.2.2). */
  readonly repeatable?: boolean;
}

export interface CallAnswer {
  readonly status: number;
  /** Names in lower case; several fields of a name are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Caller {
  /** Follows no redirects. Rejects with an Error whose text names the host and nothing else of the request. */
  (request: CallRequest): Promise<CallAnswer>;
  /** Idle connections close now, busy ones after their answer. */
  close(): void;
}

/** Per origin. */
const MOST_CONNECTIONS = 64;
const MOST_WAITING = 1024;
const KEEP_ALIVE_MS = 30_000;

/** Connections are kept for the next call to the same origin. The origins come from the configuration: they are few. */
export function createCaller(): Caller {
  const endpoints = new Map<string, Endpoint>();
  const endpointOf = (origin: string): Endpoint => {
    let endpoint = endpoints.get(origin);
    if (endpoint === undefined) {
      endpoint = new Endpoint({
        url: origin,
        maxConnections: MOST_CONNECTIONS,
        maxWaiting: MOST_WAITING,
        keepAliveMs: KEEP_ALIVE_MS,
        tls: { verify: true },
      });
      endpoints.set(origin, endpoint);
    }
    return endpoint;
  };
  const call = (request: CallRequest): Promise<CallAnswer> => {
    const { origin, host, pathname, search } = new URL(request.url);
    return new Promise((resolve, reject) => {
      new Calling(request, endpointOf(origin), host, pathname + search, resolve, reject).start();
    });
  };
  return Object.assign(call, {
    close() {
      for (const endpoint of endpoints.values()) endpoint.retire();
      endpoints.clear();
    },
  });
}
