/** What no decent peer sends: the socket ends, the service and the other sockets never notice. */
import { createHash } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  dial,
  echo,
  frame,
  openSocket,
  PING,
  PONG,
  type SocketClient,
  type SocketService,
  startSocketService,
  TEXT,
} from '../harness/sockets.ts';

let service: SocketService;
let gateway: RunningGateway;
let neighbour: SocketClient;
/** What the service got, of all sockets but the neighbour's. */
const heard: string[] = [];
let scripted: Server;
/** The next socket of the scripted service, behind its 101. */
let onScripted: (socket: Socket) => void = () => {};

beforeAll(async () => {
  service = await startSocketService((socket, request) => {
    if (request.url === '/neighbour') return echo(socket);
    socket.on('message', (message) => heard.push(message.toString()));
    socket.on('close', (code) => heard.push(`close ${code}`));
  });
  scripted = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (head) => {
      const key = /sec-websocket-key: (\S+)/i.exec(head.toString())?.[1] ?? '';
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      onScripted(socket);
    });
  });
  await new Promise<void>((resolve) => scripted.listen(0, '127.0.0.1', resolve));
  const { port } = scripted.address() as { port: number };
  gateway = await startGateway({
    listen: { host: '127.0.0.1', port: 0, maxMessageBytes: '64KiB' },
    services: { game: { endpoints: [service.url] }, scripted: { endpoints: [`http://127.0.0.1:${port}`] } },
    routes: [
      {
        name: 'scripted',
        match: { path: '/scripted' },
        service: 'scripted',
        websocket: { maxMessage: '32KiB' },
      },
      {
        name: 'pinged',
        match: { path: '/pinged' },
        service: 'game',
        websocket: { maxMessage: '32KiB', pings: 'off' },
      },
      { name: 'game', match: { path: '/*' }, service: 'game', websocket: { maxMessage: '32KiB' } },
    ],
  });
  // Opened by hand: it outlives each test.
  const { SocketClient: Client } = await import('../harness/sockets.ts');
  neighbour = new Client(`${gateway.url}/neighbour`);
  await neighbour.opened;
});

afterAll(async () => {
  neighbour?.socket.terminate();
  await gateway?.stop();
  await service?.close();
  scripted?.close();
});

async function expectNeighbourWell() {
  neighbour.socket.send('well?');
  expect(await neighbour.next()).toBe('well?');
}

const HUGE = 2n ** 63n - 1n;

describe('from a client', () => {
  const violations: [string, Buffer[]][] = [
    ['a reserved bit', [frame(TEXT, 'x', { reserved: 4 })]],
    ['compression that nobody agreed upon', [frame(TEXT, 'x', { reserved: 1 })]],
    ['a reserved opcode', [frame(3, 'x')]],
    ['a reserved control opcode', [frame(11, 'x')]],
    ['an oversized length', [frame(BINARY, 'x', { length: HUGE })]],
    ['a length of 2^63', [frame(BINARY, 'x', { length: 2n ** 63n })]],
    ['a ping above 125 bytes', [frame(PING, 'x'.repeat(126))]],
    ['a ping in fragments', [frame(PING, 'x', { fin: false })]],
    ['a continuation of nothing', [frame(CONTINUATION, 'x')]],
    ['a message within a message', [frame(TEXT, 'x', { fin: false }), frame(TEXT, 'y')]],
    ['text that is no UTF-8', [frame(TEXT, Buffer.from([0xc3, 0x28]))]],
    [
      'text that is no UTF-8 across frames',
      [frame(TEXT, Buffer.from([0xe2, 0x82]), { fin: false }), frame(CONTINUATION, Buffer.from([0x28]))],
    ],
    ['a close of one byte', [frame(CLOSE, Buffer.from([3]))]],
    ['a close with 1005', [frame(CLOSE, Buffer.from([0x03, 0xed]))]],
    ['a close with 999', [frame(CLOSE, Buffer.from([0x03, 0xe7]))]],
    ['a close whose reason is no UTF-8', [frame(CLOSE, Buffer.from([0x03, 0xe8, 0xff]))]],
    [
      'more than the listener reads, in fragments',
      [frame(BINARY, Buffer.alloc(40_000), { fin: false }), frame(CONTINUATION, Buffer.alloc(40_000))],
    ],
  ];

  it.each(violations)('%s ends its socket, and nothing of it reaches the service', async (_name, frames) => {
    heard.length = 0;
    const client = await dial(gateway.url, '/bad');
    client.send(...frames);
    await vi.waitFor(() => expect(client.ended).toBe(true), 5000);
    for (const code of client.closeCodes) expect([1002, 1007, 1009, 1005, 1000]).toContain(code);
    await vi.waitFor(() => expect(heard.filter((line) => line.startsWith('close'))).toHaveLength(1), 5000);
    expect(heard.filter((line) => !line.startsWith('close'))).toEqual([]);
    await expectNeighbourWell();
  });

  it('an unmasked frame does', async () => {
    const client = await dial(gateway.url, '/bad');
    client.send(frame(TEXT, 'hello hello hello', { masked: false }));
    client.send(frame(TEXT, 'hello hello hello', { masked: false }));
    await vi.waitFor(() => expect(client.ended).toBe(true), 5000);
    expect(heard).not.toContain('hello hello hello');
    await expectNeighbourWell();
  });

  it('ten thousand pings end the socket', async () => {
    const client = await dial(gateway.url, '/bad');
    const pings = Buffer.concat(Array.from({ length: 10_000 }, () => frame(PING, 'x')));
    client.send(pings);
    await vi.waitFor(() => expect(client.closeCodes).toEqual([4429]), 5000);
    expect(client.frames.filter(({ opcode }) => opcode === PONG).length).toBeLessThan(200);
    await expectNeighbourWell();
  });

  it('ten thousand pings are answered where they may come, and keep nobody waiting', async () => {
    const client = await dial(gateway.url, '/pinged');
    const pings = Buffer.concat(Array.from({ length: 10_000 }, () => frame(PING, 'x')));
    client.send(pings);
    await expectNeighbourWell();
    await vi.waitFor(
      () => expect(client.frames.filter(({ opcode }) => opcode === PONG)).toHaveLength(10_000),
      10_000,
    );
  });
});

describe('pings that nobody wants the answers of', () => {
  /** More than the kernel and the gateway keep. */
  const FLOOD = Buffer.concat(Array.from({ length: 120_000 }, () => frame(PING, Buffer.alloc(125))));

  it('of a client end its socket', async () => {
    const client = await dial(gateway.url, '/pinged');
    client.socket.pause();
    client.send(FLOOD);
    await vi.waitFor(() => expect(client.ended).toBe(true), 10_000);
    await expectNeighbourWell();
  });

  it('of a client that reads are all answered', async () => {
    const client = await dial(gateway.url, '/pinged');
    client.send(...Array.from({ length: 5_000 }, () => frame(PING, 'x')));
    await vi.waitFor(
      () => expect(client.frames.filter(({ opcode }) => opcode === PONG)).toHaveLength(5_000),
      10_000,
    );
  });

  it('of a service are not all answered, and its messages still come', async () => {
    const pings = Buffer.concat(
      Array.from({ length: 120_000 }, () => frame(PING, Buffer.alloc(125), { masked: false })),
    );
    let answered = 0;
    let stalled: Socket | undefined;
    onScripted = (socket) => {
      stalled = socket.pause();
      socket.write(Buffer.concat([pings, frame(TEXT, 'and now?', { masked: false })]));
    };
    const client = openSocket(`${gateway.url}/scripted`);
    expect(await client.next()).toBe('and now?');
    // The service reads on, up to an end that comes behind all the answers.
    const ended = new Promise((resolve) => stalled?.once('end', resolve));
    stalled?.on('data', (chunk) => {
      answered += chunk.length;
    });
    stalled?.resume();
    client.socket.close();
    await ended;
    expect(answered).toBeGreaterThan(64 * 1024);
    expect(answered).toBeLessThan(pings.length * 0.9);
    await expectNeighbourWell();
  });
});

describe('from a service', () => {
  const unmasked = (opcode: number, payload: Buffer | string, options = {}) =>
    frame(opcode, payload, { masked: false, ...options });
  const faults: [string, Buffer, number][] = [
    ['a masked frame', frame(TEXT, 'x'), 1014],
    ['garbage', Buffer.from('HTTP/1.1 200 OK\r\n\r\nhello there'), 1014],
    ['a reserved bit', unmasked(TEXT, 'x', { reserved: 4 }), 1014],
    ['text that is no UTF-8', unmasked(TEXT, Buffer.from([0xc3, 0x28])), 1014],
    ['a control frame in fragments', unmasked(PING, 'x', { fin: false }), 1014],
    ['a close with 1005', unmasked(CLOSE, Buffer.from([0x03, 0xed])), 1014],
    ['a close of one byte', unmasked(CLOSE, Buffer.from([3])), 1014],
    ['a ping above 125 bytes', unmasked(PING, Buffer.alloc(126)), 1014],
    ['a reserved opcode', unmasked(5, 'x'), 1014],
    ['compression that nobody agreed upon', unmasked(TEXT, 'x', { reserved: 1 }), 1014],
    ['a continuation of nothing', unmasked(CONTINUATION, 'x'), 1014],
    [
      'text that is no UTF-8 across frames',
      Buffer.concat([
        unmasked(TEXT, Buffer.from([0xe2, 0x82]), { fin: false }),
        unmasked(CONTINUATION, Buffer.from([0x28])),
      ]),
      1014,
    ],
    [
      'more than maxMessage in fragments',
      Buffer.concat([
        unmasked(BINARY, Buffer.alloc(20_000), { fin: false }),
        unmasked(CONTINUATION, Buffer.alloc(20_000)),
      ]),
      1009,
    ],
    ['a message above maxMessage', unmasked(BINARY, Buffer.alloc(32 * 1024 + 1)), 1009],
    ['a length of 2^63', unmasked(BINARY, 'x', { length: 2n ** 63n }), 1014],
  ];

  it.each(faults)('%s ends the socket', async (_name, bytes, code) => {
    onScripted = (socket) => socket.write(bytes);
    const client = openSocket(`${gateway.url}/scripted`);
    expect((await client.ended).code).toBe(code);
    await expectNeighbourWell();
  });

  it('an end in the middle of a message is an end without a close, and the message never comes', async () => {
    onScripted = (socket) => socket.end(unmasked(TEXT, 'half of it', { length: 100n }));
    const client = openSocket(`${gateway.url}/scripted`);
    expect((await client.ended).code).toBe(1006);
    expect(client.messages).toEqual([]);
    await expectNeighbourWell();
  });

  it('what comes together with its 101 arrives', async () => {
    onScripted = (socket) => socket.write(Buffer.concat([unmasked(TEXT, 'one'), unmasked(TEXT, 'two')]));
    const client = openSocket(`${gateway.url}/scripted`);
    expect([await client.next(), await client.next()]).toEqual(['one', 'two']);
  });

  it('a close together with messages comes behind them, and the gateway ends the connection', async () => {
    const close = unmasked(CLOSE, Buffer.from([0x0f, 0xa0]));
    onScripted = (socket) =>
      socket.write(Buffer.concat([unmasked(TEXT, 'one'), unmasked(TEXT, 'two'), close]));
    const client = await dial(gateway.url, '/scripted');
    await vi.waitFor(() => expect(client.closeCodes).toEqual([4000]));
    expect(client.frames.map(({ opcode }) => opcode)).toEqual([TEXT, TEXT, CLOSE]);
    await vi.waitFor(() => expect(client.ended).toBe(true));
  });

  it('a close that nobody answers ends after a while', async () => {
    let gone = false;
    onScripted = (socket) => socket.on('close', () => (gone = true)).resume();
    const client = openSocket(`${gateway.url}/scripted`);
    await client.opened;
    client.socket.close(1000);
    expect((await client.ended).code).toBe(1000);
    await vi.waitFor(() => expect(gone).toBe(true), 6000);
  });
});
