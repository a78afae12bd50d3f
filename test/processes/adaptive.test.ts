/** A gateway of two workers that learns what a client usually does, on real sockets. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';

const HOME = { by: ['header:x-client', 'ip'], algorithm: 'adaptive', floor: '3/s', learn: '2s', for: '1m' };

/** Two workers: connections are new, so both get some. */
async function gatewayWith(options: Record<string, unknown>): Promise<RunningGateway> {
  return await startGateway({
    workers: 2,
    limits: { unusual: { ...HOME, ...options } },
    routes: [
      { name: 'all', match: { path: '/*' }, limit: ['unusual'], respond: { body: 'hi' } },
      { name: 'gone', match: { path: '/gone' }, limit: ['unusual'], respond: { status: 404 } },
    ],
  });
}

function ask(gateway: RunningGateway, client: string, agent: Agent, path = '/'): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'x-client': client };
    request(new URL(path, gateway.url), { agent, headers }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
      expect(
        answer.headers.ratelimit,
        'what holds for a key as long as it is unusual is not told',
      ).toBeUndefined();
    })
      .once('error', reject)
      .end();
  });
}

/** About ten per second, on connections of their own, for as long as it takes to be known. */
async function beUsual(
  gateway: RunningGateway,
  clients: readonly string[],
  ms: number,
): Promise<Set<number>> {
  const statuses = new Set<number>();
  const until = performance.now() + ms;
  while (performance.now() < until) {
    const agent = new Agent();
    for (const client of clients) statuses.add(await ask(gateway, client, agent));
    agent.destroy();
    await sleep(100);
  }
  return statuses;
}

/** As much as goes, over eight connections, until a second after `isOver`; how many got which status. */
async function rush(gateway: RunningGateway, client: string, path: string, isOver: () => boolean) {
  const counts = new Map<number, number>();
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const deadline = performance.now() + 8_000;
  let over = false;
  const loop = async () => {
    while (!over && performance.now() < deadline) {
      const status = await ask(gateway, client, agent, path);
      counts.set(status, (counts.get(status) ?? 0) + 1);
      if (status === 404) await sleep(50);
      over ||= isOver();
    }
  };
  await Promise.all(Array.from({ length: 8 }, loop));
  agent.destroy();
  return counts;
}

const isThrottled = (gateway: RunningGateway) => () =>
  gateway.log.some(({ msg }) => msg === 'adaptive limit: key is throttled');

it('throttles a client that is far off what it did before, says why, and nobody else', async () => {
  const gateway = await gatewayWith({ shadow: false });
  expect(await beUsual(gateway, ['alice', 'bob'], 4_000)).toEqual(new Set([200]));
  const counts = await rush(gateway, 'alice', '/', isThrottled(gateway));
  const after = await rush(gateway, 'alice', '/', ends(400));
  // They take a second or two: three of these each, and three at once.
  expect(after.get(429)).toBeGreaterThan(3 * (after.get(200) ?? 0));
  expect(await beUsual(gateway, ['bob'], 300)).toEqual(new Set([200]));
  expect(counts.get(200)).toBeGreaterThan(0);

  const line = await gateway.logged(isThrottledLine);
  expect(line).toMatchObject({
    level: 'warn',
    limit: 'unusual',
    signal: 'rate',
    shadow: false,
    floorPerSecond: 3,
    forSeconds: 60,
    by: { 'header:x-client': '[hidden]', ip: '127.0.0.1' },
  });
  expect(line.now).toBeGreaterThan(line.threshold as number);
  // One worker has decided, for both.
  expect(gateway.log.filter(isThrottledLine)).toHaveLength(1);
  await eventually(async () => {
    const { body } = await gateway.ask('/metrics');
    return body.includes('sluice_limit_adaptive_total{limit="unusual",decision="throttled"} 1');
  });
});

it('on trial refuses nobody, and shows whom it would have', async () => {
  const gateway = await gatewayWith({});
  await beUsual(gateway, ['alice'], 3_500);
  await rush(gateway, 'alice', '/', isThrottled(gateway));
  const counts = await rush(gateway, 'alice', '/', ends(200));
  expect([...counts.keys()]).toEqual([200]);
  expect(await gateway.logged(isThrottledLine)).toMatchObject({ shadow: true });
  await eventually(async () => {
    const { body } = await gateway.ask('/metrics');
    return Number(/sluice_limit_total\{limit="unusual",result="shadowed"\} (\d+)/.exec(body)?.[1]) > 0;
  });
});

it('throttles a client whose requests suddenly fail', async () => {
  const gateway = await gatewayWith({ shadow: false, signals: ['errors'], floor: '1/s' });
  await beUsual(gateway, ['alice'], 3_500);
  const counts = await rush(gateway, 'alice', '/gone', isThrottled(gateway));
  expect(counts.get(404)).toBeGreaterThan(0);
  expect(await gateway.logged(isThrottledLine)).toMatchObject({ signal: 'errors' });
});

function isThrottledLine({ msg }: { msg: string }): boolean {
  return msg === 'adaptive limit: key is throttled';
}

/** After so many answers. */
function ends(count: number): () => boolean {
  let left = count;
  return () => --left <= 0;
}
