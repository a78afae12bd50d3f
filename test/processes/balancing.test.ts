/** What workers know of endpoints together. */
import { Agent, request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { type RunningService, startService } from '../harness/service.ts';

const route = { name: 'all', match: { path: '/*' }, service: 'quotes' };

function startBalanced(
  services: readonly RunningService[],
  options: object,
  weights: readonly number[] = [],
) {
  const endpoints = services.map(({ url }, i) => ({ url, weight: weights[i] ?? 1 }));
  return startGateway({ workers: 2, services: { quotes: { endpoints, ...options } }, routes: [route] });
}

/** Sends so many requests over connections that stay open, so many at once. */
async function send(gateway: RunningGateway, count: number, connections: number): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      while (left-- > 0) await ask(gateway, agent);
      agent.destroy();
    }),
  );
}

function ask({ url }: RunningGateway, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (answer) => {
      answer.resume().once('end', resolve);
      if (answer.statusCode !== 200) reject(new Error(`status ${answer.statusCode}`));
    })
      .once('error', reject)
      .end();
  });
}

/** A request whose answer nobody waits for. */
function leave({ url }: RunningGateway): void {
  const agent = new Agent({ maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  request(url, { agent })
    .once('error', () => {})
    .end();
}

async function inFlight(gateway: RunningGateway, { url }: RunningService): Promise<number> {
  const { body } = await gateway.ask('/metrics');
  const line = (body as string)
    .split('\n')
    .find((one) => one.startsWith(`sluice_endpoint_in_flight{service="quotes",endpoint="${url}"}`));
  return Number(line?.split(' ').at(-1));
}

test('weights 5:3:1 hold over 9,000 requests on two workers, within 1 %', { timeout: 30_000 }, async () => {
  const services = await Promise.all([5, 3, 1].map(() => startService((_, response) => response.end())));
  const gateway = await startBalanced(services, {}, [5, 3, 1]);
  await send(gateway, 9_000, 32);
  const counts = services.map(({ requests }) => requests.length);
  expect(counts.reduce((sum, count) => sum + count)).toBe(9_000);
  expect(Math.abs(counts[0]! - 5_000)).toBeLessThanOrEqual(50);
  expect(Math.abs(counts[1]! - 3_000)).toBeLessThanOrEqual(30);
  expect(Math.abs(counts[2]! - 1_000)).toBeLessThanOrEqual(10);
  const { body } = await gateway.ask('/metrics');
  expect(body).toContain(
    `sluice_endpoint_requests_total{service="quotes",endpoint="${services[0]!.url}"} ${counts[0]}`,
  );
});

test('least-requests shuns an endpoint that does not answer, in all workers; what a killed one held is forgotten', {
  timeout: 30_000,
}, async () => {
  let hangs = true;
  const slow = await startService((_, response) => void (hangs || response.end()));
  const fast = await startService((_, response) => response.end());
  const gateway = await startBalanced([slow, fast], { balance: 'least-requests' });
  // Of 200 requests of clients that give none up only a few wait: each worker sees those of both.
  for (let i = 0; i < 200; i++) leave(gateway);
  await eventually(() => slow.requests.length + fast.requests.length === 200);
  await eventually(async () => (await inFlight(gateway, fast)) === 0);
  const held = await inFlight(gateway, slow);
  expect(held).toBe(slow.requests.length);
  await send(gateway, 300, 1);
  // One client: nothing else is in flight, so the endpoint that holds requests never has fewer.
  expect(slow.requests.length).toBe(held);

  for (const pid of await gateway.workerPids()) process.kill(pid, 'SIGKILL');
  await eventually(async () => (await inFlight(gateway, slow)) === 0);
  hangs = false;
  await eventually(async () => (await gateway.ask('/readyz')).status === 200);
  await eventually(async () => {
    await send(gateway, 20, 1).catch(() => {});
    return slow.requests.length > held;
  });
});

test('peak-ewma sends most to the fast endpoint, and some to one that was slow and is not', {
  timeout: 30_000,
}, async () => {
  let delayMs = 100;
  const slow = await startService((_, response) => void setTimeout(() => response.end(), delayMs));
  const fast = await startService((_, response) => response.end());
  const gateway = await startBalanced([slow, fast], { balance: { type: 'peak-ewma', decay: '200ms' } });
  await send(gateway, 600, 8);
  expect(slow.requests.length).toBeLessThan(200);
  delayMs = 0;
  const before = slow.requests.length;
  await eventually(async () => {
    await send(gateway, 100, 8);
    return slow.requests.length > before + 50;
  });
});
