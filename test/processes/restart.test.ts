import { expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { startLoad } from '../harness/load.ts';

const BOOM = `process.on('SIGUSR2', () => { throw new Error('boom'); });`;
const BOOM_ON_SIGUSR2 = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(BOOM)}` };

const hello = { name: 'hello', match: { path: '/hello' }, respond: { body: 'hello' } };

// Tried again when it fails: on a machine that runs other tests beside it, a second is short.
test('a killed worker is replaced within a second; the other keeps its connections', {
  retry: 2,
}, async () => {
  const gateway = await startGateway({ workers: 2, routes: [hello] });
  const load = startLoad(gateway.url, { connections: 16, path: '/hello' });
  await eventually(() => load.result.answered > 100);
  const before = await readWorkers(gateway);
  const [victim, other] = before as [Worker, Worker];
  const connectionsOfVictim = victim.connections;
  expect(victim.connections + other.connections).toBeGreaterThanOrEqual(16);

  process.kill(victim.pid, 'SIGKILL');
  const killedAt = performance.now();
  const replacement = await eventually(async () => {
    const worker = (await readWorkers(gateway)).find(({ id }) => id === victim.id);
    return worker?.state === 'ready' && worker.pid !== victim.pid ? worker : undefined;
  });
  expect(performance.now() - killedAt).toBeLessThan(1000);
  expect(replacement).toMatchObject({ restarts: 1, lastExit: 'signal SIGKILL' });

  const result = await load.stop();
  // Only what was on the victim's connections: each of them failed at most one exchange.
  expect(result.closed).toBe(connectionsOfVictim);
  expect(result.failed.length).toBeLessThanOrEqual(connectionsOfVictim);
  expect((await readWorkers(gateway))[1]).toMatchObject({ pid: other.pid, restarts: 0 });
  const died = await gateway.logged((line) => line.msg === 'worker died');
  expect(died).toMatchObject({ level: 'error', worker: victim.id, reason: 'signal SIGKILL', restartInMs: 0 });
});

test('one that dies again and again comes back later each time, and the log says why', async () => {
  const gateway = await startGateway({ workers: 2, routes: [hello] });
  for (let death = 0; death < 3; death++) {
    const worker = await eventually(async () => (await readWorkers(gateway)).find(isFirstAndReady));
    process.kill(worker.pid, 'SIGKILL');
    await eventually(() => deaths(gateway).length === death + 1);
  }
  const waits = deaths(gateway).map((line) => line.restartInMs as number);
  expect(waits[0]).toBe(0);
  expect(waits[1]).toBeGreaterThanOrEqual(80);
  expect(waits[1]).toBeLessThanOrEqual(100);
  expect(waits[2]).toBeGreaterThanOrEqual(160);
  expect(waits[2]).toBeLessThanOrEqual(200);
  expect((await fetch(`${gateway.url}/hello`)).status).toBe(200);
});

test('one that dies of an error nobody caught says so before, and comes back', async () => {
  const gateway = await startGateway({ workers: 2, routes: [hello] }, { env: BOOM_ON_SIGUSR2 });
  const [first] = (await readWorkers(gateway)) as [Worker];
  process.kill(first.pid, 'SIGUSR2');
  const words = await gateway.logged((line) => line.level === 'fatal');
  expect(words).toMatchObject({ worker: 1, err: { message: 'boom', stack: expect.stringContaining('at ') } });
  await eventually(() => deaths(gateway).length >= 1);
  expect(deaths(gateway)[0]).toMatchObject({ worker: 1, reason: 'exit code 1', error: 'Error: boom' });
  expect((await fetch(`${gateway.url}/hello`)).status).toBe(200);
});

test('with one worker, an error nobody caught is the last line of the log, and the exit code is 1', async () => {
  const gateway = await startGateway({ routes: [hello] }, { env: BOOM_ON_SIGUSR2 });
  gateway.signal('SIGUSR2');
  expect(await gateway.exited).toBe(1);
  expect(gateway.log.at(-1)).toMatchObject({ level: 'fatal', err: { message: 'boom' } });
});

test('a replacement runs the configuration in force, not the first one', async () => {
  const gateway = await startGateway({ workers: 2, routes: [hello] });
  gateway.write({ workers: 2, routes: [{ ...hello, respond: { body: 'changed' } }] });
  expect((await gateway.reload()).status).toBe(200);
  const [victim] = (await readWorkers(gateway)) as [Worker];
  process.kill(victim.pid, 'SIGKILL');
  await gateway.logged((line) => line.msg === 'worker replaced');
  expect((await readWorkers(gateway)).map((worker) => worker.generation)).toEqual([2, 2]);
  for (let i = 0; i < 8; i++) {
    const answer = await fetch(`${gateway.url}/hello`, { headers: { connection: 'close' } });
    expect(await answer.text()).toBe('changed');
  }
});

test('counters do not go back when a worker dies', async () => {
  const gateway = await startGateway({ workers: 2, routes: [hello] });
  for (let i = 0; i < 20; i++) await fetch(`${gateway.url}/hello`, { headers: { connection: 'close' } });
  const before = await countOf(gateway);
  expect(before).toBe(20);
  for (const pid of await gateway.workerPids()) process.kill(pid, 'SIGKILL');
  await eventually(() => gateway.log.filter((line) => line.msg === 'worker replaced').length === 2);
  await fetch(`${gateway.url}/hello`);
  expect(await countOf(gateway)).toBe(21);
});

interface Worker {
  id: number;
  pid: number;
  state: string;
  generation: number;
  connections: number;
  restarts: number;
}

async function readWorkers(gateway: RunningGateway): Promise<Worker[]> {
  return (await gateway.ask('/workers')).body.workers;
}

async function countOf(gateway: RunningGateway): Promise<number> {
  return (await gateway.ask('/stats')).body.routes.hello.count;
}

function isFirstAndReady({ id, state }: Worker): boolean {
  return id === 1 && state === 'ready';
}

function deaths(gateway: RunningGateway) {
  return gateway.log.filter((line) => line.msg === 'worker died');
}
