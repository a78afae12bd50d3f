import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { launchGateway, type RunningGateway, startGateway } from '../harness/gateway.ts';
import { startLoad } from '../harness/load.ts';
import { startService } from '../harness/service.ts';

const saying = (body: string, more: Record<string, unknown> = {}) => ({
  routes: [{ name: 'hello', match: { path: '/hello' }, respond: { body } }],
  ...more,
});

test('SIGHUP swaps the configuration in every worker', async () => {
  const gateway = await startGateway(saying('one', { workers: 2 }));
  gateway.write(saying('two', { workers: 2 }));
  gateway.signal('SIGHUP');
  await gateway.logged((line) => line.msg === 'configuration reloaded' && line.reason === 'SIGHUP');
  expect(await answers(gateway)).toEqual(new Set(['two']));
  const { body } = await gateway.ask('/config');
  expect(body.generation).toBe(2);
  expect(body.workers.map((worker: { generation: number }) => worker.generation)).toEqual([2, 2]);
});

test('SIGHUP during the start is made up for', async () => {
  const gateway = launchGateway(saying('one', { workers: 2 }));
  await eventually(() => childrenOf(gateway.pid).length > 0, { everyMs: 1 });
  gateway.write(saying('two', { workers: 2 }));
  gateway.signal('SIGHUP');
  await gateway.logged((line) => line.msg === 'configuration reloaded' && line.reason === 'SIGHUP');
  const ready = gateway.log.find((line) => line.msg === 'ready')!;
  expect(await (await fetch(`${ready.url}/hello`)).text()).toBe('two');
});

test('nothing is reloaded any more once the drain has begun', async () => {
  const drain = { delay: '700ms', timeout: '1s' };
  const gateway = await startGateway(saying('one', { drain }), { args: ['--watch'] });
  gateway.signal('SIGTERM');
  await gateway.logged((line) => line.msg === 'draining');
  gateway.write(saying('two', { drain }));
  gateway.signal('SIGHUP');
  expect((await gateway.reload()).status).toBe(409);
  await gateway.logged((line) => line.msg === 'SIGHUP ignored');
  expect(await gateway.exited).toBe(0);
  expect(gateway.log.map((line) => line.msg)).not.toContain('configuration reloaded');
});

test('the file is read by a process that ends; clients are served meanwhile, and if it is killed nothing has changed', async () => {
  const gateway = await startGateway(saying('one', { workers: 1 }));
  await eventually(() => childrenOf(gateway.pid).length === 0);
  rmSync(gateway.file);
  // Reading it does not end.
  execFileSync('mkfifo', [gateway.file]);
  const refused = gateway.reload();
  const [reader] = await eventually(() => childrenOf(gateway.pid).length > 0 && childrenOf(gateway.pid));
  expect(await answers(gateway)).toEqual(new Set(['one']));
  process.kill(Number(reader), 'SIGKILL');
  const { status, body } = await refused;
  expect(status).toBe(422);
  expect(body.mistakes[0].message).toBe(
    'the file cannot be read: the process that reads it ended with SIGKILL',
  );
  rmSync(gateway.file);
  gateway.write(saying('two', { workers: 1 }));
  expect((await gateway.reload()).status).toBe(200);
  expect(await answers(gateway)).toEqual(new Set(['two']));
});

test('the admin API swaps it, and says what became of it', async () => {
  const gateway = await startGateway(saying('one', { workers: 2 }));
  gateway.write(saying('two', { workers: 2 }));
  expect(await gateway.reload()).toMatchObject({ status: 200, body: { result: 'ok', generation: 2 } });
  expect(await answers(gateway)).toEqual(new Set(['two']));
});

test('a bad file changes nothing and says where and why', async () => {
  const gateway = await startGateway(saying('one'));
  gateway.write('routes:\n  - name: hello\n    macth: { path: /hello }\n    respond: { body: two }\n');
  const { status, body } = await gateway.reload();
  expect(status).toBe(422);
  expect(body).toMatchObject({ title: 'Configuration refused', generation: 1 });
  expect(body.mistakes).toContainEqual(expect.objectContaining({ line: 3, col: 5, path: 'routes[0].macth' }));
  expect(body.mistakes.map((mistake: { text: string }) => mistake.text).join('\n')).toContain(
    `${gateway.file}:3:5`,
  );
  const refused = await gateway.logged((line) => line.msg.startsWith('reload refused'));
  expect(refused.mistakes).toEqual(body.mistakes.map((mistake: { text: string }) => mistake.text));
  expect(await answers(gateway)).toEqual(new Set(['one']));
  expect((await gateway.ask('/readyz')).status).toBe(200);

  gateway.write(saying('three'));
  expect(await gateway.reload()).toMatchObject({ status: 200, body: { generation: 2 } });
  expect(await answers(gateway)).toEqual(new Set(['three']));
});

test('what cannot change at run time stays, is named, and does not stop the rest', async () => {
  const gateway = await startGateway(saying('one'));
  gateway.write(saying('two', { listen: '127.0.0.1:1', workers: 4, log: { level: 'warn' } }));
  const { status, body } = await gateway.reload();
  expect(status).toBe(200);
  expect(body.restartNeeded.map((option: { path: string }) => option.path)).toEqual([
    'listen.port',
    'workers',
  ]);
  const warning = await gateway.logged((line) => line.msg.startsWith('option needs a restart'));
  expect(warning).toMatchObject({ level: 'warn', path: 'listen.port', running: 0, configured: 1 });
  expect(await answers(gateway)).toEqual(new Set(['two']));
  const { config } = (await gateway.ask('/config')).body;
  expect(config).toMatchObject({ listen: { port: 0 }, workers: 1, log: { level: 'warn' } });
});

test('--watch follows an editor that writes in place, and one that replaces the file', async () => {
  const gateway = await startGateway(saying('one'), { args: ['--watch'] });
  gateway.write(saying('two'));
  await eventually(async () => (await answers(gateway)).has('two'));
  const draft = `${gateway.file}.draft`;
  writeFileSync(draft, JSON.stringify({ listen: '127.0.0.1:0', admin: '127.0.0.1:0', ...saying('three') }));
  renameSync(draft, gateway.file);
  await eventually(async () => (await answers(gateway)).has('three'));
});

test('--watch follows the links of a Kubernetes config map', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  const publish = (version: string, body: string) => {
    mkdirSync(join(folder, version));
    const config = {
      listen: '127.0.0.1:0',
      admin: '127.0.0.1:0',
      workers: 1,
      drain: { delay: 0 },
      ...saying(body),
    };
    writeFileSync(join(folder, version, 'sluice.yaml'), JSON.stringify(config));
    symlinkSync(version, join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  };
  publish('..1', 'one');
  symlinkSync(join('..data', 'sluice.yaml'), join(folder, 'sluice.yaml'));
  const gateway = await startGateway(null, { args: ['--watch'], file: join(folder, 'sluice.yaml') });
  publish('..2', 'two');
  await eventually(async () => (await answers(gateway)).has('two'));
});

test('--watch keeps what runs when the new file is bad', async () => {
  const gateway = await startGateway(saying('one'), { args: ['--watch'] });
  gateway.write('routes: [');
  await gateway.logged((line) => line.msg.startsWith('reload refused'));
  expect(await answers(gateway)).toEqual(new Set(['one']));
});

test('100 reloads in 20 seconds fail no request and close no connection', { timeout: 60_000 }, async () => {
  const service = await startService((_request, response) => response.end('quote'));
  const config = (version: number) => ({
    workers: 2,
    services: { quotes: { endpoints: [service.url] } },
    routes: [
      { name: 'quotes', match: { path: '/quotes/*' }, service: 'quotes' },
      { name: `only-in-${version}`, match: { path: `/${version}` }, respond: { body: String(version) } },
    ],
  });
  const gateway = await startGateway(config(1));
  const load = startLoad(gateway.url, { connections: 64, path: '/quotes/x' });
  await eventually(() => load.result.answered > 200);
  for (let version = 2; version <= 101; version++) {
    const startedAt = performance.now();
    gateway.write(config(version));
    expect((await gateway.reload()).status).toBe(200);
    await sleep(Math.max(0, 200 - (performance.now() - startedAt)));
  }
  const result = await load.stop();
  expect(result).toMatchObject({ failed: [], closed: 0, opened: 64 });
  expect(result.answered).toBeGreaterThan(2000);
  const { body } = await gateway.ask('/config');
  expect(body.workers.map((worker: { generation: number }) => worker.generation)).toEqual([101, 101]);
  expect((await fetch(`${gateway.url}/101`)).status).toBe(200);
  expect((await fetch(`${gateway.url}/100`)).status).toBe(404);
});

function childrenOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
}

/** What new connections are answered: eight of them meet every worker, almost surely. */
async function answers(gateway: RunningGateway): Promise<Set<string>> {
  const texts = new Set<string>();
  for (let i = 0; i < 8; i++) {
    const answer = await fetch(`${gateway.url}/hello`, { headers: { connection: 'close' } });
    texts.add(await answer.text());
  }
  return texts;
}
