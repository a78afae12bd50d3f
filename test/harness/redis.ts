/** A real redis-server on a free port, which tests may stop, kill and start again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';

export interface RunningRedis {
  readonly url: string;
  readonly port: number;
  /** A client of the test's own. */
  readonly client: Redis;
  /** It answers nobody, but keeps its connections: SIGSTOP. */
  pause(): void;
  resume(): void;
  /** As by a crash: SIGKILL. */
  kill(): Promise<void>;
  /** On the same port, with what is on its disk: nothing, unless the test saved it. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** `options` as on the command line: `['--requirepass', 'hush']`. */
export async function startRedis(options: readonly string[] = []): Promise<RunningRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-redis-'));
  const port = await freePort();
  const password = options[options.indexOf('--requirepass') + 1];
  const url = `redis://${options.includes('--requirepass') ? `:${password}@` : ''}127.0.0.1:${port}`;
  let server = await spawnServer(port, folder, options);
  let client = newClient(url);
  const end = async () => {
    client.disconnect();
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill('SIGKILL');
    await once(server, 'exit');
  };
  return {
    url,
    port,
    get client() {
      return client;
    },
    pause: () => server.kill('SIGSTOP'),
    resume: () => server.kill('SIGCONT'),
    kill: end,
    async restart() {
      await end();
      server = await spawnServer(port, folder, options);
      client = newClient(url);
    },
    async stop() {
      await end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function spawnServer(port: number, folder: string, options: readonly string[]): Promise<ChildProcess> {
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...options];
  const server = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface(server.stdout)) {
    if (line.includes('Ready to accept connections')) break;
  }
  server.stdout.resume();
  return server;
}

function newClient(url: string): Redis {
  const client = new Redis(url);
  client.on('error', () => {}); // the test ended it
  return client;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
