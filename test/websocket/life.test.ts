/** Slow peers, reloads, drains, and workers that die. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { WebSocket } from 'ws';
import { type GatewayConfig, type RunningGateway, startGateway } from '../harness/gateway.ts';
import { type Ended, echo, openSocket, type SocketService, startSocketService } from '../harness/sockets.ts';

let service: SocketService;
let last: WebSocket;
let lastEnd: Promise<Ended>;

beforeAll(async () => {
  service = await startSocketService((socket, request) => {
    last = socket;
    lastEnd = new Promise((resolve) =>
      socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })),
    );
    if (request.url === '/deaf') (socket as unknown as { _socket: { pause(): void } })._socket.pause();
    else echo(socket);
  });
});

afterAll(async () => {
  await service?.close();
});

function configOf(
  routes: Record<string, unknown>,
  more: Record<string, unknown> = {},
): Exclude<GatewayConfig, string | null> {
  return {
    services: { game: { endpoints: [service.url] } },
    routes: Object.entries(routes).map(([name, websocket]) => ({
      name,
      match: { path: `/${name}` },
      service: 'game',
      websocket,
    })),
    ...more,
  };
}

async function residentBytes(gateway: RunningGateway): Promise<number> {
  const { body } = await gateway.ask('/metrics');
  return Number(/^sluice_worker_resident_bytes\{worker="1"\} (\d+)/m.exec(body)?.[1]);
}

describe('handshakes', () => {
  it('that were taken stay: hundreds of them, over young processes', async () => {
    for (let i = 0; i < 3; i++) {
      const gateway = await startGateway(
        configOf({ game: true }, { drain: { delay: 0, timeout: '5s', sockets: '200ms' } }),
      );
      const clients = Array.from({ length: 150 }, () => openSocket(`${gateway.url}/game`));
      await Promise.all(clients.map(({ opened }) => opened));
      for (const client of clients) client.socket.send('there');
      for (const client of clients) expect(await client.next()).toBe('there');
      await gateway.stop();
    }
  });
});

describe('a client that does not read', () => {
  it('makes the service wait, costs a bounded memory, loses nothing, and disturbs nobody', async () => {
    const gateway = await startGateway(configOf({ game: { buffer: '64KiB' } }));
    const slow = openSocket(`${gateway.url}/game`);
    await slow.opened;
    const sender = last;
    const before = await residentBytes(gateway);
    slow.socket.pause();
    const message = Buffer.alloc(16 * 1024);
    const count = 4_000;
    for (let i = 0; i < count; i++) {
      message.writeUInt32BE(i);
      sender.send(Buffer.from(message));
    }
    const quick = openSocket(`${gateway.url}/game`);
    await quick.opened;
    for (let i = 0; i < 20; i++) {
      quick.socket.send(String(i));
      expect(await quick.next()).toBe(String(i));
    }
    await sleep(500);
    expect(sender.bufferedAmount).toBeGreaterThan(20 * 1024 * 1024);
    expect((await residentBytes(gateway)) - before).toBeLessThan(32 * 1024 * 1024);
    slow.socket.resume();
    for (let i = 0; i < count; i++) expect((await slow.next()) as Buffer).toHaveLength(16 * 1024);
    expect(slow.messages).toEqual([]);
  });

  it('is closed with 4408 where the route says so', async () => {
    const gateway = await startGateway(
      configOf({ game: { buffer: '64KiB', slow: 'close', slowFor: '300ms' } }),
    );
    const slow = openSocket(`${gateway.url}/game`);
    await slow.opened;
    const end = lastEnd;
    slow.socket.pause();
    for (let i = 0; i < 2_000; i++) last.send(Buffer.alloc(16 * 1024));
    expect((await end).code).toBe(1001);
    slow.socket.resume();
    expect((await slow.ended).code).toBe(4408);
  });

  it('is not taken for one whose service has nothing to say', async () => {
    const gateway = await startGateway(configOf({ game: { buffer: '64KiB', idle: '1s' } }));
    const slow = openSocket(`${gateway.url}/game`);
    await slow.opened;
    slow.socket.pause();
    const count = 1_000;
    for (let i = 0; i < count; i++) last.send(Buffer.alloc(16 * 1024));
    await sleep(2_500);
    slow.socket.resume();
    for (let i = 0; i < count; i++) expect((await slow.next()) as Buffer).toHaveLength(16 * 1024);
    expect((await slow.ended).code).toBe(1001);
  });
});

describe('a service that does not read', () => {
  it('ends the socket with 1013 when more waits for it than the route allows', async () => {
    const gateway = await startGateway(configOf({ deaf: { buffer: '64KiB' } }));
    const client = openSocket(`${gateway.url}/deaf`);
    await client.opened;
    const flood = setInterval(() => {
      for (let i = 0; i < 20; i++) client.socket.send(Buffer.alloc(64 * 1024));
    }, 5);
    const { code } = await client.ended;
    clearInterval(flood);
    expect(code).toBe(1013);
  });

  it('still gets what the client said before it closed, and the close', async () => {
    const gateway = await startGateway(configOf({ deaf: { buffer: '16MiB' } }));
    const client = openSocket(`${gateway.url}/deaf`);
    await client.opened;
    const { _socket: connection } = last as unknown as { _socket: { resume(): void } };
    const end = lastEnd;
    let bytes = 0;
    last.on('message', (message: Buffer) => {
      bytes += message.length;
    });
    for (let i = 0; i < 100; i++) client.socket.send(Buffer.alloc(100_000));
    client.socket.close(4001, 'enough');
    expect((await client.ended).code).toBe(4001);
    await sleep(2_500);
    connection.resume();
    expect(await end).toEqual({ code: 4001, reason: 'enough' });
    expect(bytes).toBe(100 * 100_000);
  });
});

describe('reloads', () => {
  it('close no socket whose route remains, and end those of a route that is gone', async () => {
    const gateway = await startGateway(configOf({ stays: true, goes: true }, { workers: 2 }));
    const stays = Array.from({ length: 50 }, () => openSocket(`${gateway.url}/stays`));
    const goes = openSocket(`${gateway.url}/goes`);
    await Promise.all([...stays, goes].map(({ opened }) => opened));
    for (let i = 0; i < 5; i++) expect((await gateway.reload()).status).toBe(200);
    for (const [i, client] of stays.entries()) {
      client.socket.send(`${i}`);
      expect(await client.next()).toBe(`${i}`);
    }
    gateway.write(configOf({ stays: { maxMessage: '2KiB' } }, { workers: 2 }));
    expect((await gateway.reload()).status).toBe(200);
    expect((await goes.ended).code).toBe(1012);
    for (const client of stays) {
      client.socket.send('still');
      expect(await client.next()).toBe('still');
    }
  });
});

describe('a drain', () => {
  it('closes sockets with 1012, one after the other, and the gateway leaves with 0', async () => {
    const gateway = await startGateway(configOf({ game: true }, { drain: { delay: 0, timeout: '3s' } }));
    const clients = Array.from({ length: 30 }, () => openSocket(`${gateway.url}/game`));
    await Promise.all(clients.map(({ opened }) => opened));
    const times: number[] = [];
    for (const { ended } of clients) void ended.then(() => times.push(performance.now()));
    const exit = gateway.stop();
    const ends = await Promise.all(clients.map(({ ended }) => ended));
    expect(new Set(ends.map(({ code }) => code))).toEqual(new Set([1012]));
    await vi.waitFor(() => expect(times).toHaveLength(30));
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(300);
    expect(await exit).toBe(0);
  });
});

describe('a worker that is killed', () => {
  it('takes its own sockets with it, and no others', async () => {
    const gateway = await startGateway(configOf({ game: true }, { workers: 2 }));
    const clients = Array.from({ length: 20 }, () => openSocket(`${gateway.url}/game`));
    await Promise.all(clients.map(({ opened }) => opened));
    let gone = 0;
    for (const { ended } of clients) void ended.then(({ code }) => (gone += code === 1006 ? 1 : 1000));
    const [pid] = await gateway.workerPids();
    process.kill(pid as number, 'SIGKILL');
    await sleep(1500);
    expect(gone).toBeGreaterThan(0);
    expect(gone).toBeLessThan(20);
    for (const client of clients.filter(({ socket }) => socket.readyState === 1)) {
      client.socket.send('alive');
      expect(await client.next()).toBe('alive');
    }
    const again = openSocket(`${gateway.url}/game`);
    await again.opened;
  });
});

describe('credentials', () => {
  it('that expire close the socket with 4401', async () => {
    const { createSigner } = await import('fast-jwt');
    const secret = 'x'.repeat(32);
    const sign = createSigner({ key: secret, algorithm: 'HS256' });
    const gateway = await startGateway(
      configOf(
        { game: true },
        {
          auth: {
            providers: {
              users: { type: 'jwt', algorithms: ['HS256'], secret, issuer: 'i', audience: 'a', skew: '0s' },
            },
          },
          defaults: { auth: 'users' },
        },
      ),
    );
    const token = sign({ iss: 'i', aud: 'a', sub: 'u', exp: Math.floor(Date.now() / 1000) + 2 });
    const client = openSocket(`${gateway.url}/game`, [], { headers: { authorization: `Bearer ${token}` } });
    await client.opened;
    client.socket.send('in time');
    expect(await client.next()).toBe('in time');
    expect((await client.ended).code).toBe(4401);
    onTestFinished(() => {});
  });
});
