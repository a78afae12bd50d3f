/** Many clients and a service that does anything, all at once: every whole answer is the asker's own. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { connectRaw, get, head, type RawClient } from '../harness/raw-client.ts';
import { ok, type Script, type ScriptedService, startScriptedService } from '../harness/scripted-service.ts';
import { expectBooksInOrder } from './books.ts';

const CLIENTS = 40;
const REQUESTS_PER_CLIENT = 40;

let service: ScriptedService;
let gateway: RunningGateway;

beforeAll(async () => {
  service = await startScriptedService();
  for (const [name, script] of Object.entries(BEHAVIOURS)) service.on(`/${name}`, script);
  gateway = await startGateway({
    accessLog: 'all',
    services: {
      scripted: { endpoints: [service.url], connections: { max: 20 }, timeouts: { connect: '10s' } },
    },
    routes: [{ name: 'scripted', match: { path: '/*' }, service: 'scripted' }],
  });
});

afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  await service?.close();
});

/** Each answers with the query of its request, if it answers. */
const BEHAVIOURS: Record<string, Script> = {
  plain: async (socket, { whole, target }) => {
    await whole;
    socket.write(ok(queryOf(target)));
  },
  late: async (socket, { whole, target }) => {
    await whole;
    setTimeout(() => socket.write(ok(queryOf(target))), 5);
  },
  early: (socket, { target }) => void socket.write(ok(queryOf(target))),
  chunked: async (socket, { whole, target }) => {
    await whole;
    const query = queryOf(target);
    socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${query.length.toString(16)}\r\n`);
    setImmediate(() => socket.write(`${query}\r\n0\r\n\r\n`));
  },
  ending: async (socket, { whole, target }) => {
    await whole;
    socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${queryOf(target)}`);
  },
  hasty: async (socket, { whole, target }) => {
    await whole;
    socket.end(ok(queryOf(target)));
  },
  twice: async (socket, { whole, target }) => {
    await whole;
    socket.write(ok(queryOf(target)) + ok('stray'));
  },
  resetting: (socket) => void socket.resetAndDestroy(),
  closing: (socket) => void socket.end(),
  garbage: (socket) => void socket.end('garbage\r\n\r\n'),
  half: (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'),
  unfinished: (socket) =>
    void socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'),
};

const WHOLE = new Set(['plain', 'late', 'early', 'chunked', 'ending', 'hasty', 'twice']);

function queryOf(target: string): string {
  return target.slice(target.indexOf('?') + 1);
}

/** The same numbers each time (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

it('keeps every exchange to itself', async () => {
  let whole = 0;
  const strays: string[] = [];

  async function runClient(number: number): Promise<void> {
    const random = numbers(number);
    const names = Object.keys(BEHAVIOURS);
    let client: RawClient | null = null;
    for (let i = 0; i < REQUESTS_PER_CLIENT; i++) {
      client ??= await connectRaw(gateway.url);
      const name = names[random(names.length)];
      const token = `client-${number}-request-${i}`;
      const length = [0, 5, 1000, 100_000][random(4)];
      const target = `/${name}?${token}`;
      client.send(
        length === 0 ? get(target) : head('POST', target, `Content-Length: ${length}`) + 'b'.repeat(length),
      );
      if (random(20) === 0) {
        await sleep(random(4));
        client.reset();
        client = null;
        continue;
      }
      const answer = await client.answer().catch(() => null);
      if (answer?.complete && answer.status === 200) {
        whole++;
        if (answer.body.toString() !== token) strays.push(`${token} got ${answer.body.toString()}`);
        if (!WHOLE.has(name)) strays.push(`${name} looked whole`);
      }
      if (answer === null || !answer.complete || client.ended || answer.header('connection') === 'close') {
        client.close();
        client = null;
      }
    }
  }

  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => runClient(number)));
  expect(strays).toEqual([]);
  expect(whole).toBeGreaterThan((CLIENTS * REQUESTS_PER_CLIENT) / 3);
});

it('executes no POST twice', () => {
  const posts = service.seen.filter(({ method }) => method === 'POST').map(({ target }) => target);
  expect(posts.length).toBeGreaterThan(100);
  expect(new Set(posts).size).toBe(posts.length);
});

it('leaves every connection usable', async () => {
  const clients = await Promise.all(Array.from({ length: 20 }, () => connectRaw(gateway.url)));
  const answers = await Promise.all(
    clients.map((client, i) => client.send(get(`/late?after-${i}`)).answer()),
  );
  expect(answers.map((answer) => answer.body.toString())).toEqual(clients.map((_, i) => `after-${i}`));
  expect(service.sockets.size).toBeLessThanOrEqual(20);
});

it('leaves the books in order', async () => {
  await expectBooksInOrder(gateway);
});
