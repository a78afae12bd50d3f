/** What passes through a tunnel, and what is told when it ends. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { WebSocket } from 'ws';

import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import {
  CLOSE,
  CONTINUATION,
  dial,
  echo,
  frame,
  openSocket,
  PING,
  PONG,
  type SocketService,
  startSocketService,
  TEXT,
} from '../harness/sockets.ts';

let service: SocketService;
let gateway: RunningGateway;
/** The service's end of the last socket. */
let last: WebSocket;
let lastEnd: Promise<{ code: number; reason: string }>;

beforeAll(async () => {
  service = await startSocketService(
    (socket) => {
      last = socket;
      lastEnd = new Promise((resolve) =>
        socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })),
      );
      echo(socket);
    },
    { protocol: (offered) => (offered.has('second') ? 'second' : false) },
  );
  gateway = await startGateway({
    accessLog: 'all',
    listen: { host: '127.0.0.1', port: 0, maxMessageBytes: '16MiB' },
    services: { game: { endpoints: [service.url] } },
    routes: [
      {
        name: 'game',
        match: { path: '/game/*' },
        service: 'game',
        rewrite: { prefix: '/v2/' },
        websocket: { maxMessage: '8MiB' },
      },
      { name: 'small', match: { path: '/small' }, service: 'game', websocket: { maxMessage: '1KiB' } },
      { name: 'short', match: { path: '/short' }, service: 'game', websocket: { lifetime: '600ms' } },
      { name: 'quiet', match: { path: '/quiet' }, service: 'game', websocket: { idle: '600ms' } },
      { name: 'plain', match: { path: '/plain' }, service: 'game' },
    ],
  });
});

afterAll(async () => {
  await gateway?.stop();
  await service?.close();
});

describe('the handshake', () => {
  it('reaches the service with its path, its query, its cookies and its fields, and the answer comes back', async () => {
    const client = openSocket(`${gateway.url}/game/room/7?x=1`, ['first', 'second'], {
      headers: { cookie: 'sid=1', 'x-mine': 'yes' },
    });
    const { headers } = await client.opened;
    const { url, headers: got } = service.handshakes.at(-1)!;
    expect(url).toBe('/v2/room/7?x=1');
    expect(got).toMatchObject({
      cookie: 'sid=1',
      'x-mine': 'yes',
      'x-forwarded-proto': 'http',
      upgrade: 'websocket',
    });
    expect(got['x-request-id']).toBe(headers['x-request-id']);
    expect(client.socket.protocol).toBe('second');
    expect(headers).toMatchObject({ 'x-service': 'yes', 'set-cookie': ['a=1', 'b=2'] });
  });

  it('leaves nothing on standard error', async () => {
    const client = openSocket(`${gateway.url}/game/x`);
    await client.opened;
    client.socket.send('x');
    await client.next();
    expect(gateway.stderr).toBe('');
  });

  it('offers the service no extension, and the client none', async () => {
    const client = openSocket(`${gateway.url}/game/x`, [], { perMessageDeflate: true });
    const { headers } = await client.opened;
    expect(service.handshakes.at(-1)!.headers['sec-websocket-extensions']).toBeUndefined();
    expect(headers['sec-websocket-extensions']).toBeUndefined();
  });

  it('is an ordinary request on a route without WebSockets', async () => {
    const client = openSocket(`${gateway.url}/plain`);
    expect(await client.refused).toMatchObject({ status: 200, body: 'plain' });
  });

  it('leaves requests on the same route alone', async () => {
    expect(await (await fetch(`${gateway.url}/game/x`)).text()).toBe('plain');
  });
});

describe('messages', () => {
  it('go both ways as they are, text and binary, of any size', async () => {
    const client = openSocket(`${gateway.url}/game/x`);
    await client.opened;
    const messages = [
      '',
      'hello',
      'ünïcödé 🎲',
      Buffer.alloc(0),
      Buffer.from([0, 255, 1]),
      'x'.repeat(70_000),
      Buffer.alloc(5_000_000, 7),
    ];
    for (const message of messages) client.socket.send(message);
    for (const message of messages) {
      const got = await client.next();
      expect(typeof got).toBe(typeof message);
      expect(Buffer.from(got as string).equals(Buffer.from(message as string))).toBe(true);
    }
  });

  it('keep their order among many', async () => {
    const client = openSocket(`${gateway.url}/game/x`);
    await client.opened;
    for (let i = 0; i < 5_000; i++) client.socket.send(String(i));
    for (let i = 0; i < 5_000; i++) expect(await client.next()).toBe(String(i));
  });

  it('are put together from fragments, with a ping between them answered at once', async () => {
    const client = await dial(gateway.url, '/game/x');
    client.send(
      frame(TEXT, 'one ', { fin: false }),
      frame(PING, 'are you there'),
      frame(CONTINUATION, 'two ', { fin: false }),
      frame(CONTINUATION, 'three'),
    );
    await vi.waitFor(() => expect(client.frames).toHaveLength(2));
    expect(client.frames[0]).toMatchObject({ opcode: PONG, payload: Buffer.from('are you there') });
    expect(client.frames[1]).toMatchObject({ opcode: TEXT, payload: Buffer.from('one two three') });
  });

  it('of one socket do not meet those of another', async () => {
    const clients = Array.from({ length: 50 }, () => openSocket(`${gateway.url}/game/x`));
    await Promise.all(clients.map(({ opened }) => opened));
    for (const [i, client] of clients.entries()) for (let n = 0; n < 20; n++) client.socket.send(`${i}:${n}`);
    for (const [i, client] of clients.entries())
      for (let n = 0; n < 20; n++) expect(await client.next()).toBe(`${i}:${n}`);
  });

  it('a service may ping, and gets its answer', async () => {
    const client = openSocket(`${gateway.url}/game/x`);
    await client.opened;
    const answer = new Promise<string>((resolve) => last.once('pong', (data) => resolve(data.toString())));
    last.ping('here?');
    expect(await answer).toBe('here?');
  });
});

describe('a close', () => {
  const codes = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
  ];

  it.each(codes)('of the client with %i reaches the service with its reason', async (code) => {
    const client = await dial(gateway.url, '/game/x');
    const end = lastEnd;
    const payload = Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from('because')]);
    client.send(frame(CLOSE, payload));
    expect(await end).toEqual({ code, reason: 'because' });
    await vi.waitFor(() => expect(client.closeCodes).toEqual([code]));
  });

  it('of the client without a code reaches the service without one', async () => {
    const client = openSocket(`${gateway.url}/game/x`);
    await client.opened;
    client.socket.close();
    expect(await lastEnd).toEqual({ code: 1005, reason: '' });
    expect(await client.ended).toEqual({ code: 1005, reason: '' });
  });

  it.each(codes)('of the service with %i reaches the client with its reason', async (code) => {
    const client = openSocket(`${gateway.url}/game/x`);
    await client.opened;
    last.close(code, 'over');
    expect(await client.ended).toEqual({ code, reason: 'over' });
  });

  it('of the service without a code reaches the client without one', async () => {
    const client = openSocket(`${gateway.url}/game/x`);
    await client.opened;
    last.close();
    expect(await client.ended).toEqual({ code: 1005, reason: '' });
  });

  it('behind messages comes after them', async () => {
    const client = openSocket(`${gateway.url}/game/x`);
    await client.opened;
    for (let i = 0; i < 500; i++) last.send(`${i}`.padEnd(1000));
    last.close(4001, 'last');
    expect(await client.ended).toEqual({ code: 4001, reason: 'last' });
    expect(client.messages).toHaveLength(500);
  });

  it('a client that vanishes is noticed by the service, and the other way round', async () => {
    const client = openSocket(`${gateway.url}/game/x`);
    await client.opened;
    client.socket.terminate();
    expect(await lastEnd).toEqual({ code: 1006, reason: '' });
    const other = openSocket(`${gateway.url}/game/x`);
    await other.opened;
    last.terminate();
    expect(await other.ended).toEqual({ code: 1006, reason: '' });
  });
});

describe('bounds', () => {
  it('a message above maxMessage closes with 1009, from either side', async () => {
    const client = openSocket(`${gateway.url}/small`);
    await client.opened;
    client.socket.send('x'.repeat(1025));
    expect((await client.ended).code).toBe(1009);
    expect((await lastEnd).code).toBe(1009);
    const other = openSocket(`${gateway.url}/small`);
    await other.opened;
    last.send('x'.repeat(1025));
    expect((await other.ended).code).toBe(1009);
    expect((await lastEnd).code).toBe(1009);
  });

  it('a message of just maxMessage passes', async () => {
    const client = openSocket(`${gateway.url}/small`);
    await client.opened;
    client.socket.send('x'.repeat(1024));
    expect(await client.next()).toHaveLength(1024);
  });

  it('a socket ends with its lifetime, and with its silence', async () => {
    const old = openSocket(`${gateway.url}/short`);
    const quiet = openSocket(`${gateway.url}/quiet`);
    await Promise.all([old.opened, quiet.opened]);
    const chatter = setInterval(() => old.socket.send('x'), 100);
    expect((await old.ended).code).toBe(1012);
    clearInterval(chatter);
    expect((await quiet.ended).code).toBe(1001);
  });
});

describe('what is seen', () => {
  it('one access line when the socket ends, with its close code and what passed', async () => {
    const client = openSocket(`${gateway.url}/game/line`);
    await client.opened;
    client.socket.send('12345');
    await client.next();
    expect(gateway.log.some(({ path }) => path === '/game/line')).toBe(false);
    await sleep(300);
    client.socket.close(4002);
    await vi.waitFor(() => expect(gateway.log.filter(({ path }) => path === '/game/line')).toHaveLength(1));
    const line = gateway.log.find(({ path }) => path === '/game/line')!;
    expect(line).toMatchObject({ status: 101, close_code: 4002, bytes_in: 5, bytes_out: 5, route: 'game' });
    expect(line.duration_ms).toBeGreaterThan(250);
  });

  it('in metrics', async () => {
    const client = openSocket(`${gateway.url}/game/x`);
    await client.opened;
    client.socket.send('x');
    await client.next();
    await vi.waitFor(async () => {
      const { body } = await gateway.ask('/metrics');
      expect(body).toMatch(/^sluice_websockets_open\{worker="1"\} [1-9]/m);
      expect(body).toMatch(/^sluice_websocket_messages_total\{direction="in"\} [1-9]/m);
      expect(body).toMatch(/^sluice_websocket_closed_total\{code="1000"\} \d/m);
    });
  });
});
