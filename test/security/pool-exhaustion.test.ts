/**
 * A wedged pool: undici counts a connection as lost for each dispatch that fails its own validation (method, path, field names
 * and values, `expect`, `upgrade`, `keep-alive`, a second `host` or `content-length`), and a bounded pool of it has none left
 * after as many bad requests as it has connections: a client switches a service off. Here the bound is two.
 */
import { describe, expect, it } from 'vitest';
import { connectRaw, exchangeRaw, get, head } from '../harness/raw-client.ts';
import { useTarget } from './target.ts';

const target = useTarget((service) => ({
  services: {
    service: { endpoints: [service], connections: { max: 2, queue: 8 }, timeouts: { connect: '2s' } },
  },
  routes: [{ name: 'all', match: { path: '/*' }, service: 'service' }],
}));

const AT_ONCE = 8;

/** Sends all, eight at a time, each on a connection of its own; gives the statuses, 0 for none. */
async function sendAll(requests: readonly string[]): Promise<number[]> {
  const statuses: number[] = [];
  let next = 0;
  async function sender(): Promise<void> {
    while (next < requests.length) {
      const bytes = requests[next++];
      const client = (await connectRaw(target.gateway.url)).send(bytes);
      statuses.push(
        await client.answer().then(
          ({ status }) => status,
          () => 0,
        ),
      );
      client.close();
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  return statuses;
}

/** More requests than there are connections, at once: all of them find one. */
async function expectAllSlots(): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => exchangeRaw(target.gateway.url, get('/-/good'))),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
  expect(target.service.connectionCount).toBeLessThanOrEqual(2);
}

/** The same sequence in each run. */
function* random(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state;
  }
}

describe('1,000 requests with illegal bytes', () => {
  const numbers = random(20_091);
  const pick = <T>(from: readonly T[]): T => from[numbers.next().value % from.length];

  const controls = [0, 1, 2, 7, 8, 11, 12, 27, 31].map((code) => String.fromCharCode(code));
  const high = ['\x7f', '\x80', '\x85', '\xa0', '\xc3', '\xe9', '\xff'];
  const delimiters = [...'"(),;<=>?@[\\]{}'];
  const illegal = {
    method: () => head(`G${pick([...controls, ...high, ...delimiters])}T`, '/bad'),
    target: () => get(`/bad${pick([...controls, ...high, ...'"<>\\^`{|}'])}x`),
    query: () => get(`/bad?a=${pick([...controls, ...high, '#'])}x`),
    name: () => get('/bad', `X${pick([...controls, ...high, ...delimiters])}A: 1`),
    value: () => get('/bad', `X-A: a${pick([...controls, '\x7f', '\x80', '\xff', '\n'])}b`),
  };
  const requests = Array.from({ length: 1000 }, () => pick(Object.values(illegal))());

  it('are refused, all of them, and cost no connection to the service', async () => {
    const statuses = await sendAll(requests);
    expect(statuses).toHaveLength(1000);
    expect(new Set(statuses)).toEqual(new Set([400, 505]));
    expect(target.seen).toEqual([]);
    await expectAllSlots();
  }, 30_000);
});

describe('requests that are legal but that a connection cannot carry', () => {
  it.each([
    ['CONNECT', head('CONNECT', '/bad')],
    ['an expectation', get('/bad', 'Expect: nonsense')],
    ['a keep-alive of nonsense', get('/bad', 'Keep-Alive: nonsense')],
    ['a connection of nonsense', get('/bad', 'Connection: nonsense')],
    ['an upgrade', get('/bad', 'Connection: Upgrade', 'Upgrade: nonsense')],
    ['a second host', get('/bad', 'Host: b')],
    ['a second length', head('POST', '/bad', 'Content-Length: 1', 'Content-Length: 2')],
    ['a transfer coding', head('POST', '/bad', 'Transfer-Encoding: gzip')],
    ['a body of GET', `${head('GET', '/bad', 'Content-Length: 3')}abc`],
    ['a body of HEAD', `${head('HEAD', '/bad', 'Content-Length: 3')}abc`],
    ['a body of an unknown method', `${head('FETCH', '/bad', 'Content-Length: 3')}abc`],
    ['a body that never comes', `${head('POST', '/bad', 'Transfer-Encoding: chunked')}5\r\nabc`],
  ])('%s, twelve times: costs no connection', async (_what, bytes) => {
    const clients = await Promise.all(Array.from({ length: 12 }, () => connectRaw(target.gateway.url)));
    for (const client of clients) client.send(bytes);
    await new Promise((resolve) => setTimeout(resolve, 60));
    for (const client of clients) client.reset();
    await expect
      .poll(async () => (await exchangeRaw(target.gateway.url, get('/-/good'))).status, { timeout: 3000 })
      .toBe(200);
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => exchangeRaw(target.gateway.url, get('/-/good'))),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
    expect(target.service.sockets.size).toBeLessThanOrEqual(2);
  });
});
