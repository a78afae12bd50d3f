/** Handshakes that are refused: by the gateway, by its filters, by the service. */
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import {
  dial,
  echo,
  HANDSHAKE,
  openSocket,
  SocketClient,
  type SocketService,
  startSocketService,
} from '../harness/sockets.ts';

let service: SocketService;
let broken: Server;
let gateway: RunningGateway;
let neighbour: SocketClient;
/** What the broken service answers, by path. */
const ANSWERS: Record<string, string> = {
  '/no-accept': 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  '/wrong-accept':
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n',
  '/extension': `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(HANDSHAKE['Sec-WebSocket-Key'])}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n`,
  '/protocol': `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(HANDSHAKE['Sec-WebSocket-Key'])}\r\nSec-WebSocket-Protocol: nobody-asked\r\n\r\n`,
  '/other': `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\nSec-WebSocket-Accept: ${acceptOf(HANDSHAKE['Sec-WebSocket-Key'])}\r\n\r\n`,
  '/no-connection': `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(HANDSHAKE['Sec-WebSocket-Key'])}\r\n\r\n`,
  '/not-101': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi',
  '/vanish': '',
};

function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

beforeAll(async () => {
  service = await startSocketService(echo, {
    refuse: (request, socket) => {
      if (!request.url?.includes('refuse')) return false;
      socket.end('HTTP/1.1 403 Forbidden\r\nX-Why: banned\r\nContent-Length: 6\r\n\r\nbanned');
      return true;
    },
  });
  broken = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (head) => {
      const path = /^GET (\S+)/.exec(head.toString())?.[1] ?? '';
      const answer = ANSWERS[path] ?? '';
      if (answer === '') socket.destroy();
      else socket.write(answer);
    });
  });
  await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve));
  const { port } = broken.address() as { port: number };
  gateway = await startGateway({
    services: {
      game: { endpoints: [service.url] },
      broken: { endpoints: [`http://127.0.0.1:${port}`], timeouts: { firstByte: '1s' } },
      nobody: { endpoints: ['http://127.0.0.1:9'] },
    },
    auth: {
      providers: {
        keys: { type: 'jwt', algorithms: ['HS256'], secret: 'x'.repeat(32), issuer: 'i', audience: 'a' },
      },
    },
    routes: [
      { name: 'game', match: { path: '/game/*' }, service: 'game', websocket: true },
      {
        name: 'listed',
        match: { path: '/listed' },
        service: 'game',
        websocket: { origins: ['https://app.example.com'] },
      },
      { name: 'guarded', match: { path: '/guarded' }, service: 'game', websocket: true, auth: 'keys' },
      {
        name: 'limited',
        match: { path: '/limited' },
        service: 'game',
        websocket: true,
        limit: { by: ['global'], rate: '2/h' },
      },
      {
        name: 'broken',
        match: { path: '/broken/*' },
        service: 'broken',
        rewrite: { prefix: '/' },
        websocket: true,
      },
      { name: 'nobody', match: { path: '/nobody' }, service: 'nobody', websocket: true },
    ],
  });
  // Opened by hand: it outlives each test.
  neighbour = new SocketClient(`${gateway.url}/game/neighbour`);
  await neighbour.opened;
});

/** Whatever has been refused, the other sockets have not noticed. */
afterEach(async () => {
  neighbour.socket.send('well?');
  expect(await neighbour.next()).toBe('well?');
});

afterAll(async () => {
  neighbour?.socket.terminate();
  await gateway?.stop();
  await service?.close();
  broken?.close();
});

function statusOf(head: string): number {
  return Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0);
}

describe('a handshake that is none', () => {
  const cases: [string, Record<string, string | undefined>, number, string?][] = [
    ['without a version', { 'Sec-WebSocket-Version': undefined }, 426],
    ['of an old version', { 'Sec-WebSocket-Version': '8' }, 426],
    ['with a short key', { 'Sec-WebSocket-Key': 'dGhl' }, 400],
    ['without a key', { 'Sec-WebSocket-Key': undefined }, 400],
    ['with a key that is no base64', { 'Sec-WebSocket-Key': '!!!!!!!!!!!!!!!!!!!!!!==' }, 400],
    ['with a subprotocol twice', { 'Sec-WebSocket-Protocol': 'a, a' }, 400],
    ['with a subprotocol that is no token', { 'Sec-WebSocket-Protocol': 'a b' }, 400],
    ['without Connection: Upgrade', { Connection: 'keep-alive' }, 400],
    ['with a body', { 'Content-Length': '2', 'X-Last': '1\r\n\r\nhi' }, 400],
    ['with another method', {}, 400, 'POST /game/x HTTP/1.1'],
  ];

  it.each(cases)('%s is refused, and the service never hears of it', async (_name, fields, status, line) => {
    const before = service.handshakes.length;
    const client = await dial(gateway.url, '/game/x', fields, line);
    expect(statusOf(client.head)).toBe(status);
    expect(service.handshakes.length).toBe(before);
    if (status !== 426) return;
    expect(client.head.toLowerCase()).toContain('sec-websocket-version: 13');
    // RFC 9110 §15.5.22 and §7.8.
    expect(client.head.toLowerCase()).toMatch(/\r\nupgrade: websocket\r\nconnection: upgrade\r\n/);
  });

  it('is refused in HTTP/1.0', async () => {
    const client = await dial(gateway.url, '/game/x', {}, 'GET /game/x HTTP/1.0');
    expect(client.head).not.toContain(' 101 ');
  });

  it('may offer a hundred subprotocols', async () => {
    const offered = Array.from({ length: 100 }, (_, i) => `p${i}`).join(', ');
    const client = await dial(gateway.url, '/game/x', { 'Sec-WebSocket-Protocol': offered });
    expect(statusOf(client.head)).toBe(101);
    expect(service.handshakes.at(-1)!.headers['sec-websocket-protocol']).toBe(offered);
  });
});

describe('the origin', () => {
  it.each([
    ['/listed', 'https://app.example.com', '', 101],
    ['/listed', 'HTTPS://APP.example.com', '', 101],
    ['/listed', 'https://evil.example', '', 403],
    ['/listed', 'null', '', 403],
    ['/listed', undefined, 'sid=1', 101],
    ['/game/x', 'https://anywhere.example', '', 101],
    ['/game/x', 'https://anywhere.example', 'sid=1', 403],
    ['/game/x', 'http://a', 'sid=1', 101],
    ['/game/x', 'https://a', 'sid=1', 403],
    ['/game/x', 'http://a.evil.example', 'sid=1', 403],
  ])('%s from %s with cookies "%s" gets %i', async (path, origin, cookie, status) => {
    const client = await dial(gateway.url, path, {
      Origin: origin,
      ...(cookie !== '' && { Cookie: cookie }),
    });
    expect(statusOf(client.head)).toBe(status);
  });
});

describe('a refusal', () => {
  it('of the service reaches the client with status, fields and body', async () => {
    const client = openSocket(`${gateway.url}/game/refuse`);
    expect(await client.refused).toMatchObject({
      status: 403,
      headers: { 'x-why': 'banned' },
      body: 'banned',
    });
  });

  it('of a filter reaches the client, and the service never hears of it', async () => {
    const before = service.handshakes.length;
    const client = openSocket(`${gateway.url}/guarded`);
    const { status, headers, body } = await client.refused;
    expect(status).toBe(401);
    expect(headers['www-authenticate']).toContain('Bearer');
    expect(JSON.parse(body).code).toBe('UNAUTHENTICATED');
    expect(service.handshakes.length).toBe(before);
  });

  it('of a limit counts handshakes', async () => {
    const clients = [1, 2].map(() => openSocket(`${gateway.url}/limited`));
    await Promise.all(clients.map(({ opened }) => opened));
    expect(await openSocket(`${gateway.url}/limited`).refused).toMatchObject({ status: 429 });
  });

  it('because no route matches, or nobody answers, is an ordinary one', async () => {
    expect(await openSocket(`${gateway.url}/nowhere`).refused).toMatchObject({ status: 404 });
    expect(await openSocket(`${gateway.url}/nobody`).refused).toMatchObject({ status: 502 });
  });
});

describe('a service that answers a handshake badly', () => {
  it('without the fields of a switch is said to break the protocol', async () => {
    const { refused } = openSocket(`${gateway.url}/broken/no-connection`);
    expect(JSON.parse((await refused).body)).toMatchObject({ code: 'UPSTREAM_PROTOCOL_ERROR' });
  });

  it.each(['/no-accept', '/wrong-accept', '/other', '/extension', '/protocol', '/vanish'])(
    '%s gives 502',
    async (path) => {
      const client = await dial(gateway.url, `/broken${path}`);
      expect(statusOf(client.head)).toBe(502);
    },
  );

  it('with something else than 101 is passed on as it is', async () => {
    expect(await openSocket(`${gateway.url}/broken/not-101`).refused).toMatchObject({
      status: 200,
      body: 'hi',
    });
  });

  it('leaves the gateway as it was', async () => {
    const client = openSocket(`${gateway.url}/game/x`);
    await client.opened;
    client.socket.send('well');
    expect(await client.next()).toBe('well');
  });
});
