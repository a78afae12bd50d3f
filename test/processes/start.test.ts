import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { launchGateway, startGateway } from '../harness/gateway.ts';

const hello = { name: 'hello', match: { path: '/hello' }, respond: { body: 'hello' } };

test('says on one line where it listens, when all workers do', async () => {
  const gateway = await startGateway({ workers: 2, routes: [hello] });
  const ready = gateway.log.filter((line) => line.msg === 'ready');
  expect(ready).toHaveLength(1);
  expect(ready[0]).toMatchObject({ pid: gateway.pid, workers: 2, generation: 1 });
  expect(await (await fetch(`${gateway.url}/hello`)).text()).toBe('hello');
  expect((await gateway.ask('/readyz')).status).toBe(200);
  expect(gateway.garbage).toEqual([]);
});

test('one worker runs in the process of the primary', async () => {
  const gateway = await startGateway({ workers: 1, routes: [hello] });
  expect(await gateway.workerPids()).toEqual([gateway.pid]);
  expect((await fetch(`${gateway.url}/hello`)).status).toBe(200);
});

test('--workers counts more than the file', async () => {
  const gateway = await startGateway({ workers: 1, routes: [hello] }, { args: ['--workers', '2'] });
  const pids = await gateway.workerPids();
  expect(pids).toHaveLength(2);
  expect(pids).not.toContain(gateway.pid);
});

test('the ready line comes whatever the log level is', async () => {
  const gateway = await startGateway({ log: { level: 'silent' }, routes: [hello] });
  expect(gateway.log.map((line) => line.msg)).toEqual(['ready']);
});

test('runs without the admin API', async () => {
  const gateway = await startGateway({ admin: 'off', routes: [hello] });
  expect(gateway.log[0]).toMatchObject({ msg: 'ready', admin: null });
  expect((await fetch(`${gateway.url}/hello`)).status).toBe(200);
});

test.each([1, 2])('a port in use ends the start with one clear line (workers: %i)', async (workers) => {
  const port = await occupyPort();
  const gateway = launchGateway({ listen: `127.0.0.1:${port}`, workers, routes: [hello] });
  expect(await gateway.exited).toBe(1);
  expect(gateway.stderr).toBe(`sluice: cannot listen on 127.0.0.1:${port}: the port is in use\n`);
  expect(gateway.log).toEqual([]);
});

test.each([
  [1, 1],
  [2, 1],
  [1, 2],
  [2, 2],
])(
  'a second gateway does not quietly share the port of the first (workers: %i and %i)',
  async (one, other) => {
    const first = await startGateway({ workers: one, routes: [hello] });
    const { port } = new URL(first.url);
    for (const host of ['127.0.0.1', '0.0.0.0']) {
      const second = launchGateway({ listen: `${host}:${port}`, workers: other, routes: [hello] });
      expect(await second.exited).toBe(1);
      expect(second.stderr).toBe(`sluice: cannot listen on ${host}:${port}: the port is in use\n`);
      expect(second.log).toEqual([]);
    }
    expect((await fetch(`${first.url}/hello`)).status).toBe(200);
  },
);

test('an admin port in use ends the start with one clear line', async () => {
  const port = await occupyPort();
  const gateway = launchGateway({ admin: `127.0.0.1:${port}`, routes: [hello] });
  expect(await gateway.exited).toBe(1);
  expect(gateway.stderr).toBe(`sluice: admin: cannot listen on 127.0.0.1:${port}: the port is in use\n`);
});

test('a worker that dies while it starts ends the start, and says of what', async () => {
  const crash = `if (process.env.SLUICE_WORKER_ID === '2') throw new Error('boom');`;
  const gateway = launchGateway(
    { workers: 2, routes: [hello] },
    { env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(crash)}` } },
  );
  expect(await gateway.exited).toBe(1);
  expect(gateway.stderr).toMatch(/^sluice: worker 2 died while it started: exit code 1$/m);
});

test('a file with mistakes ends the start with a line for each', async () => {
  const gateway = launchGateway('listen: 127.0.0.1:0\nroutess: []\nworkers: none\n');
  expect(await gateway.exited).toBe(1);
  const lines = gateway.stderr.trimEnd().split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toContain(`${gateway.file}:2:1  routess`);
  expect(lines[1]).toContain(`${gateway.file}:3:10  workers`);
});

async function occupyPort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const server = createServer().listen(0, '127.0.0.1', () =>
    resolve((server.address() as { port: number }).port),
  );
  server.unref();
  return await promise;
}
