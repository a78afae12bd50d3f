/** A socket that came of a request may live for days: what the request needed does not live with it. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it, onTestFinished } from 'vitest';
import type { Connection } from '../../src/upstream/connection.js';
import { Endpoint } from '../../src/upstream/endpoint.js';

const UPGRADE = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

function upgraded(endpoint: Endpoint): Promise<{ socket: Socket; connection: WeakRef<Connection> }> {
  return new Promise((resolve, reject) => {
    endpoint.acquire(
      {
        upgrades: true,
        take(connection) {
          connection.dispatch(
            { path: '/', method: 'GET', headers: [], servername: 'endpoint', upgrade: 'websocket' },
            {
              onRequestStart() {},
              onRequestUpgrade(_controller, _status, _headers, socket) {
                connection.handOver(socket as Socket);
                endpoint.drop(connection);
                resolve({ socket: socket as Socket, connection: new WeakRef(connection) });
              },
              onResponseError: (_controller, error) => reject(error),
            },
          );
        },
      },
      false,
    );
  });
}

it('lets go of the connection, and the socket works on', async () => {
  const server = createServer((socket) => {
    socket.once('data', () => {
      socket.write(UPGRADE);
      socket.on('data', (chunk) => socket.write(chunk));
    });
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const endpoint = new Endpoint({
    url,
    maxConnections: 1,
    maxWaiting: 0,
    keepAliveMs: 1000,
    tls: { verify: true },
  });
  const { socket, connection } = await upgraded(endpoint);
  onTestFinished(() => void socket.destroy());

  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  for (let i = 0; i < 50 && connection.deref() !== undefined; i++) {
    await sleep(20);
    collect();
  }
  expect(connection.deref()).toBeUndefined();
  expect(socket.listenerCount('error')).toBe(0);
  socket.write('still there?');
  expect(String((await once(socket, 'data'))[0])).toBe('still there?');
});
