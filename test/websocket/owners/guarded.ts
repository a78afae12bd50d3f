/** A gateway with sockets that belong to somebody, before a service that sends back what it gets. */
import { afterAll, beforeAll } from 'vitest';
import { HS256 } from '../../access/premises.ts';
import { type RunningGateway, startGateway } from '../../harness/gateway.ts';
import {
  echo,
  openSocket,
  type SocketClient,
  type SocketService,
  startSocketService,
} from '../../harness/sockets.ts';

export const PROVIDERS = { players: HS256, partners: { type: 'apiKey' } };

export interface Guarded {
  readonly service: SocketService;
  /** `routes` are by their names, which are their paths: `{ game: { auth: 'players' } }`. */
  start(
    routes: Readonly<Record<string, Record<string, unknown>>>,
    more?: Record<string, unknown>,
  ): Promise<RunningGateway>;
  config(
    routes: Readonly<Record<string, Record<string, unknown>>>,
    more?: Record<string, unknown>,
  ): Record<string, unknown>;
}

/** For a whole file: the service starts and ends with it. */
export function guarded(): Guarded {
  let service: SocketService;
  beforeAll(async () => {
    service = await startSocketService(echo);
  });
  afterAll(async () => {
    await service?.close();
  });
  const config: Guarded['config'] = (routes, more = {}) => ({
    services: { game: { endpoints: [service.url], connections: { max: 5000 } } },
    data: './data',
    auth: { providers: PROVIDERS, roles: { trader: ['orders:*'], viewer: ['orders:read'] } },
    routes: Object.entries(routes).map(([name, own]) => ({
      name,
      match: { path: `/${name}` },
      service: 'game',
      websocket: true,
      ...own,
    })),
    ...more,
  });
  return {
    get service() {
      return service;
    },
    config,
    start: (routes, more) => startGateway(config(routes, more)),
  };
}

/** Open, with the service at the other end. */
export async function opened(url: string, headers: Record<string, string> = {}): Promise<SocketClient> {
  const client = openSocket(url, [], { headers });
  await client.opened;
  return client;
}

export async function openMany(
  count: number,
  url: string,
  headers: (i: number) => Record<string, string>,
): Promise<SocketClient[]> {
  const clients: SocketClient[] = [];
  for (let i = 0; i < count; i += 100) {
    const some = Array.from({ length: Math.min(100, count - i) }, (_, j) =>
      openSocket(url, [], { headers: headers(i + j) }),
    );
    await Promise.all(some.map(({ opened }) => opened));
    clients.push(...some);
  }
  return clients;
}

/** Says something, and hears it from the service. */
export async function answers(client: SocketClient, text = 'hello'): Promise<void> {
  client.socket.send(text);
  const heard = await client.next();
  if (heard !== text) throw new Error(`heard ${heard}, not ${text}`);
}

export async function post(gateway: RunningGateway, path: string, body: unknown, method = 'POST') {
  const headers = { 'content-type': 'application/json' };
  return await gateway.ask(path, { method, headers, body: JSON.stringify(body) });
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
