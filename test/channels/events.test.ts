/** Channels as streams of events, and streams of services through the gateway. */
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { moment, openEvents, publish } from './channel-client.ts';

let gateway: RunningGateway;

beforeAll(async () => {
  gateway = await startGateway({
    workers: 2,
    accessLog: 'all',
    routes: [
      {
        name: 'feed',
        match: { path: '/feed' },
        channels: { allow: ['ticks.*', 'news.*'], events: { keepAlive: '1s' } },
      },
      {
        name: 'slow',
        match: { path: '/slow' },
        channels: { allow: ['big.*'], buffer: '64KiB', slowFor: '1s' },
      },
      {
        name: 'sockets',
        match: { path: '/sockets' },
        websocket: true,
        channels: { allow: ['*'], events: false },
      },
    ],
  });
});

afterAll(async () => {
  await gateway?.stop();
});

describe('a stream of events', () => {
  it('brings the messages of a channel, each at once', async () => {
    const { events, response, ...stream } = await openEvents(gateway, 'channel=ticks.a');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('cache-control')).toBe('no-store');
    await expect.poll(() => events).toHaveLength(1);
    expect(events[0]).toEqual({
      id: expect.stringMatching(/^[\w-]+:0$/),
      event: 'subscribed',
      data: { op: 'subscribed', channel: 'ticks.a', offset: 0, epoch: expect.any(String) },
    });
    for (let i = 1; i <= 3; i++) {
      const { epoch } = await publish(gateway, 'ticks.a', { line: 'one\ntwo', i });
      await expect.poll(() => events).toHaveLength(i + 1);
      expect(events[i]).toEqual({
        id: `${epoch}:${i}`,
        event: 'message',
        data: { channel: 'ticks.a', data: { line: 'one\ntwo', i }, offset: i, epoch },
      });
    }
    void stream;
  });

  it('goes on where it ended, with Last-Event-ID', async () => {
    const first = await openEvents(gateway, 'channel=ticks.b');
    await expect.poll(() => first.events).toHaveLength(1);
    await publish(gateway, 'ticks.b', 1);
    await expect.poll(() => first.messages).toHaveLength(1);
    first.close();
    await publish(gateway, 'ticks.b', 2);
    await publish(gateway, 'ticks.b', 3);
    const again = await openEvents(gateway, 'channel=ticks.b', { 'last-event-id': first.lastId });
    await expect.poll(() => again.messages.map(({ data }) => data.data)).toEqual([2, 3]);
    expect(again.events[0]).toMatchObject({ event: 'subscribed', data: { recovered: true } });
    const byQuery = await openEvents(gateway, `channel=ticks.b&since=${first.lastId}`);
    await expect.poll(() => byQuery.messages.map(({ data }) => data.data)).toEqual([2, 3]);
    const lost = await openEvents(gateway, 'channel=ticks.b', { 'last-event-id': 'nonsense:2' });
    await expect.poll(() => lost.events[0]?.data).toMatchObject({ recovered: false, latest: { data: 3 } });
  });

  it('keeps the positions of several channels in one id', async () => {
    const query = 'channel=news.x&channel=ticks.c';
    const first = await openEvents(gateway, query);
    await expect.poll(() => first.events).toHaveLength(2);
    await publish(gateway, 'news.x', 'n1');
    await publish(gateway, 'ticks.c', 't1');
    await publish(gateway, 'ticks.c', 't2');
    await expect.poll(() => first.messages).toHaveLength(3);
    expect(first.lastId).toMatch(/^[\w-]+:1,[\w-]+:2$/);
    first.close();
    await publish(gateway, 'news.x', 'n2');
    await publish(gateway, 'ticks.c', 't3');
    const again = await openEvents(gateway, query, { 'last-event-id': first.lastId });
    await expect
      .poll(() => again.messages.map(({ data }) => `${data.channel} ${data.data}`).sort())
      .toEqual(['news.x n2', 'ticks.c t3']);
  });

  it('is told that it may have missed something when its id cannot be read', async () => {
    const { epoch } = await publish(gateway, 'ticks.odd', 1);
    for (const [query, id] of [
      ['channel=ticks.odd', 'of somebody else'],
      ['channel=ticks.odd', `${epoch}:1,${epoch}:1`],
      ['channel=ticks.odd&channel=ticks.odder', `${epoch}:1`],
    ] as const) {
      const client = await openEvents(gateway, query, { 'last-event-id': id });
      await expect
        .poll(() => client.events[0]?.data)
        .toMatchObject({
          recovered: false,
          latest: { data: 1, offset: 1 },
        });
    }
    // An id that was given while one of two was not subscribed yet.
    const half = await openEvents(gateway, 'channel=ticks.odd&channel=ticks.new', {
      'last-event-id': `${epoch}:1,`,
    });
    await expect.poll(() => half.events.length).toBe(2);
    expect(half.events.map(({ data }) => data.recovered)).toEqual([true, undefined]);
  });

  it('gets a comment when nothing is said, and is told when to come back', async () => {
    const stream = await openEvents(gateway, 'channel=ticks.quiet');
    await expect.poll(() => stream.comments.length, { timeout: 5000 }).toBeGreaterThan(0);
    expect(stream.retry).toBeGreaterThanOrEqual(1500);
    expect(stream.retry).toBeLessThanOrEqual(4500);
  });

  it('is refused with a problem when it cannot be', async () => {
    const ask = async (path: string, init: RequestInit = {}) => {
      const answer = await fetch(gateway.url + path, {
        ...init,
        headers: { accept: 'text/event-stream', ...init.headers },
      });
      const { code } = (await answer.json()) as { code: string };
      return `${answer.status} ${code}`;
    };
    expect(await ask('/feed')).toBe('400 BAD_CHANNELS');
    expect(await ask('/feed?channel=')).toBe('400 BAD_CHANNELS');
    expect(await ask('/feed?channel=ticks.a&channel=ticks.a')).toBe('400 BAD_CHANNELS');
    const many = Array.from({ length: 51 }, (_, i) => `channel=ticks.${i}`).join('&');
    expect(await ask(`/feed?${many}`)).toBe('400 BAD_CHANNELS');
    expect(await ask('/feed?channel=orders.a')).toBe('403 CHANNEL_FORBIDDEN');
    const headers = { accept: 'text/event-stream' };
    const refusal = await fetch(`${gateway.url}/feed?channel=orders.a`, { headers });
    expect(await refusal.json()).toMatchObject({ detail: 'The channel orders.a is not for this client.' });
    for (const accept of [
      'text/html',
      'text/event-stream;q=0',
      'text/event-stream; Q=0.0, */*',
      'text/*;q=0, */*',
    ])
      expect(await ask('/feed?channel=ticks.a', { headers: { accept } }), accept).toBe('406 NO_EVENTS');
    expect(await ask('/sockets?channel=ticks')).toBe('406 NO_EVENTS');
    expect(await ask('/feed?channel=ticks.a', { method: 'POST' })).toBe('405 METHOD_NOT_ALLOWED');
    const head = await fetch(`${gateway.url}/feed?channel=ticks.a`, { method: 'HEAD' });
    expect(head.status).toBe(200);
  });

  it('of a client that does not read ends, and holds no more than it may', async () => {
    const { port } = new URL(gateway.url);
    const socket = connect(Number(port), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    let closed = false;
    socket.on('close', () => {
      closed = true;
    });
    socket.on('error', () => {});
    socket.write('GET /slow?channel=big.1 HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    const data = 'x'.repeat(50_000);
    for (let i = 0; i < 400; i++) await publish(gateway, 'big.1', data);
    const line = await gateway.logged(({ msg, path }) => msg === 'access' && path === '/slow', 10_000);
    expect(line).toMatchObject({ close_code: 4408 });
    // What the kernel had taken, and little more.
    expect(line.bytes_out).toBeLessThan(15_000_000);
    socket.resume();
    await expect.poll(() => closed, { timeout: 5000 }).toBe(true);
  });

  it('ends when the client leaves, with one access line', async () => {
    const stream = await openEvents(gateway, 'channel=ticks.left&x=left');
    await publish(gateway, 'ticks.left', 1);
    await expect.poll(() => stream.messages).toHaveLength(1);
    stream.close();
    await gateway.logged(({ msg, query }) => msg === 'access' && query === 'channel=ticks.left&x=left');
    await expect
      .poll(async () => (await gateway.ask('/channels/ticks.left')).body.workers, { timeout: 5000 })
      .toEqual([]);
  });
});

describe('a stream of events of a service', () => {
  it('passes at once, event by event', async () => {
    let stream!: ServerResponse;
    const service = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      stream = response;
      response.write(': hello\n\n');
    });
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      service.closeAllConnections();
      service.close();
    });
    const { port } = service.address() as AddressInfo;
    const proxy = await startGateway({
      services: { stream: { endpoints: [`http://127.0.0.1:${port}`] } },
      routes: [{ name: 'stream', match: { path: '/stream' }, service: 'stream' }],
    });
    const client = await openEvents(proxy, '', {}, '/stream');
    await expect.poll(() => client.comments).toHaveLength(1);
    for (let i = 1; i <= 20; i++) {
      stream.write(`id: ${i}\ndata: ${i}\n\n`);
      // The next one is not written before this one has arrived.
      await expect.poll(() => client.messages.length, { interval: 2 }).toBe(i);
    }
    await moment();
    expect(client.messages.map(({ data }) => data)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });
});
