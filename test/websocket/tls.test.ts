/** The same over TLS, on both sides: the listener and the connection to the service have other code for it. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { type Ended, echo, openSocket } from '../harness/sockets.ts';

const CERTIFICATES = fileURLToPath(new URL('../config/tls/', import.meta.url));
const cert = `${CERTIFICATES}one.crt`;
const key = `${CERTIFICATES}one.key`;

const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) });
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
let last: WebSocket;
/** Of that one, at the service. */
let lastEnd: Promise<Ended>;
let gateway: RunningGateway;

beforeAll(async () => {
  sockets.on('connection', (socket) => {
    last = socket;
    echo(socket);
    socket.on('error', () => {});
    lastEnd = new Promise((resolve) =>
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  gateway = await startGateway({
    listen: { host: '127.0.0.1', port: 0, tls: { cert, key } },
    services: { game: { endpoints: [`https://localhost:${port}`], tls: { verify: false } } },
    routes: [{ name: 'game', match: { path: '/*' }, service: 'game', websocket: { buffer: '8MiB' } }],
  });
});

afterAll(async () => {
  await gateway?.stop();
  for (const socket of sockets.clients) socket.terminate();
  server.close();
});

const open = () => openSocket(`${gateway.url}/x`, [], { rejectUnauthorized: false });

it('messages pass, whatever their size and however many come at once', async () => {
  const client = open();
  await client.opened;
  const messages = [
    '',
    'hello',
    Buffer.alloc(1_000_000, 7),
    ...Array.from({ length: 500 }, (_, i) => `${i}`),
  ];
  for (const message of messages) client.socket.send(message);
  for (const message of messages)
    expect(Buffer.from((await client.next()) as string).equals(Buffer.from(message as string))).toBe(true);
});

it.each([1000, 1012, 3000, 3999, 4001])('a close with %i passes both ways', async (code) => {
  const client = open();
  await client.opened;
  client.socket.close(code, 'because');
  expect(await client.ended).toEqual({ code, reason: 'because' });
  expect(await lastEnd).toEqual({ code, reason: 'because' });
  const other = open();
  await other.opened;
  last.close(code, 'over');
  expect(await other.ended).toEqual({ code, reason: 'over' });
});

it('who vanishes takes the other with it', async () => {
  const client = open();
  await client.opened;
  last.terminate();
  expect((await client.ended).code).toBe(1006);
  const other = open();
  await other.opened;
  other.socket.terminate();
  expect((await lastEnd).code).toBe(1006);
});
