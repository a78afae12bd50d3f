/** Services that are the source of channels, behind real gateways with several workers. */

import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { WebSocket } from 'ws';
import { type RunningGateway, startGateway } from '../../harness/gateway.ts';
import { type RunningRedis, startRedis } from '../../harness/redis.ts';
import { HAS_REDIS } from '../../harness/redis-cluster.ts';
import { startSocketService } from '../../harness/sockets.ts';
import { moment, openChannels, post } from '../channel-client.ts';

function config(url: string, upstream: object = {}, more: object = {}) {
  return {
    services: { ticks: { endpoints: [url] } },
    routes: [
      {
        name: 'feed',
        match: { path: '/feed' },
        websocket: true,
        channels: {
          allow: ['ticks.*'],
          history: { size: 1000, ttl: '10m' },
          upstream: {
            service: 'ticks',
            path: '/stream/${channel.name}?symbol=${channel.2}',
            keep: '300ms',
            ...upstream,
          },
        },
      },
      { name: 'other', match: { path: '/other' }, websocket: true, channels: { allow: ['*'] } },
    ],
    ...more,
  };
}

async function ticks() {
  const sockets: WebSocket[] = [];
  const service = await startSocketService((socket) => {
    sockets.push(socket);
    socket.on('close', () => sockets.splice(sockets.indexOf(socket), 1));
  });
  onTestFinished(() => service.close());
  return { ...service, sockets };
}

const openedBy = async (gateway: RunningGateway, count: number) => {
  const clients = await Promise.all(Array.from({ length: count }, () => openChannels(gateway)));
  await Promise.all(clients.map((client) => client.subscribe('ticks.A')));
  return clients;
};

describe('a service as the source of channels', () => {
  it('has one connection for 50 clients on 2 workers, as long as somebody listens', async () => {
    const service = await ticks();
    const gateway = await startGateway(config(service.url, {}, { workers: 2 }));
    const clients = await openedBy(gateway, 50);
    await expect.poll(() => service.sockets.length).toBe(1);
    expect(service.handshakes[0]!.url).toBe('/stream/ticks.A?symbol=A');
    for (let i = 0; i < 100; i++) service.sockets[0]!.send(`{"n":${i}}`);
    for (const client of clients) {
      await client.until(({ offset }) => offset === 100);
      expect(client.data('ticks.A')).toEqual(Array.from({ length: 100 }, (_, n) => ({ n })));
    }
    // Another channel is another connection.
    await clients[0]!.subscribe('ticks.B');
    await expect.poll(() => service.handshakes.length).toBe(2);
    expect((await post(gateway, '/channels/ticks.A', { data: 1 })).status).toBe(409);
    expect((await post(gateway, '/channels/other', { data: 1 })).status).toBe(200);
    // Somebody comes back at once: it stays.
    for (const client of clients) client.client.socket.close();
    const back = await openChannels(gateway);
    const { offset, epoch } = clients[0]!.messages('ticks.A').at(-1)!;
    expect(await back.subscribe('ticks.A', { offset: offset - 1, epoch })).toMatchObject({ recovered: true });
    await expect.poll(() => service.sockets.length).toBe(1);
    back.client.socket.close();
    await expect.poll(() => service.sockets.length).toBe(0);
    expect(service.handshakes).toHaveLength(2);
  });

  it('is connected again when it dies, and clients are told of the gap', async () => {
    const service = await ticks();
    const gateway = await startGateway(config(service.url));
    const [client] = await openedBy(gateway, 1);
    await expect.poll(() => service.sockets.length).toBe(1);
    service.sockets[0]!.send('1');
    service.sockets[0]!.send(Buffer.from([0xff]));
    service.sockets[0]!.send('not "JSON"');
    await client!.until(({ data }) => data === 'not "JSON"');
    service.sockets[0]!.terminate();
    await expect.poll(() => service.handshakes.length, { timeout: 5000 }).toBe(2);
    await expect.poll(() => service.sockets.length).toBe(1);
    service.sockets[0]!.send('"again"');
    const gap = await client!.until(({ op }) => op === 'gap');
    expect(gap).toMatchObject({ recovered: false, latest: { data: 'again' } });
    service.sockets[0]!.send('"on"');
    await client!.until(({ data }) => data === 'on');
    await gateway.logged(({ msg }) => msg === 'channels: the source of a channel is lost');
  });

  it('is held by another worker when its own dies', async () => {
    const service = await ticks();
    const gateway = await startGateway(config(service.url, { keep: '1m' }, { workers: 2 }));
    await openedBy(gateway, 10);
    await expect.poll(() => service.sockets.length).toBe(1);
    const [first] = service.sockets;
    // Which of them has it is the gateway's own business: both die, one after the other.
    const [one, two] = await gateway.workerPids();
    process.kill(one!, 'SIGKILL');
    await expect.poll(async () => (await gateway.workerPids()).includes(one!), { timeout: 8000 }).toBe(false);
    process.kill(two!, 'SIGKILL');
    await expect
      .poll(() => service.sockets.length > 0 && service.sockets[0] !== first, { timeout: 8000 })
      .toBe(true);
    await expect
      .poll(
        async () => (await gateway.ask('/workers')).body.workers.map(({ state }: { state: string }) => state),
        {
          timeout: 8000,
        },
      )
      .toEqual(['ready', 'ready']);
    const late = await openedBy(gateway, 5);
    await moment();
    expect(service.sockets).toHaveLength(1);
    service.sockets[0]!.send('7');
    for (const client of late) await client.until(({ data }) => data === 7);
  }, 30_000);

  it('as a stream of events goes on where it was', async () => {
    const lastIds: (string | undefined)[] = [];
    let response!: ServerResponse;
    const server = createServer((request, answer) => {
      lastIds.push(request.headers['last-event-id'] as string | undefined);
      response = answer.writeHead(200, { 'content-type': 'text/event-stream' });
      const from = Number(request.headers['last-event-id'] ?? 0);
      for (let i = from + 1; i <= from + 3; i++) response.write(`id: ${i}\ndata: {\ndata: "n": ${i} }\n\n`);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const gateway = await startGateway(config(`http://127.0.0.1:${port}`, { type: 'sse' }));
    const [client] = await openedBy(gateway, 1);
    await client!.until(({ data }) => data?.n === 3);
    response.end();
    await client!.until(({ data }) => data?.n === 6);
    expect(lastIds).toEqual([undefined, '3']);
    expect(client!.told.map(({ op }) => op).filter((op) => op === 'gap')).toEqual([]);
    expect(client!.messages('ticks.A').map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('follows the configuration', async () => {
    const [service, other] = [await ticks(), await ticks()];
    const gateway = await startGateway(config(service.url));
    const [client] = await openedBy(gateway, 1);
    await expect.poll(() => service.sockets.length).toBe(1);
    gateway.write(config(other.url, { path: '/v2/${channel.1}' }));
    expect((await gateway.reload()).status).toBe(200);
    await expect.poll(() => other.sockets.length, { timeout: 5000 }).toBe(1);
    await expect.poll(() => service.sockets.length).toBe(0);
    expect(other.handshakes[0]!.url).toBe('/v2/ticks');
    other.sockets[0]!.send('1');
    await client!.until(({ data }) => data === 1);
    const without = config(other.url);
    delete (without.routes[0]!.channels as { upstream?: unknown }).upstream;
    gateway.write({ ...without, services: {} });
    expect((await gateway.reload()).status).toBe(200);
    await expect.poll(() => other.sockets.length).toBe(0);
    expect((await post(gateway, '/channels/ticks.A', { data: 'mine' })).status).toBe(200);
    await client!.until(({ data, latest }) => data === 'mine' || latest?.data === 'mine');
  });

  it('is refused where it makes no sense, with the place', async () => {
    const { channels, ...route } = config('http://127.0.0.1:1').routes[0]!;
    const started = startGateway({
      services: { ticks: { endpoints: ['http://127.0.0.1:1'] } },
      routes: [
        {
          ...route,
          channels: { ...channels, upstream: { service: 'tiks', path: '/${channel.x}' } },
        },
      ],
    });
    await expect(started).rejects.toThrow(
      /upstream\.service {2}there is no service "tiks"; did you mean ticks/,
    );
    await expect(started).rejects.toThrow(/upstream\.path {2}no variable is called "channel\.x"/);
  });
});

describe.skipIf(!HAS_REDIS)('a source of several gateways', () => {
  let redis: RunningRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());

  it('has one connection for each, and says nothing twice', async () => {
    const service = await ticks();
    const [a, b] = [
      await startGateway(config(service.url, {}, { redis: redis.url })),
      await startGateway(config(service.url, {}, { redis: redis.url })),
    ];
    const [one] = await openedBy(a, 1);
    const [two] = await openedBy(b, 1);
    await expect.poll(() => service.sockets.length).toBe(2);
    for (const socket of service.sockets) for (let i = 1; i < 4; i++) socket.send(`${i}`);
    for (const client of [one!, two!]) {
      await client.until(({ data }) => data === 3);
      expect(client.data('ticks.A')).toEqual([1, 2, 3]);
    }
    const { offset, epoch } = one!.messages('ticks.A').at(-1)!;
    const moved = await openChannels(b);
    expect(await moved.subscribe('ticks.A', { offset, epoch })).toMatchObject({
      recovered: false,
      latest: { data: 3 },
    });
    expect(await redis.client.keys('sluice:channel:{ticks*')).toEqual([]);
    // Nobody else says anything there.
    await redis.client.xadd('sluice:publish', '*', 'channel', 'ticks.A', 'data', '99');
    await redis.client.xadd('sluice:publish', '*', 'channel', 'free', 'data', '1');
    const free = await openChannels(a, '/other');
    await free.subscribe('free');
    await redis.client.xadd('sluice:publish', '*', 'channel', 'free', 'data', '2');
    await free.until(({ data }) => data === 2);
    expect(one!.data('ticks.A')).toEqual([1, 2, 3]);
  });
});
