import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Log } from '../../observe/log.js';
import { channelEndpoints } from '../channels/endpoints.js';
import { presenceEndpoints } from '../channels/presence/endpoints.js';
import { registryEndpoints } from '../discovery/registry-endpoints.js';
import { explainListenError } from '../free-port.js';
import { serviceEndpoints } from '../health/admin.js';
import { idempotencyEndpoints } from '../idempotency/endpoints.js';
import { usageEndpoints } from '../quotas/usage-endpoint.js';
import { socketEndpoints } from '../sockets/endpoints.js';
import { readBody } from './body.js';
import { config, reload } from './configuration.js';
import { consumerEndpoints } from './consumers.js';
import { type ControlPlane, type Endpoint, json, problem, type Reply } from './endpoint.js';
import { guard } from './guard.js';
import { livez, readyz } from './health.js';
import { keyEndpoints } from './keys.js';
import { paramsOf } from './path.js';
import { revocationEndpoints } from './revocations.js';
import { drainEndpoints } from './services/drain.js';
import { metrics, stats, workers } from './statistics.js';

// An `import` of node:http evaluates its lazy exports and with them a second undici: 13 MB of memory.
const { createServer } = process.getBuiltinModule('node:http');

const index: Endpoint = {
  path: '/',
  method: 'GET',
  summary: 'This list.',
  handle: () =>
    json({ endpoints: endpoints.map(({ method, path, summary }) => ({ method, path, summary })) }),
};

/** The whole admin API. */
export const endpoints: readonly Endpoint[] = [
  index,
  livez,
  readyz,
  metrics,
  stats,
  workers,
  config,
  reload,
  ...serviceEndpoints,
  ...keyEndpoints,
  ...consumerEndpoints,
  ...revocationEndpoints,
  ...idempotencyEndpoints,
  ...registryEndpoints,
  ...usageEndpoints,
  ...drainEndpoints,
  ...channelEndpoints,
  ...socketEndpoints,
  ...presenceEndpoints,
];

/** The operators' door: plain HTTP, for people and probes. Never on the clients' port. */
export class AdminServer {
  readonly #server: Server;
  readonly #plane: ControlPlane;
  readonly #log: Log;

  constructor(plane: ControlPlane, log: Log) {
    this.#plane = plane;
    this.#log = log;
    this.#server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
      void this.#serve(request, response);
    });
  }

  /** Resolves with the port. Rejects with an Error for people: the port is in use, the address not ours. */
  listen(host: string, port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.once('error', (error) =>
      reject(new Error(`admin: ${explainListenError(error, host, port)}`)),
    );
    this.#server.listen({ host, port, exclusive: true }, () => {
      resolve((this.#server.address() as AddressInfo).port);
    });
    return promise;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let reply: Reply;
    try {
      reply = await this.#answer(request);
    } catch (error) {
      this.#log.error({ err: error, path: request.url }, 'the admin API failed');
      reply = problem(500, 'Internal error', 'see the log');
    }
    request.resume(); // what nobody read of the body
    const { status, body, contentType, headers } = reply;
    response.writeHead(status, {
      'content-type': contentType,
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...headers,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #answer(request: IncomingMessage): Promise<Reply> {
    const [path = '/', query] = (request.url ?? '/').split('?', 2);
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const here = endpoints.filter((endpoint) => paramsOf(endpoint.path, path) !== null);
    const endpoint = here.find((candidate) => candidate.method === method);
    // Strangers do not learn what exists: the guard speaks first, as for a closed endpoint.
    const { admin } = this.#plane.inForce().config;
    const refusal = admin && guard(request, endpoint ?? index, admin);
    if (refusal) return refusal;
    if (here.length === 0) return problem(404, 'Not found', 'GET / lists what there is');
    if (endpoint === undefined) {
      const allow = here
        .map((candidate) => (candidate.method === 'GET' ? 'GET, HEAD' : candidate.method))
        .join(', ');
      const refusal = problem(405, 'Method not allowed', `${path} takes ${allow}`);
      return { ...refusal, headers: { allow } };
    }
    const mostBytes = typeof endpoint.body === 'number' ? endpoint.body : undefined;
    const body = endpoint.body ? await readBody(request, mostBytes) : { value: undefined };
    if ('refusal' in body) return body.refusal;
    return await endpoint.handle(this.#plane, {
      remote: request.socket.remoteAddress ?? '',
      path,
      params: paramsOf(endpoint.path, path) ?? {},
      query: new URLSearchParams(query),
      accept: request.headers.accept ?? '',
      body: body.value,
    });
  }
}
