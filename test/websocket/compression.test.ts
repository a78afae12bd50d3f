/** permessage-deflate towards clients: agreed upon, used, bounded. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { WebSocket } from 'ws';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import {
  BINARY,
  CONTINUATION,
  dial,
  echo,
  type FrameClient,
  frame,
  openSocket,
  SocketClient,
  type SocketService,
  startSocketService,
  TEXT,
} from '../harness/sockets.ts';

let service: SocketService;
let gateway: RunningGateway;
/** Where each socket has memory of its own. */
let own: RunningGateway;
let neighbour: SocketClient;
let last: WebSocket;
let lastEnd: Promise<number>;
let heard = 0;

beforeAll(async () => {
  service = await startSocketService((socket, { url }) => {
    if (url !== '/off') {
      last = socket;
      lastEnd = new Promise((resolve) => socket.once('close', resolve));
      socket.on('message', () => heard++);
    }
    echo(socket);
  });
  const route = (name: string, compression: unknown) => ({
    name,
    match: { path: `/${name}` },
    service: 'game',
    websocket: { compression, maxMessage: '256KiB' },
  });
  gateway = await startGateway({
    listen: { host: '127.0.0.1', port: 0, maxMessageBytes: '1MiB' },
    services: { game: { endpoints: [service.url] } },
    routes: [route('shared', { minBytes: 100 }), route('off', 'off')],
  });
  own = await startGateway({
    services: { game: { endpoints: [service.url] } },
    routes: [route('dedicated', { mode: 'dedicated', minBytes: 10 })],
  });
  neighbour = new SocketClient(`${gateway.url}/off`);
  await neighbour.opened;
});

afterAll(async () => {
  neighbour?.socket.terminate();
  await Promise.all([gateway?.stop(), own?.stop()]);
  await service?.close();
});

async function expectNeighbourWell() {
  neighbour.socket.send('well?');
  expect(await neighbour.next()).toBe('well?');
}

const SAFARI =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.1 Safari/605.1.15';

function urlOf(path: string): string {
  return (path === '/dedicated' ? own : gateway).url;
}

describe('the offer', () => {
  const shared = 'permessage-deflate; client_no_context_takeover; server_no_context_takeover';
  const dedicated = 'permessage-deflate; client_no_context_takeover; server_max_window_bits=11';
  const cases: [string, string, string | undefined, string | undefined][] = [
    ['of browsers', '/shared', 'permessage-deflate; client_max_window_bits', shared],
    ['with a context of its own', '/dedicated', 'permessage-deflate', dedicated],
    ['of a window that suits us', '/dedicated', 'permessage-deflate; server_max_window_bits=12', dedicated],
    [
      'of a context that we would keep',
      '/dedicated',
      'permessage-deflate; server_no_context_takeover',
      undefined,
    ],
    ['of no context', '/shared', 'permessage-deflate; server_no_context_takeover', shared],
    ['on a route without compression', '/off', 'permessage-deflate', undefined],
    ['of none', '/shared', undefined, undefined],
    ['of something else', '/shared', 'x-webkit-deflate-frame', undefined],
    [
      'of a window that is too small for us',
      '/shared',
      'permessage-deflate; server_max_window_bits=10',
      undefined,
    ],
    [
      'with a second choice',
      '/shared',
      'permessage-deflate; server_max_window_bits=10, permessage-deflate',
      shared,
    ],
    ['with a parameter that nobody knows', '/shared', 'permessage-deflate; faster', undefined],
    [
      'with a parameter twice',
      '/shared',
      'permessage-deflate; client_max_window_bits; client_max_window_bits',
      undefined,
    ],
    ['with a value that is none', '/shared', 'permessage-deflate; client_max_window_bits=99', undefined],
    ['whose name only looks alike', '/shared', 'permessage-deflate2', undefined],
  ];

  it.each(cases)('%s', async (_name, path, offer, agreed) => {
    const { head } = await dial(urlOf(path), path, { 'Sec-WebSocket-Extensions': offer });
    const answer = /sec-websocket-extensions: (.*)/i.exec(head)?.[1];
    expect(head).toContain(' 101 ');
    const words = (text: string | undefined) => text?.split(/; ?/).toSorted();
    expect(words(answer)).toEqual(words(agreed));
    expect(service.handshakes.at(-1)!.headers['sec-websocket-extensions']).toBeUndefined();
  });

  it('is not taken from a browser that cannot do what it offers', async () => {
    const { head } = await dial(gateway.url, '/shared', {
      'Sec-WebSocket-Extensions': 'permessage-deflate',
      'User-Agent': SAFARI,
    });
    expect(head.toLowerCase()).not.toContain('sec-websocket-extensions');
  });
});

const COMPRESSED = 4;

/** One message, as a client that forgets its context sends it (RFC 7692 §7.2.1). */
function deflated(message: Buffer | string): Buffer {
  return deflateRawSync(message, { finishFlush: 2 }).subarray(0, -4);
}

async function dialCompressed(path = '/shared'): Promise<FrameClient> {
  return await dial(gateway.url, path, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
}

describe('messages', () => {
  it.each(['/shared', '/dedicated'])('of any size arrive as they were, both ways: %s', async (path) => {
    const client = openSocket(`${urlOf(path)}${path}`, [], { perMessageDeflate: { threshold: 0 } });
    await client.opened;
    expect(client.socket.extensions).toContain('permessage-deflate');
    const messages = [
      '',
      'short',
      'x'.repeat(99),
      'ünïcödé '.repeat(50),
      'y'.repeat(100_000),
      Buffer.alloc(200_000, 7),
      Buffer.alloc(0),
    ];
    for (let round = 0; round < 5; round++) {
      for (const message of messages) client.socket.send(message);
      for (const message of messages) {
        const got = await client.next();
        expect(typeof got).toBe(typeof message);
        expect(Buffer.from(got as string).equals(Buffer.from(message as string))).toBe(true);
      }
    }
  });

  it('are compressed from the size on that the route says', async () => {
    const client = await dialCompressed();
    const bytesBefore = client.socket.bytesRead;
    last.send('z'.repeat(99));
    last.send('z'.repeat(50_000));
    await vi.waitFor(() => expect(client.frames).toHaveLength(2));
    expect(client.frames[0]!.payload.toString()).toBe('z'.repeat(99));
    const { payload } = client.frames[1]!;
    expect(payload.length).toBeLessThan(500);
    expect(client.socket.bytesRead - bytesBefore).toBeLessThan(1_000);
    const inflated = inflateRawSync(Buffer.concat([payload, Buffer.from([0, 0, 0xff, 0xff])]), {
      finishFlush: 2,
    });
    expect(inflated.toString()).toBe('z'.repeat(50_000));
  });

  it('of clients that have not offered it are sent as they are', async () => {
    const client = openSocket(`${gateway.url}/shared`);
    await client.opened;
    client.socket.send('q'.repeat(1_000));
    expect(await client.next()).toBe('q'.repeat(1_000));
  });
});

describe('what no decent client compresses', () => {
  it('a bomb above maxMessage ends its socket with 1009, and nothing of it reaches the service', async () => {
    heard = 0;
    const client = await dialCompressed();
    const bomb = deflated(Buffer.alloc(300 * 1024));
    expect(bomb.length).toBeLessThan(1024);
    client.send(frame(BINARY, bomb, { reserved: COMPRESSED }));
    await vi.waitFor(() => expect(client.closeCodes).toEqual([1009]), 5000);
    expect(await lastEnd).toBe(1009);
    expect(heard).toBe(0);
    await expectNeighbourWell();
  });

  it('a bomb above what the listener reads is not even unpacked', async () => {
    heard = 0;
    const resident = async () =>
      Number(
        /^sluice_worker_resident_bytes\{worker="1"\} (\d+)/m.exec((await gateway.ask('/metrics')).body)?.[1],
      );
    const before = await resident();
    const bomb = deflated(Buffer.alloc(512 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(900 * 1024);
    const clients = await Promise.all(Array.from({ length: 5 }, () => dialCompressed()));
    const ends = lastEnd;
    const half = Math.floor(bomb.length / 2);
    clients[0]!.send(frame(BINARY, bomb, { reserved: COMPRESSED }));
    for (const client of clients.slice(1)) {
      client.send(
        frame(BINARY, bomb.subarray(0, half), { reserved: COMPRESSED, fin: false }),
        frame(CONTINUATION, bomb.subarray(half)),
      );
    }
    await vi.waitFor(() => expect(clients.every(({ ended }) => ended)).toBe(true), 5000);
    await ends;
    expect(heard).toBe(0);
    expect((await resident()) - before).toBeLessThan(48 * 1024 * 1024);
    await expectNeighbourWell();
  }, 15_000);

  it.each([
    ['garbage', Buffer.from('this is not deflated at all, whatever its bit says')],
    ['text that is no UTF-8', deflated(Buffer.from([0xc3, 0x28]))],
  ])('%s ends its socket', async (_name, payload) => {
    heard = 0;
    const client = await dialCompressed();
    client.send(frame(TEXT, payload, { reserved: COMPRESSED }));
    await vi.waitFor(() => expect(client.ended).toBe(true), 5000);
    expect(heard).toBe(0);
    await expectNeighbourWell();
  });

  it('a compressed frame on a socket without compression ends it', async () => {
    const client = await dial(gateway.url, '/shared');
    client.send(frame(TEXT, deflated('hello'), { reserved: COMPRESSED }));
    await vi.waitFor(() => expect(client.ended).toBe(true), 5000);
    await expectNeighbourWell();
  });
});
