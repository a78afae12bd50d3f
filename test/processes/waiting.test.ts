/** Requests that wait for a limit, in gateways of several processes. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { HS256, openPremises, type Premises, tokenOf } from '../access/premises.ts';
import { eventually } from '../harness/eventually.ts';
import { startGateway } from '../harness/gateway.ts';
import { startService } from '../harness/service.ts';

interface Got {
  status: number;
  ms: number;
  retryAfter: string | undefined;
  rateLimit: string | undefined;
}

/** Over a connection of its own, unless an agent says otherwise. Rejects when it is aborted. */
function get(url: string, { agent = false as Agent | false, token = '', signal = NEVER } = {}): Promise<Got> {
  const startedAt = performance.now();
  const headers = token === '' ? {} : { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, headers, signal }, (answer) => {
      answer.resume().on('end', () =>
        resolve({
          status: answer.statusCode as number,
          ms: performance.now() - startedAt,
          retryAfter: answer.headers['retry-after'],
          rateLimit: answer.headers.ratelimit as string | undefined,
        }),
      );
    });
    sent.on('error', reject).end();
  });
}

const NEVER = new AbortController().signal;

async function metric(gateway: Premises['gateway'], name: string): Promise<number> {
  const { body } = await gateway.ask('/metrics');
  const line = (body as string).split('\n').find((one) => one.startsWith(name));
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ')));
}

describe('one greedy caller with many connections and four modest ones, over two workers', () => {
  // So few that clients on a busy machine keep up: who asks too late does not wait, and has no claim to a turn.
  const RATE = 150;
  const SECONDS = 2.5;

  /** Each connection asks again as soon as it is answered. How often each caller was. */
  async function contend(url: string, callers: Record<string, number>) {
    const served: Record<string, number> = {};
    let counting = false;
    let over = false;
    const run = async (user: string) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const token = tokenOf({ sub: user });
      while (!over) {
        const { status } = await get(url, { agent, token });
        expect(status).toBe(200);
        if (counting) served[user] = (served[user] ?? 0) + 1;
      }
      agent.destroy();
    };
    const all = Object.entries(callers).flatMap(([user, count]) =>
      Array.from({ length: count }, () => run(user)),
    );
    await sleep(700);
    counting = true;
    const since = performance.now();
    await sleep(SECONDS * 1_000);
    counting = false;
    const seconds = (performance.now() - since) / 1_000;
    over = true;
    await Promise.all(all);
    return { served, seconds };
  }

  it.each([
    ['a rate', { by: ['global'], rate: `${RATE}/s`, burst: 10 }],
    ['requests in flight', { by: ['global'], algorithm: 'concurrency', max: 3 }],
  ])(
    'share %s',
    // Tried again when it fails: clients that get no time on a busy machine do not wait, and are overtaken.
    { retry: 2, timeout: 20_000 },
    async (what, limit) => {
      const queue = { max: 500, deadline: '20s', fairBy: ['user'] };
      const service = await startService((_, response) => void setTimeout(() => response.end('ok'), 20));
      const { gateway } = await openPremises({
        workers: 2,
        auth: { providers: { p: HS256 } },
        services: { slow: { endpoints: [service.url] } },
        limits: { shared: { ...limit, over: { queue } } },
        routes: [{ name: 'r', match: { path: '/r' }, service: 'slow', auth: 'p', limit: 'shared' }],
      });
      // A modest one has its connections to either worker, as chance will have it.
      const callers = { greedy: 80, a: 16, b: 16, c: 16, d: 16 };
      const { served, seconds } = await contend(`${gateway.url}/r`, callers);
      const { greedy = 0, ...modest } = served;
      const shares = Object.values(modest);
      expect(shares).toHaveLength(4);
      const all = greedy + shares.reduce((x, y) => x + y);
      // Its fair share is a fifth.
      expect(greedy / all, JSON.stringify(served)).toBeLessThan(2 / 5);
      for (const share of shares) expect(greedy / share, JSON.stringify(served)).toBeLessThan(2);
      if (what === 'a rate') expect(all).toBeLessThanOrEqual(RATE * (seconds + 0.5));
    },
  );
});

describe('a request that waits', () => {
  /** Two workers, room for one request in flight, which is taken until `free` is called. */
  async function oneInFlight(queue: Record<string, unknown>, more: Record<string, unknown> = {}) {
    const held = Promise.withResolvers<void>();
    let arrived = 0;
    const service = await startService(async (_, response) => {
      if (++arrived === 1) await held.promise;
      response.end('ok');
    });
    const limits = { one: { by: ['global'], algorithm: 'concurrency', max: 1, over: { queue } } };
    const routes = [{ name: 'r', match: { path: '/r' }, service: 's', limit: 'one' }];
    const config = {
      workers: 2,
      accessLog: 'all',
      services: { s: { endpoints: [service.url] } },
      limits,
      routes,
      ...more,
    };
    const gateway = await startGateway(config);
    const url = `${gateway.url}/r`;
    const first = get(url);
    // Those who do not ask what became of it need not care.
    first.catch(() => {});
    await eventually(() => arrived === 1);
    const waiting = (count: number) =>
      eventually(async () => (await metric(gateway, 'sluice_limit_waiting{limit="one"}')) === count, {
        what: `${count} that wait`,
      });
    return { gateway, config, url, first, free: () => held.resolve(), waiting, arrived: () => arrived };
  }

  it('is served when the one before has ended, in whichever worker that was', async () => {
    const { url, first, free, waiting, gateway } = await oneInFlight({ max: 20, deadline: '20s' });
    const others = Array.from({ length: 8 }, () => get(url));
    await waiting(8);
    free();
    expect((await first).status).toBe(200);
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual(new Array(8).fill(200));
    const line = await gateway.logged(({ msg, waited_ms }) => msg === 'access' && waited_ms !== undefined);
    expect(line.waited_ms as number).toBeLessThanOrEqual(line.duration_ms as number);
    const admitted = 'sluice_limit_waits_total{limit="one",result="admitted"}';
    await eventually(async () => (await metric(gateway, admitted)) === 8);
    expect(await metric(gateway, 'sluice_limit_wait_seconds_count{limit="one"}')).toBe(8);
    expect(await metric(gateway, 'sluice_limit_wait_seconds_sum{limit="one"}')).toBeGreaterThan(0);
  });

  it('gets 429 at its deadline, and not much later', async () => {
    const { url, free } = await oneInFlight({ max: 20, deadline: '300ms' });
    const { status, ms, retryAfter, rateLimit } = await get(url);
    expect([status, retryAfter, rateLimit]).toEqual([429, '1', '"one";r=0;t=0']);
    expect(ms).toBeGreaterThanOrEqual(299);
    expect(ms).toBeLessThan(2_000);
    free();
  });

  it('leaves with its client, and the service never hears of it', async () => {
    const { url, free, first, waiting, arrived, gateway } = await oneInFlight({ max: 20, deadline: '20s' });
    const leaving = new AbortController();
    const gone = Array.from({ length: 5 }, () => get(url, { signal: leaving.signal }));
    const stays = get(url);
    await waiting(6);
    leaving.abort();
    expect((await Promise.allSettled(gone)).map(({ status }) => status)).toEqual(
      new Array(5).fill('rejected'),
    );
    await waiting(1);
    free();
    expect([(await first).status, (await stays).status]).toEqual([200, 200]);
    expect(arrived()).toBe(2);
    const line = await gateway.logged(({ msg, aborted }) => msg === 'access' && aborted === true);
    expect(line).toMatchObject({ status: 499, failure: 'CLIENT_CLOSED' });
    const left = 'sluice_limit_waits_total{limit="one",result="left"}';
    await eventually(async () => (await metric(gateway, left)) === 5);
  });

  it('goes on waiting over a reload', async () => {
    const { url, free, first, waiting, gateway, config } = await oneInFlight({ max: 20, deadline: '20s' });
    const before = get(url);
    await waiting(1);
    gateway.write({
      ...config,
      routes: [{ ...config.routes[0], limit: ['one', { by: ['ip'], rate: '9/s' }] }],
    });
    expect((await gateway.reload()).status).toBe(200);
    const after = get(url);
    await waiting(2);
    free();
    expect([(await first).status, (await before).status, (await after).status]).toEqual([200, 200, 200]);
  });

  it('ends within its deadline when the gateway drains', async () => {
    const drain = { delay: 0, timeout: '15s' };
    const { url, free, first, waiting, gateway } = await oneInFlight(
      { max: 20, deadline: '1500ms' },
      { drain },
    );
    const late = Array.from({ length: 4 }, () => get(url));
    await waiting(4);
    gateway.signal('SIGTERM');
    expect((await Promise.all(late)).map(({ status }) => status)).toEqual([429, 429, 429, 429]);
    free();
    expect((await first).status).toBe(200);
    expect(await gateway.exited).toBe(0);
    expect(gateway.log.at(-1)).toMatchObject({ msg: 'drained', cut: 0 });
  });
});

it('five hundred slots of which a worker that is killed holds some are free within a second, and go to those who wait', async () => {
  const SLOTS = 500;
  let arrived = 0;
  const service = await startService((_, response) => {
    if (++arrived > SLOTS) response.end('ok');
  });
  const queue = { max: 100, deadline: '20s' };
  const gateway = await startGateway({
    workers: 2,
    services: { s: { endpoints: [service.url], connections: { max: 1_000 } } },
    limits: { uploads: { by: ['global'], algorithm: 'concurrency', max: SLOTS, over: { queue } } },
    routes: [{ name: 'r', match: { path: '/r' }, service: 's', limit: 'uploads' }],
  });
  const url = `${gateway.url}/r`;
  const held = Array.from({ length: SLOTS }, () => get(url).catch(() => null));
  await eventually(() => arrived === SLOTS, { withinMs: 10_000 });
  let killedAt = 0;
  const waiting = Array.from({ length: 30 }, () =>
    get(url).then(
      ({ status }) => ({ status, after: performance.now() - killedAt }),
      () => null,
    ),
  );
  await eventually(
    async () => (await metric(gateway, 'sluice_limit_waiting{limit="uploads"}')) === waiting.length,
  );
  const [pid] = await gateway.workerPids();
  killedAt = performance.now();
  process.kill(pid as number, 'SIGKILL');
  const survivors = (await Promise.all(waiting)).filter((one) => one !== null);
  expect(survivors.length).toBeGreaterThan(0);
  for (const { status, after } of survivors) {
    expect(status).toBe(200);
    expect(after).toBeLessThan(1_000);
  }
  // What the other worker holds is still held: 500 were admitted, and no more than those of the dead one came after.
  expect(arrived).toBe(SLOTS + survivors.length);
  await gateway.end();
  await Promise.all(held);
}, 30_000);
