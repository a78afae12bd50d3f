/** How much one client may send, and what. The others never notice. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import {
  echo,
  openSocket,
  SocketClient,
  type SocketService,
  startSocketService,
} from '../harness/sockets.ts';

let service: SocketService;
let gateway: RunningGateway;
let neighbour: SocketClient;
/** What the service got from the last socket. */
let heard: string[] = [];
let lastEnd: Promise<number>;

beforeAll(async () => {
  service = await startSocketService((socket) => {
    const mine: string[] = [];
    heard = mine;
    socket.on('message', (message) => mine.push(message.toString('latin1')));
    lastEnd = new Promise((resolve) => socket.once('close', resolve));
    echo(socket);
  });
  const routes: Record<string, Record<string, unknown>> = {
    reject: { messages: { rate: '3/min' } },
    close: { messages: { rate: '3/min', over: 'close' } },
    delay: { messages: { rate: '50/s', burst: 1, over: 'delay' }, buffer: '64KiB' },
    bytes: { messages: { bytes: '1KiB/min' } },
    json: { schema: { json: { type: 'object', properties: { op: { enum: ['move'] } }, required: ['op'] } } },
    opcodes: { schema: { opcodes: [1, 7], over: 'close' } },
    free: {},
  };
  gateway = await startGateway({
    services: { game: { endpoints: [service.url] } },
    routes: Object.entries(routes).map(([name, websocket]) => ({
      name,
      match: { path: `/${name}` },
      service: 'game',
      websocket,
    })),
  });
  neighbour = new SocketClient(`${gateway.url}/free`);
  await neighbour.opened;
});

afterAll(async () => {
  neighbour?.socket.terminate();
  await gateway?.stop();
  await service?.close();
});

async function connect(path: string): Promise<SocketClient> {
  const client = openSocket(`${gateway.url}${path}`);
  await client.opened;
  return client;
}

async function expectNeighbourWell() {
  for (let i = 0; i < 20; i++) {
    neighbour.socket.send(`well ${i}`);
    expect(await neighbour.next()).toBe(`well ${i}`);
  }
}

async function metric(series: string): Promise<number> {
  const { body } = await gateway.ask('/metrics');
  const line = (body as string).split('\n').find((one) => one.startsWith(`${series} `));
  return Number(line?.split(' ').at(-1) ?? 0);
}

describe('messages above the rate', () => {
  it('are dropped, and the client is told how many', async () => {
    const client = await connect('/reject');
    for (let i = 0; i < 10; i++) client.socket.send(`${i}`);
    const isNotice = (message: string | Buffer) => message.includes('"op"');
    await vi.waitFor(() =>
      expect(client.messages.filter((message) => !isNotice(message))).toEqual(['0', '1', '2']),
    );
    const told = () =>
      client.messages
        .filter(isNotice)
        .map((text) => JSON.parse(text as string))
        .reduce(
          (sum, { op, code, dropped }) => (op === 'error' && code === 'MESSAGE_RATE' ? sum + dropped : sum),
          0,
        );
    await vi.waitFor(() => expect(told()).toBe(7), 5000);
    expect(heard).toEqual(['0', '1', '2']);
    await expectNeighbourWell();
    await vi.waitFor(async () =>
      expect(await metric('sluice_websocket_refused_total{route="reject",reason="rate"}')).toBe(7),
    );
  });

  it('end the socket with 4429 where the route says so', async () => {
    const client = await connect('/close');
    const end = lastEnd;
    for (let i = 0; i < 10; i++) client.socket.send(`${i}`);
    expect(await client.ended).toEqual({ code: 4429, reason: 'too many messages' });
    expect(await end).toBe(1001);
    expect(heard).toEqual(['0', '1', '2']);
    await expectNeighbourWell();
  });

  it('are held back in order, as many as there is room for', async () => {
    const client = await connect('/delay');
    const startedAt = performance.now();
    for (let i = 0; i < 30; i++) client.socket.send(`${i}`);
    for (let i = 0; i < 30; i++) expect(await client.next()).toBe(`${i}`);
    expect(performance.now() - startedAt).toBeGreaterThan(500); // 29 of them at 50/s
    const flood = Buffer.alloc(10_000);
    const flooding = setInterval(() => {
      for (let i = 0; i < 10; i++) client.socket.send(flood);
    }, 5);
    expect((await client.ended).code).toBe(4429);
    clearInterval(flooding);
    await expectNeighbourWell();
  });

  it('that were held back still go when the client closes behind them', async () => {
    const client = await connect('/delay');
    const end = lastEnd;
    for (let i = 0; i < 20; i++) client.socket.send(`${i}`);
    client.socket.close(1000);
    expect(await end).toBe(1000);
    expect(heard).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`));
  });

  it('count by their bytes', async () => {
    const client = await connect('/bytes');
    client.socket.send('x'.repeat(2_000)); // nothing is owed yet
    expect(await client.next()).toHaveLength(2_000);
    client.socket.send('y');
    expect(JSON.parse((await client.next()) as string)).toMatchObject({ code: 'MESSAGE_RATE', dropped: 1 });
  });
});

describe('messages of another kind', () => {
  it('do not reach the service, and the client learns why', async () => {
    const client = await connect('/json');
    client.socket.send('{"op":"move"}');
    expect(await client.next()).toBe('{"op":"move"}');
    client.socket.send('{"op":"cheat"}');
    expect(JSON.parse((await client.next()) as string)).toEqual({
      op: 'error',
      code: 'MESSAGE_SCHEMA',
      message: '/op must be equal to one of the allowed values',
      dropped: 1,
    });
    client.socket.send(Buffer.from('{"op":"cheat"}')); // a binary one is judged too, and nothing said
    client.socket.send(Buffer.from('{"op":"move"}'));
    expect(await client.next()).toEqual(Buffer.from('{"op":"move"}'));
    expect(heard).toEqual(['{"op":"move"}', '{"op":"move"}']);
    await vi.waitFor(async () =>
      expect(await metric('sluice_websocket_refused_total{route="json",reason="schema"}')).toBe(2),
    );
  });

  it('end the socket with 4422 where the route says so', async () => {
    const client = await connect('/opcodes');
    client.socket.send(Buffer.from([7, 1]));
    expect(await client.next()).toEqual(Buffer.from([7, 1]));
    client.socket.send(Buffer.from([2, 1]));
    expect(await client.ended).toEqual({ code: 4422, reason: 'the message does not fit' });
    expect(heard).toHaveLength(1);
    await expectNeighbourWell();
  });
});
