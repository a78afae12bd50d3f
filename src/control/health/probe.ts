/** One probe of an endpoint. Never rejects, and always ends within its time. */
import { connect } from 'node:net';
import type { HealthConfig } from '../../config/schema/services/health.js';
import type { CallAnswer } from '../../upstream/call/call.js';
import { Calling } from '../../upstream/call/calling.js';
import { Endpoint, type EndpointOptions } from '../../upstream/endpoint.js';

/** What one is interested in of a body. */
const MOST_BYTES = 64 * 1024;

/** Why it failed; null: it passed. */
export type ProbeFault = string | null;

/** Asks one endpoint again and again. */
export interface Probe {
  ask(): Promise<ProbeFault>;
  close(): void;
}

export function createProbe(url: string, options: HealthConfig, tls: EndpointOptions['tls']): Probe {
  const target = new URL(url);
  if (options.port !== undefined) target.port = String(options.port);
  return options.type === 'tcp' ? tcpProbe(target, options.timeout) : httpProbe(target.origin, options, tls);
}

function tcpProbe({ hostname, port, protocol }: URL, timeoutMs: number): Probe {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const at = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
  return {
    ask: () =>
      new Promise((resolve) => {
        const socket = connect({ host, port: at });
        const end = (fault: ProbeFault) => {
          clearTimeout(timer);
          socket.destroy();
          resolve(fault);
        };
        const timer = setTimeout(() => end(`no connection within ${timeoutMs} ms`), timeoutMs);
        socket.once('connect', () => end(null));
        socket.on('error', (error: NodeJS.ErrnoException) =>
          end(`no connection: ${error.code ?? error.name}`),
        );
      }),
    close() {},
  };
}

function httpProbe(origin: string, options: HealthConfig, tls: EndpointOptions['tls']): Probe {
  const { path, timeout, interval, json, host, headers } = options;
  const endpoint = new Endpoint({
    url: origin,
    // A probe begins when the one before is over.
    maxConnections: 1,
    maxWaiting: 0,
    keepAliveMs: 2 * interval,
    tls,
  });
  const fields = Object.entries({ 'user-agent': 'sluice-probe', ...(host && { host }), ...headers }).flat();
  const request = {
    method: 'GET',
    url: origin + path,
    headers: fields,
    body: null,
    timeoutMs: timeout,
    maxBytes: MOST_BYTES,
    beginningOnly: true,
    repeatable: true,
  };
  return {
    async ask() {
      try {
        const answer = await new Promise<CallAnswer>((resolve, reject) => {
          new Calling(request, endpoint, 'probe', path, resolve, reject).start();
        });
        return judge(answer, options.status, json);
      } catch (error) {
        return (error as Error).message.replace(/^probe: /, '');
      }
    },
    close: () => endpoint.retire(),
  };
}

function judge(
  { status, body }: CallAnswer,
  ranges: HealthConfig['status'],
  json: HealthConfig['json'],
): ProbeFault {
  if (!ranges.some(([from, to]) => status >= from && status <= to)) return `status ${status}`;
  if (json === undefined) return null;
  if (body.length > MOST_BYTES) return `the body has more than ${MOST_BYTES} bytes`;
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    return 'the body is not JSON';
  }
  const found = at(value, json.pointer);
  if (found === json.equals) return null;
  return found === undefined ? `the body has no ${json.pointer}` : `${json.pointer} is not what it should be`;
}

/** RFC 6901. */
function at(value: unknown, pointer: string): unknown {
  let found = value;
  for (const token of pointer.split('/').slice(1)) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}
