import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { WebSocket } from 'ws';
import type { SourceNews, SourceSpec } from '../../../src/services/channels/sources.ts';
import type { Balancer } from '../../../src/upstream/balance/balancer.ts';
import { Endpoint } from '../../../src/upstream/endpoint.ts';
import { Service } from '../../../src/upstream/service.ts';
import { SourceKeeper } from '../../../src/websocket/sources/source-keeper.ts';
import { startSocketService } from '../../harness/sockets.ts';

function serviceAt(url: string): Service {
  const tls = { verify: true };
  const endpoint = new Endpoint({ url, maxConnections: 100, maxWaiting: 100, keepAliveMs: 1000, tls });
  const balancer = { take: () => {}, pick: () => endpoint } as unknown as Balancer;
  const timeouts = { connect: 1000, firstByte: 2000, idle: 1000, total: 1000 };
  return new Service('ticks', { timeouts, open: () => endpoint, balancer, health: null, resilience: null });
}

const SPEC: SourceSpec = {
  channel: 'ticks.A',
  service: 'ticks',
  target: '/stream?a=1',
  type: 'websocket',
  headers: ['x-key', 'secret'],
  idleMs: 60_000,
  maxBytes: 1000,
  lastId: '',
};

function keep(url: string, hand: (news: readonly SourceNews[]) => Promise<void> = async () => {}) {
  const service = serviceAt(url);
  const news: SourceNews[] = [];
  const keeper = new SourceKeeper({
    service: (name) => (name === 'ticks' ? service : null),
    hand: async (some) => {
      news.push(...some);
      await hand(some);
    },
  });
  onTestFinished(() => keeper.closeAll());
  const told = () =>
    news.map((one) => {
      if ('data' in one) return one.id === '' ? one.data : `${one.id}:${one.data}`;
      return 'opened' in one ? `opened${one.resumed ? ' again' : ''}` : `lost ${one.lost}`;
    });
  return { keeper, news, told };
}

async function socketService() {
  const sockets: WebSocket[] = [];
  const service = await startSocketService((socket) => sockets.push(socket));
  onTestFinished(() => service.close());
  const socket = async (n: number) => {
    await expect.poll(() => sockets.length, { timeout: 5000 }).toBe(n);
    return sockets[n - 1]!;
  };
  return { ...service, sockets, socket };
}

async function streamService(onRequest: (request: IncomingMessage, response: ServerResponse) => void) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    onRequest(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

const asEvents = { 'content-type': 'text/event-stream; charset=utf-8' };

describe('a WebSocket as the source of a channel', () => {
  it('brings its messages, as JSON whatever they are', async () => {
    const service = await socketService();
    const { keeper, told } = keep(service.url);
    keeper.open(SPEC);
    const socket = await service.socket(1);
    const [request] = service.handshakes;
    expect(request).toMatchObject({
      url: '/stream?a=1',
      headers: { 'x-key': 'secret', 'user-agent': 'sluice' },
    });
    expect(request!.headers).not.toHaveProperty('x-forwarded-for');
    socket.send('{"bid": 1.50}');
    socket.send('no "JSON"');
    socket.send('{\n"a":\r\n1}');
    socket.send(Buffer.from('[1]'));
    socket.send(Buffer.from([0xff, 0xfe]));
    socket.send(`"${'x'.repeat(997)}"`);
    socket.send('true');
    await expect
      .poll(told)
      .toEqual([
        'opened',
        '{"bid": 1.50}',
        '"no \\"JSON\\""',
        '{"a":1}',
        '[1]',
        `"${'x'.repeat(997)}"`,
        'true',
      ]);
    expect(keeper.counts.garbage).toBe(1);
    expect(keeper.connected).toBe(1);
    keeper.close('ticks.A');
    const [code] = await once(socket, 'close');
    expect(code).toBe(1001);
  });

  it('is connected again when it ends, whatever ended it', async () => {
    const service = await socketService();
    const { keeper, told } = keep(service.url);
    keeper.open(SPEC);
    (await service.socket(1)).close(1011);
    (await service.socket(2)).terminate();
    (await service.socket(3)).send('x'.repeat(1001));
    (await service.socket(4)).send('1');
    await expect
      .poll(told)
      .toEqual([
        'opened',
        'lost the service has closed (1011)',
        'opened',
        'lost the service has closed (1006)',
        'opened',
        'lost a message is larger than channels.maxMessage',
        'opened',
        '1',
      ]);
  });

  it('is tried again, later and later, while it is refused or is not there', async () => {
    let refusals = 0;
    const service = await startSocketService(() => {}, {
      refuse: (_request, socket) => {
        refusals++;
        socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
        return true;
      },
    });
    const { keeper, told } = keep(service.url);
    keeper.open(SPEC);
    await expect.poll(() => refusals, { timeout: 5000 }).toBeGreaterThanOrEqual(3);
    expect(told()[0]).toBe('lost the service answered 403');
    await service.close();
    await expect.poll(() => told().at(-1), { timeout: 5000 }).toMatch(/^lost (CONNECT|UPSTREAM|BAD|SERVICE)/);
    expect(refusals).toBeLessThan(8);
  });

  it('is given up when it says nothing for too long', async () => {
    const silent = createServer()
      .on('upgrade', () => {})
      .listen(0, '127.0.0.1');
    await once(silent, 'listening');
    onTestFinished(() => void silent.close());
    const { keeper, told } = keep(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`);
    keeper.open(SPEC);
    await expect.poll(told, { timeout: 5000 }).toEqual([expect.stringMatching(/^lost .*TIMEOUT/)]);
  });

  it('is not read while the primary does not keep up, and nothing is lost', async () => {
    const service = await socketService();
    let takeAll = () => {};
    const taken = new Promise<void>((resolve) => {
      takeAll = resolve;
    });
    const { keeper, news } = keep(service.url, () => taken);
    keeper.open({ ...SPEC, maxBytes: 100_000 });
    const socket = await service.socket(1);
    const message = `"${'x'.repeat(50_000)}"`;
    for (let i = 0; i < 400; i++) socket.send(message);
    // 20 MB: more than the gateway holds, and more than the kernel does.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(socket.bufferedAmount).toBeGreaterThan(1_000_000);
    takeAll();
    await expect.poll(() => news.length, { timeout: 5000 }).toBe(401);
  });
});

describe('a stream of events as the source of a channel', () => {
  const spec: SourceSpec = { ...SPEC, type: 'sse', idleMs: 60_000 };

  it('brings its events, and goes on behind the last one', async () => {
    let n = 0;
    const service = await streamService((_request, response) => {
      response.writeHead(200, asEvents);
      response.write(`: hello\n\nid: ${++n}\ndata: {"n":${n}}\n\n`);
      if (n === 1) response.end();
    });
    const { keeper, told } = keep(service.url);
    keeper.open(spec);
    await expect
      .poll(told, { timeout: 5000 })
      .toEqual(['opened', '1:{"n":1}', 'lost the service has ended the stream', 'opened again', '2:{"n":2}']);
    const [first, second] = service.requests;
    expect(first!.headers).toMatchObject({ accept: 'text/event-stream', 'x-key': 'secret' });
    expect(first!.headers).not.toHaveProperty('last-event-id');
    expect(second!.headers['last-event-id']).toBe('1');
    expect(keeper.connected).toBe(1);
  });

  it('outlives the time that requests have', async () => {
    const service = await streamService((_request, response) => {
      response.writeHead(200, asEvents);
      response.write('data: 1\n\n');
      setTimeout(() => response.write('data: 2\n\n'), 1500);
    });
    const { keeper, told } = keep(service.url);
    keeper.open(spec);
    await expect.poll(told, { timeout: 5000 }).toEqual(['opened', '1', '2']);
  });

  it('is none when the service answers something else', async () => {
    const service = await streamService((_request, response) => response.end('hello'));
    const { keeper, told } = keep(service.url);
    keeper.open(spec);
    await expect.poll(() => told()[0]).toBe('lost the service answered 200 with ""');
    expect(keeper.connected).toBe(0);
  });

  it('leaves nothing behind when nobody wants it any more', async () => {
    let closed = 0;
    const service = await streamService((_request, response) => {
      response.writeHead(200, asEvents).on('close', () => closed++);
      response.write('data: 1\n\n');
    });
    const { keeper, told } = keep(service.url);
    keeper.open(spec);
    await expect.poll(told).toEqual(['opened', '1']);
    keeper.close('ticks.A');
    await expect.poll(() => closed).toBe(1);
    keeper.open({ ...spec, service: 'unknown' });
    keeper.closeAll();
    expect(told()).toEqual(['opened', '1']);
  });
});
