/**
 * Every case that passes without the gateway passes through it: with a client that speaks to `ws` as the service, and with a service
 * that speaks to `ws` as the client.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../../harness/gateway.ts';
import { echo, SocketClient, type SocketService, startSocketService } from '../../harness/sockets.ts';
import { CLOSING } from './closing.ts';
import { FRAMING } from './framing.ts';
import { playClient, playService, RawService } from './runner.ts';
import { UTF8 } from './utf8.ts';

const CASES = [...FRAMING, ...UTF8, ...CLOSING];
/** So many run at once. */
const AT_ONCE = 8;
const batches = Array.from({ length: Math.ceil(CASES.length / AT_ONCE) }, (_, i) => {
  const cases = CASES.slice(i * AT_ONCE, (i + 1) * AT_ONCE);
  return { name: `${cases[0]?.id} to ${cases.at(-1)?.id}`, cases };
});

let service: SocketService;
let gateway: RunningGateway;
let neighbour: SocketClient;
const raw = new RawService();
let rawUrl = '';

beforeAll(async () => {
  service = await startSocketService(echo);
  rawUrl = await raw.listen();
  const websocket = { maxMessage: '16MiB', buffer: '16MiB' };
  gateway = await startGateway({
    listen: { host: '127.0.0.1', port: 0, maxMessageBytes: '16MiB' },
    services: { echo: { endpoints: [service.url] }, raw: { endpoints: [rawUrl] } },
    routes: [
      { name: 'raw', match: { path: '/raw/*' }, service: 'raw', websocket },
      { name: 'echo', match: { path: '/*' }, service: 'echo', websocket },
    ],
  });
  // Opened by hand: it outlives each test.
  neighbour = new SocketClient(`${gateway.url}/neighbour`);
  await neighbour.opened;
});

afterAll(async () => {
  neighbour?.socket.terminate();
  await gateway?.stop();
  raw.close();
  await service?.close();
});

async function expectNeighbourWell(): Promise<void> {
  neighbour.socket.send('well?');
  expect(await neighbour.next()).toBe('well?');
}

it('has as many cases as it seems to have, each under a number of its own', () => {
  expect(CASES.length).toBeGreaterThanOrEqual(274);
  expect(new Set(CASES.map(({ id }) => id)).size).toBe(CASES.length);
});

describe('cases of a client', () => {
  it.each(batches)('$name', async ({ cases }) => {
    const played = cases.map(async (one) => ({
      id: one.id,
      what: one.what,
      direct: await playClient(service.url, '/direct', one),
      proxied: await playClient(gateway.url, '/proxied', one),
    }));
    for (const one of await Promise.all(played)) expect(one).toMatchObject({ direct: [], proxied: [] });
    await expectNeighbourWell();
  });
});

describe('cases of a service', () => {
  it.each(batches)('$name', async ({ cases }) => {
    const played = cases.map(async (one) => ({
      id: one.id,
      what: one.what,
      direct: await playService(rawUrl, raw, one),
      proxied: await playService(gateway.url, raw, one),
    }));
    for (const one of await Promise.all(played)) expect(one).toMatchObject({ direct: [], proxied: [] });
    await expectNeighbourWell();
  });
});
