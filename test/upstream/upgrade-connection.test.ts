/** A request for an upgrade has a connection that is dialled for it, within the bound on connections. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Connection } from '../../src/upstream/connection.js';
import { Endpoint, type Taker } from '../../src/upstream/endpoint.js';
import { eventually } from '../harness/eventually.ts';

const accepted: Socket[] = [];
const server = createServer((socket) => {
  accepted.push(socket.on('error', () => {}));
  socket.on('data', (bytes) => {
    const isUpgrade = bytes.includes('upgrade');
    socket.write(
      isUpgrade
        ? 'HTTP/1.1 101 -\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'
        : 'HTTP/1.1 200 -\r\ncontent-length: 0\r\n\r\n',
    );
  });
});
let endpoint: Endpoint;

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

beforeEach(() => {
  for (const socket of accepted.splice(0)) socket.destroy();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const tls = { verify: true };
  endpoint = new Endpoint({ url, maxConnections: 1, maxWaiting: 2, keepAliveMs: 60_000, tls });
});

afterAll(() => {
  for (const socket of accepted) socket.destroy();
  server.close();
});

/** Asks, and notes what it got. */
class Request implements Taker {
  readonly upgrades: boolean;
  connection: Connection | null = null;
  done = false;
  error: Error | null = null;
  readonly taken: boolean;

  constructor(upgrades: boolean) {
    this.upgrades = upgrades;
    this.taken = endpoint.acquire(this, false);
  }

  take(connection: Connection): void {
    this.connection = connection;
    const upgrade = this.upgrades ? { upgrade: 'websocket' } : {};
    connection.dispatch(
      { path: '/', method: 'GET', headers: [], servername: 'endpoint', ...upgrade },
      {
        onRequestStart() {},
        onResponseStart() {},
        onResponseData() {},
        onResponseEnd: () => {
          this.done = true;
        },
        onRequestUpgrade: (_controller, _status, _headers, socket) => {
          connection.handOver(socket as Socket);
          endpoint.drop(connection);
          accepted.push(socket as Socket);
          this.done = true;
        },
        onResponseError: (_controller, error) => {
          this.error = error;
        },
      },
    );
  }

  async answered(): Promise<Connection> {
    await eventually(() => this.done || this.error);
    expect(this.error).toBeNull();
    return this.connection as Connection;
  }
}

it('takes the place of one that is idle when there is no room beside it', async () => {
  const plain = await new Request(false).answered();
  endpoint.release(plain);
  const upgrade = await new Request(true).answered();
  expect(upgrade).not.toBe(plain);
  expect(plain.destroyed).toBe(true);
});

it('is dialled in the place of one that becomes free while it waits, and those behind it have their turn', async () => {
  const plain = await new Request(false).answered();
  const upgrade = new Request(true);
  const behind = new Request(false);
  expect([upgrade.taken, behind.taken, new Request(false).taken]).toEqual([true, true, false]);
  endpoint.release(plain);
  expect(await upgrade.answered()).not.toBe(plain);
  expect(plain.destroyed).toBe(true);
  // The socket that came of it does not count among the connections.
  await behind.answered();
  expect(behind.connection).not.toBe(upgrade.connection);
});
