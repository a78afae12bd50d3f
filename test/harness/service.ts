/**
 * A service to stand behind the gateway, told by the test how to behave.
 *
 *   const service = await startService((request, response) => response.end('hi'));
 *   service.requests[0].headers                      // what arrived
 *   const rude = await startRawService((socket) => socket.destroy());
 *
 * It is closed when the test that started it ends; one that a hook started is the hook's to close.
 */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
} from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A request as it arrived. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Flat: name, value, name, value …, as they were written. */
  readonly rawHeaders: readonly string[];
}

export interface RunningService {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  readonly port: number;
  readonly requests: SeenRequest[];
  /** Open connections. */
  readonly sockets: ReadonlySet<Socket>;
  /** Connections ever opened. */
  connectionCount: number;
  /** Cuts what is open, and stops listening. */
  close(): Promise<void>;
}

/** An HTTP service. Without a listener it answers 200 with what arrived, as JSON. */
export async function startService(listener: RequestListener = echo): Promise<RunningService> {
  const requests: SeenRequest[] = [];
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const { method = '', url = '', headers, rawHeaders } = request;
    requests.push({ method, url, headers, rawHeaders });
    listener(request, response);
  });
  return await run(server, requests);
}

/** A service that gets the bare socket: for answers that no HTTP library would send. */
export async function startRawService(onSocket: (socket: Socket) => void): Promise<RunningService> {
  return await run(createTcpServer(onSocket), []);
}

async function run(server: Server, requests: SeenRequest[]): Promise<RunningService> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    service.connectionCount++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const service: RunningService = {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    sockets,
    connectionCount: 0,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  try {
    onTestFinished(() => service.close());
  } catch {
    // Started in a hook.
  }
  return service;
}

function echo(request: IncomingMessage, response: Parameters<RequestListener>[1]): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const { method, url, headers } = request;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString('latin1') }));
  });
}
