/** `sluice register` with real instances, a real Redis and a gateway that routes to them. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type RunningGateway, startGateway } from '../harness/gateway.ts';
import { type RunningRedis, startRedis } from '../harness/redis.ts';
import { MAIN, sluice } from './sluice.ts';

/** Listens after a moment; ends with 7 when asked to; answers with its name, or 500 on /health after POST /ill. */
const INSTANCE = `
const [port, name] = process.argv.slice(1);
let status = 200;
const server = require('node:http').createServer((request, response) => {
  if (request.method === 'POST') status = request.url === '/ill' ? 500 : 200;
  response.writeHead(request.url === '/health' ? status : 200).end(name);
});
setTimeout(() => server.listen(Number(port), '127.0.0.1'), 200);
process.on('SIGTERM', () => { console.log('asked to end'); process.exit(7); });
process.on('SIGUSR2', () => console.log('USR2'));
`;

const missing = spawnSync('redis-server', ['--version']).error !== undefined;
if (missing) console.warn('redis-server is not installed: sluice register is not tested with it');

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

interface Wrapped {
  readonly process: ChildProcess;
  readonly port: number;
  out: string;
  err: string;
  readonly ended: Promise<number | NodeJS.Signals>;
}

async function wrap(
  options: string[],
  env: Record<string, string> = {},
  command?: string[],
): Promise<Wrapped> {
  const port = await freePort();
  const line = command ?? [process.execPath, '-e', INSTANCE, String(port), `instance ${port}`];
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(
    process.execPath,
    [MAIN, 'register', '--service', 'quotes', '--url', url, ...options, '--', ...line],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      detached: true,
    },
  );
  const wrapped: Wrapped = {
    process: child,
    port,
    out: '',
    err: '',
    ended: once(child, 'exit').then(([code, signal]) => signal ?? code),
  };
  child.stdout.setEncoding('utf8').on('data', (text) => {
    wrapped.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    wrapped.err += text;
  });
  onTestFinished(() => {
    try {
      process.kill(-child.pid!, 'SIGKILL'); // it and its instance
    } catch {
      // both have ended
    }
  });
  return wrapped;
}

const CONFIG = {
  registry: { allowLoopback: true },
  services: { quotes: { discover: 'registry' } },
  routes: [{ name: 'quotes', match: { path: '/*' }, service: 'quotes' }],
};

async function ask(gateway: RunningGateway): Promise<string> {
  const answer = await fetch(gateway.url, { headers: { connection: 'close' } });
  return answer.ok ? await answer.text() : String(answer.status);
}

const registered = async (gateway: RunningGateway) =>
  (await gateway.ask('/registry/quotes')).body.instances as Record<string, unknown>[];

describe.skipIf(missing)('an instance in Redis', () => {
  let redis: RunningRedis;
  let gateway: RunningGateway;

  beforeAll(async () => {
    redis = await startRedis();
    gateway = await startGateway({ ...CONFIG, redis: redis.url });
  });
  beforeEach(async () => {
    // The one before may have been killed.
    await eventually(async () => (await registered(gateway)).length === 0, { withinMs: 15_000 });
  });
  afterAll(async () => {
    await gateway?.end();
    await redis?.stop();
  });

  it('is routed to once it answers, and taken out before it is asked to end; its exit code is passed on', async () => {
    const options = [
      '--id',
      'a',
      '--weight',
      '3',
      '--zone',
      'eu-1',
      '--version',
      '1.2',
      '--tag',
      'blue',
      '--meta',
      'room=7',
      '--meta',
      'x=a=b',
    ];
    const wrapped = await wrap(options, { SLUICE_REDIS: redis.url });
    await eventually(async () => (await ask(gateway)) === `instance ${wrapped.port}`);
    expect(await registered(gateway)).toEqual([
      {
        id: 'a',
        url: `http://127.0.0.1:${wrapped.port}`,
        weight: 3,
        zone: 'eu-1',
        priority: 0,
        version: '1.2',
        tags: ['blue'],
        metadata: { room: '7', x: 'a=b' },
      },
    ]);
    wrapped.process.kill('SIGUSR2');
    await eventually(() => wrapped.out === 'USR2\n');
    wrapped.process.kill('SIGTERM');
    await eventually(async () => (await registered(gateway)).length === 0);
    expect(await wrapped.ended).toBe(7);
    expect(wrapped.out).toBe('USR2\nasked to end\n');
    expect(wrapped.err).toBe(
      'sluice register: quotes/a registered\nsluice register: quotes/a deregistered\n',
    );
  });

  it('is taken out when it is killed, and the code says so', async () => {
    const wrapped = await wrap(['--redis', redis.url, '--id', 'b']);
    await eventually(async () => (await registered(gateway)).length === 1);
    const pid = Number(
      spawnSync('ps', ['-o', 'pid=', '--ppid', String(wrapped.process.pid)], { encoding: 'utf8' }).stdout,
    );
    process.kill(pid, 'SIGKILL');
    expect(await wrapped.ended).toBe(128 + 9);
    await eventually(async () => (await registered(gateway)).length === 0);
  });

  it('falls out when whoever kept it registered is killed: its lease ends', async () => {
    const wrapped = await wrap(['--redis', redis.url, '--id', 'c', '--ttl', '1s']);
    await eventually(async () => (await registered(gateway)).length === 1);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await registered(gateway)).toHaveLength(1); // renewed meanwhile
    wrapped.process.kill('SIGKILL');
    await eventually(async () => (await registered(gateway)).length === 0, { withinMs: 10_000 });
    expect(await ask(gateway)).toBe('503');
  });

  it('is registered only while it is well, with --health', async () => {
    const wrapped = await wrap(['--redis', redis.url, '--id', 'd', '--ttl', '1s', '--health', '/health']);
    const say = (path: string) => fetch(`http://127.0.0.1:${wrapped.port}${path}`, { method: 'POST' });
    await eventually(async () => (await registered(gateway)).length === 1);
    await say('/ill');
    await eventually(async () => (await registered(gateway)).length === 0, { withinMs: 10_000 });
    expect(wrapped.err).toContain('the instance is not well');
    await say('/well');
    await eventually(async () => (await registered(gateway)).length === 1, { withinMs: 10_000 });
  });

  it('runs without Redis, and registers again when it is back', async () => {
    const wrapped = await wrap(['--redis', redis.url, '--id', 'e', '--ttl', '1s']);
    await eventually(async () => (await registered(gateway)).length === 1);
    await redis.kill();
    await eventually(() => wrapped.err.includes('not registered: Redis at'));
    expect(await ask(gateway)).toBe(`instance ${wrapped.port}`);
    await redis.restart();
    await eventually(
      () => wrapped.err.endsWith('registered\n') && wrapped.err.split('registered\n').length > 2,
      { withinMs: 10_000 },
    );
    expect(await ask(gateway)).toBe(`instance ${wrapped.port}`);
    await redis.kill();
    wrapped.process.kill('SIGTERM');
    expect(await wrapped.ended).toBe(7);
    await redis.restart();
  });
});

describe('an instance of a gateway without Redis', () => {
  it('registers with the admin API, token and all', async () => {
    const gateway = await startGateway({ ...CONFIG, admin: { host: '127.0.0.1', port: 0, token: 'hush' } });
    const wrapped = await wrap(['--admin', gateway.admin, '--id', 'a'], { SLUICE_ADMIN_TOKEN: 'hush' });
    await eventually(async () => (await ask(gateway)) === `instance ${wrapped.port}`);
    wrapped.process.kill('SIGTERM');
    expect(await wrapped.ended).toBe(7);
    await eventually(async () => (await ask(gateway)) === '503');
  });

  it('says why it is not taken, once', async () => {
    const gateway = await startGateway({ ...CONFIG, registry: {} });
    const wrapped = await wrap(['--admin', gateway.admin, '--ttl', '1s']);
    await eventually(() => wrapped.err.includes('answers 400: 127.0.0.1 is a loopback address'));
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(wrapped.err.match(/not registered/g)).toHaveLength(1);
  });
});

describe('a command', () => {
  const REDIS = ['--redis', 'redis://127.0.0.1:1'];

  it.each([
    [['false'], 1],
    [['sh', '-c', 'exit 42'], 42],
    [['sh', '-c', 'kill -15 $$'], 143],
    [['/does/not/exist'], 127],
    [['/etc/passwd'], 126],
  ])('%j ends with %d', async (command, code) => {
    const wrapped = await wrap(REDIS, {}, command);
    expect(await wrapped.ended).toBe(code);
  });

  it.each([
    [['--service', 'q', '--url', 'http://127.0.0.1:1', ...REDIS], 'CMD is missing'],
    [['--service', 'q', '--url', 'http://127.0.0.1:1', ...REDIS, 'true'], '-- is missing before "true"'],
    [['--service', 'q', '--url', 'http://127.0.0.1:1', '--', 'true'], '--redis or --admin is missing'],
    [['--service', 'Q', '--url', 'http://127.0.0.1:1', ...REDIS, '--', 'true'], '--service Q'],
    [['--service', 'q', '--url', 'ftp://a', ...REDIS, '--', 'true'], '--url: expected'],
    [
      ['--service', 'q', '--url', 'http://127.0.0.1:1/a', ...REDIS, '--', 'true'],
      '--url: nothing behind the port',
    ],
    [
      ['--service', 'q', '--url', 'http://127.0.0.1:1', '--weight', 'x', ...REDIS, '--', 'true'],
      '--weight: expected',
    ],
    [
      ['--service', 'q', '--url', 'http://127.0.0.1:1', '--ttl', '1', ...REDIS, '--', 'true'],
      '--ttl 1: expected',
    ],
    [
      ['--service', 'q', '--url', 'http://127.0.0.1:1', '--meta', 'x', ...REDIS, '--', 'true'],
      '--meta x: expected KEY=VALUE',
    ],
    [['--service', 'q', '--url', 'http://127.0.0.1:1', '--id', '../x', ...REDIS, '--', 'true'], '--id ../x'],
    [
      ['--service', 'q', '--url', 'http://127.0.0.1:1', '--redis', 'host:6379', '--', 'true'],
      '--redis: expected',
    ],
  ])('is not run when the options make no sense: %j', (args, message) => {
    const { code, err } = sluice('register', ...args);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});
