import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { launchGateway, startGateway } from '../harness/gateway.ts';
import { startLoad } from '../harness/load.ts';
import { connectRaw, get } from '../harness/raw-client.ts';
import { startService } from '../harness/service.ts';

/** Longer than that within which a repeated signal counts as a copy of the first. */
const SAME_WISH_MS = 300;

const hello = { name: 'hello', match: { path: '/hello' }, respond: { body: 'hello' } };

test.each([1, 2])(
  'SIGTERM: not ready at once, serves for the delay, then leaves with 0 (workers: %i)',
  async (workers) => {
    const gateway = await startGateway({
      workers,
      drain: { delay: '600ms', timeout: '5s' },
      routes: [hello],
    });
    gateway.signal('SIGTERM');
    await eventually(async () => (await gateway.ask('/readyz')).status === 503, { withinMs: 200 });
    const { body } = await gateway.ask('/readyz');
    expect(body).toMatchObject({ title: 'Not ready', phase: 'draining' });
    expect((await gateway.ask('/livez')).status).toBe(200);
    expect((await fetch(`${gateway.url}/hello`)).status).toBe(200);
    expect(await gateway.exited).toBe(0);
    await expect(fetch(`${gateway.url}/hello`)).rejects.toThrow();
    expect(gateway.log.at(-1)).toMatchObject({ msg: 'drained', cut: 0 });
  },
);

test.each([1, 2])(
  'what runs is finished, and nothing new is accepted meanwhile (workers: %i)',
  async (workers) => {
    const held = Promise.withResolvers<void>();
    const service = await startService(async (_request, response) => {
      response.write('first ');
      await held.promise;
      response.end('last');
    });
    const gateway = await startGateway({
      workers,
      services: { slow: { endpoints: [service.url] } },
      routes: [{ name: 'slow', match: { path: '/slow' }, service: 'slow' }],
    });
    const answer = await fetch(`${gateway.url}/slow`);
    gateway.signal('SIGTERM');
    await gateway.logged((line) => line.msg === 'draining');
    await eventually(
      async () =>
        await fetch(`${gateway.url}/slow`).then(
          () => false,
          () => true,
        ),
    );
    held.resolve();
    expect(await answer.text()).toBe('first last');
    expect(await gateway.exited).toBe(0);
  },
);

test('what does not end within the timeout is cut, and the log counts it', async () => {
  const service = await startService((_request, response) => response.write('first'));
  const gateway = await startGateway({
    workers: 2,
    drain: { delay: 0, timeout: '400ms' },
    services: { endless: { endpoints: [service.url] } },
    routes: [{ name: 'endless', match: { path: '/endless' }, service: 'endless' }],
  });
  const answer = await fetch(`${gateway.url}/endless`);
  gateway.signal('SIGTERM');
  await expect(answer.text()).rejects.toThrow();
  expect(await gateway.exited).toBe(0);
  expect(gateway.log.find((line) => line.msg === 'drained')).toMatchObject({ cut: 1 });
});

test('busy keep-alive clients are told to leave: none of their requests fails', async () => {
  const gateway = await startGateway({ workers: 2, drain: { delay: 0, timeout: '5s' }, routes: [hello] });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const { hostname, port } = new URL(gateway.url);
  const ask = () =>
    new Promise<string>((resolve, reject) => {
      request({ hostname, port, path: '/hello', agent }, (answer) => {
        answer.resume().once('end', () => resolve(answer.headers.connection ?? ''));
      })
        .once('error', reject)
        .end();
    });
  await ask();
  gateway.signal('SIGTERM');
  await gateway.logged((line) => line.msg === 'draining');
  let connection = '';
  while (connection !== 'close') {
    connection = await ask();
    await sleep(20);
  }
  agent.destroy();
  expect(await gateway.exited).toBe(0);
});

test('a request that was under way when the drain began is answered with "close", too', async () => {
  const held = Promise.withResolvers<void>();
  const service = await startService(async (_request, response) => {
    await held.promise;
    response.end('late');
  });
  const gateway = await startGateway({
    drain: { delay: 0, timeout: '5s' },
    services: { slow: { endpoints: [service.url] } },
    routes: [{ name: 'slow', match: { path: '/slow' }, service: 'slow' }],
  });
  const client = await connectRaw(gateway.url);
  client.send(get('/slow'));
  await eventually(() => service.requests.length === 1);
  gateway.signal('SIGTERM');
  await gateway.logged((line) => line.msg === 'draining');
  await eventually(() =>
    fetch(`${gateway.url}/`).then(
      () => false,
      () => true,
    ),
  );
  held.resolve();
  const answer = await client.answer();
  expect([answer.status, answer.header('connection')]).toEqual([200, 'close']);
  expect(await gateway.exited).toBe(0);
});

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('a second signal leaves at once: %s with %i', async (signal, code) => {
  const service = await startService(() => {});
  const gateway = await startGateway({
    workers: 2,
    drain: { delay: '20s', timeout: '20s' },
    services: { never: { endpoints: [service.url] } },
    routes: [{ name: 'never', match: { path: '/never' }, service: 'never' }],
  });
  const pids = await gateway.workerPids();
  const lost = fetch(`${gateway.url}/never`).catch(() => 'cut');
  await eventually(() => service.requests.length === 1);
  gateway.signal('SIGTERM');
  await gateway.logged((line) => line.msg === 'draining');
  await sleep(SAME_WISH_MS);
  const askedAt = performance.now();
  gateway.signal(signal);
  expect(await gateway.exited).toBe(code);
  expect(performance.now() - askedAt).toBeLessThan(1000);
  expect(await lost).toBe('cut');
  await eventually(() => pids.every((pid) => !isAlive(pid)));
});

test('a copy of the first signal is no second one: whoever signals a process and its group sends two', async () => {
  const gateway = await startGateway({ workers: 2, drain: { delay: '400ms' }, routes: [hello] });
  gateway.signal('SIGTERM');
  await gateway.logged((line) => line.msg === 'draining');
  gateway.signal('SIGTERM');
  expect((await fetch(`${gateway.url}/hello`)).status).toBe(200);
  expect(await gateway.exited).toBe(0);
  expect(gateway.log.filter((line) => line.msg === 'leaving at once')).toEqual([]);
});

test('a signal during the start leaves at once', async () => {
  const gateway = launchGateway({ workers: 2, routes: [hello] });
  await eventually(() => childrenOf(gateway.pid).length > 0, { everyMs: 1 });
  gateway.signal('SIGTERM');
  expect(await gateway.exited).toBe(143);
});

test('a signal while the configuration is read leaves at once, though that may never end', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'sluice.yaml');
  execFileSync('mkfifo', [file]);
  const gateway = launchGateway(null, { file });
  const [reader] = await eventually(() => childrenOf(gateway.pid).length > 0 && childrenOf(gateway.pid));
  gateway.signal('SIGHUP');
  await sleep(100);
  gateway.signal('SIGINT');
  expect(await gateway.exited).toBe(130);
  await eventually(() => !isAlive(Number(reader)));
});

test('workers whose primary is killed drain and leave', async () => {
  const gateway = await startGateway({ workers: 2, drain: { delay: 0, timeout: '2s' }, routes: [hello] });
  const pids = await gateway.workerPids();
  const load = startLoad(gateway.url, { connections: 4, path: '/hello' });
  await eventually(() => load.result.answered > 50);
  process.kill(gateway.pid, 'SIGKILL');
  await eventually(() => pids.every((pid) => !isAlive(pid)));
  await load.stop();
  expect(gateway.log.filter((line) => line.msg === 'the primary is gone: draining')).toHaveLength(2);
});

test('a terminal that signals the whole process group drains as well', async () => {
  const gateway = await startGateway({
    workers: 2,
    drain: { delay: '300ms', timeout: '2s' },
    routes: [hello],
  });
  for (const pid of [gateway.pid, ...(await gateway.workerPids())]) process.kill(pid, 'SIGINT');
  await gateway.logged((line) => line.msg === 'draining');
  expect((await fetch(`${gateway.url}/hello`)).status).toBe(200);
  expect(await gateway.exited).toBe(0);
});

function isAlive(pid: number): boolean {
  try {
    // A zombie has ended; somebody else has to bury it.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function childrenOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
}
