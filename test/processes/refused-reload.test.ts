/** Configurations that the file check lets pass and workers cannot take: files that only they cannot read, say. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';

const CERTIFICATES = fileURLToPath(new URL('../config/tls/', import.meta.url));

/** The workers whose number is in the file `deny` next to a certificate cannot read it. */
const DENY = `
  import fs from 'node:fs';
  import { syncBuiltinESMExports } from 'node:module';
  import { dirname, join } from 'node:path';
  const id = process.env.SLUICE_WORKER_ID;
  const read = fs.readFileSync;
  fs.readFileSync = (file, ...more) => {
    const deny = String(file).endsWith('.crt') ? join(dirname(String(file)), 'deny') : '';
    if (id !== undefined && deny !== '' && fs.existsSync(deny) && read(deny, 'utf8').includes(id))
      throw new Error('EMFILE: too many open files');
    return read(file, ...more);
  };
  syncBuiltinESMExports();`;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  use('one');
  return () => rmSync(folder, { recursive: true, force: true });
});

test('new certificates reach every worker, and no connection closes', async () => {
  const gateway = await start();
  const before = await Promise.all(Array.from({ length: 8 }, () => open(gateway)));
  expect(new Set(before.map(({ name }) => name))).toEqual(new Set(['one.example']));
  use('two');
  expect((await gateway.reload()).status).toBe(200);
  expect(await seen(gateway)).toEqual(new Set(['two.example: one']));
  for (const { ask } of before) expect(await ask()).toBe('one');
});

test('refused by every worker: nothing has changed, and the next reload reaches them all', async () => {
  const gateway = await start();
  deny('12');
  gateway.write(saying('two'));
  const { status, body } = await gateway.reload();
  expect(status).toBe(422);
  expect(body).toMatchObject({
    title: 'Configuration refused',
    detail: 'nothing has changed: every worker refused it (EMFILE: too many open files)',
    generation: 1,
    workers: [
      { worker: 1, result: 'refused', error: 'EMFILE: too many open files' },
      { worker: 2, result: 'refused' },
    ],
  });
  expect(await generations(gateway)).toEqual([1, 1]);
  expect(await seen(gateway)).toEqual(new Set(['one.example: one']));

  deny('');
  gateway.write(saying('three'));
  expect(await gateway.reload()).toMatchObject({
    status: 200,
    body: {
      result: 'ok',
      workers: [
        { worker: 1, result: 'applied' },
        { worker: 2, result: 'applied' },
      ],
    },
  });
  const { generation } = (await gateway.ask('/config')).body;
  expect(await generations(gateway)).toEqual([generation, generation]);
  expect(await seen(gateway)).toEqual(new Set(['one.example: three']));
});

test('refused by one worker: it is told, and asked again until it can', async () => {
  const gateway = await start();
  deny('2');
  gateway.write(saying('two'));
  const { status, body } = await gateway.reload();
  expect(status).toBe(500);
  expect(body).toMatchObject({
    title: 'Configuration partly applied',
    generation: 2,
    workers: [
      { worker: 1, result: 'applied', error: null },
      { worker: 2, result: 'refused', error: 'EMFILE: too many open files' },
    ],
  });
  expect(await generations(gateway)).toEqual([2, 1]);
  expect(await seen(gateway)).toEqual(new Set(['one.example: one', 'one.example: two']));
  await gateway.logged((line) => line.msg === 'worker refuses the configuration again');

  deny('');
  await gateway.logged((line) => line.msg === 'worker caught up' && line.worker === 2);
  expect(await generations(gateway)).toEqual([2, 2]);
  expect(await seen(gateway)).toEqual(new Set(['one.example: two']));
  const metrics = (await gateway.ask('/metrics')).body.split('\n');
  expect(metrics).toContain('sluice_config_reloads_total{result="partial"} 1');
});

async function start(): Promise<RunningGateway> {
  return await startGateway(saying('one'), {
    env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(DENY)}` },
  });
}

function saying(body: string) {
  const tls = { cert: join(folder, 'it.crt'), key: join(folder, 'it.key') };
  return {
    listen: { host: '127.0.0.1', port: 0, tls },
    workers: 2,
    routes: [{ name: 'all', match: { path: '/' }, respond: { body } }],
  };
}

function use(certificate: 'one' | 'two'): void {
  for (const end of ['crt', 'key'])
    copyFileSync(join(CERTIFICATES, `${certificate}.${end}`), join(folder, `it.${end}`));
}

function deny(workers: string): void {
  writeFileSync(join(folder, 'deny'), workers);
}

async function generations(gateway: RunningGateway): Promise<number[]> {
  const { body } = await gateway.ask('/config');
  return body.workers.map(({ generation }: { generation: number }) => generation);
}

/** Certificate and answer that new connections meet: sixteen of them meet every worker, almost surely. */
async function seen(gateway: RunningGateway): Promise<Set<string>> {
  const meet = async () => {
    const { name, ask, close } = await open(gateway);
    const answer = await ask();
    close();
    return `${name}: ${answer}`;
  };
  return new Set(await Promise.all(Array.from({ length: 16 }, meet)));
}

/** A TLS connection: whose certificate it was shown, and a way to ask for `/`. */
async function open(gateway: RunningGateway) {
  const port = Number(new URL(gateway.url).port);
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  onTestFinished(() => void socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  let received = '';
  socket.setEncoding('latin1').on('data', (text) => {
    received += text;
  });
  async function ask(): Promise<string> {
    received = '';
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    return await eventually(() => /\r\n\r\n(.+)$/s.exec(received)?.[1]);
  }
  return { name: String(socket.getPeerCertificate().subject.CN), ask, close: () => socket.destroy() };
}
