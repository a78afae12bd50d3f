/** A Redis Cluster of three masters with a replica each, or a master with a replica and a Sentinel, on free ports. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { eventually } from './eventually.ts';

/** Whether there is a redis-server: tests that need one are skipped without. */
export const HAS_REDIS = spawnSync('redis-server', ['--version']).status === 0;
if (!HAS_REDIS) console.warn('redis-server is not installed: tests with a Cluster or Sentinels are skipped');

export interface Node {
  readonly port: number;
  readonly client: Redis;
  kill(): void;
}

export interface RunningNodes {
  readonly nodes: readonly Node[];
  stop(): void;
}

const SLOTS = 16_384;

/** Nodes 0 to 2 are masters, 3 to 5 their replicas. */
export async function startCluster(): Promise<RunningNodes> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cluster-'));
  const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--save', ''];
  const nodes: Node[] = [];
  // A node of a Cluster takes the port 10,000 above, too.
  for (let i = 0; i < 6; i++) nodes.push(await startNode(folder, await freePort(50_000), cluster));
  const ids = await Promise.all(nodes.map(({ client }) => client.cluster('MYID') as Promise<string>));
  for (const [i, { client }] of nodes.slice(0, 3).entries()) {
    const [from, to] = [Math.floor((i * SLOTS) / 3), Math.floor(((i + 1) * SLOTS) / 3) - 1];
    await client.call('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to));
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
  }
  for (const { client, port } of nodes.slice(1)) {
    void port;
    await client.call('CLUSTER', 'MEET', '127.0.0.1', String(nodes[0]!.port));
  }
  const knowsAll = async ({ client }: Node) =>
    String(await client.cluster('NODES'))
      .trim()
      .split('\n').length === nodes.length;
  await eventually(async () => (await Promise.all(nodes.map(knowsAll))).every(Boolean) || undefined, {
    what: 'that all nodes know each other',
    withinMs: 15_000,
  });
  for (let i = 3; i < 6; i++) await nodes[i]!.client.call('CLUSTER', 'REPLICATE', ids[i - 3]!);
  const isOk = async ({ client }: Node) => String(await client.cluster('INFO')).includes('cluster_state:ok');
  const follows = async ({ client }: Node) =>
    String(await client.info('replication')).includes('master_link_status:up');
  await eventually(
    async () =>
      (await Promise.all([...nodes.map(isOk), ...nodes.slice(3).map(follows)])).every(Boolean) || undefined,
    { what: 'that the Cluster works', withinMs: 20_000 },
  );
  return running(nodes, folder);
}

/** Node 0 is the master, 1 its replica, 2 the Sentinel, which calls the master `main`. */
export async function startSentinel(): Promise<RunningNodes> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-sentinel-'));
  const master = await startNode(folder, await freePort(), ['--save', '']);
  const replica = await startNode(folder, await freePort(), [
    '--save',
    '',
    '--replicaof',
    '127.0.0.1',
    String(master.port),
  ]);
  await eventually(
    async () =>
      String(await replica.client.info('replication')).includes('master_link_status:up') || undefined,
    { what: 'that the replica follows', withinMs: 15_000 },
  );
  const port = await freePort();
  const file = join(folder, 'sentinel.conf');
  writeFileSync(
    file,
    [
      `sentinel monitor main 127.0.0.1 ${master.port} 1`,
      'sentinel down-after-milliseconds main 500',
      'sentinel failover-timeout main 3000',
    ].join('\n'),
  );
  const sentinel = await startNode(folder, port, ['--sentinel'], file);
  await eventually(
    async () =>
      ((await sentinel.client.call('SENTINEL', 'REPLICAS', 'main')) as unknown[]).length === 1 || undefined,
    { what: 'that the Sentinel knows the replica', withinMs: 20_000 },
  );
  return running([master, replica, sentinel], folder);
}

function running(nodes: readonly Node[], folder: string): RunningNodes {
  return {
    nodes,
    stop() {
      for (const node of nodes) node.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startNode(
  folder: string,
  port: number,
  options: readonly string[],
  file?: string,
): Promise<Node> {
  const own = join(folder, String(port));
  mkdirSync(own);
  const common = ['--port', String(port), '--bind', '127.0.0.1', '--dir', own];
  const server: ChildProcess = spawn(
    'redis-server',
    [...(file === undefined ? [] : [file]), ...common, ...options],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const killOnExit = () => void server.kill('SIGKILL');
  process.once('exit', killOnExit);
  for await (const line of createInterface(server.stdout!)) {
    if (/Ready to accept connections|Sentinel ID is/.test(line)) break;
  }
  server.stdout!.resume();
  const client = new Redis(port, '127.0.0.1');
  client.on('error', () => {});
  return {
    port,
    client,
    kill() {
      client.disconnect();
      server.kill('SIGKILL');
      process.off('exit', killOnExit);
    },
  };
}

async function freePort(below = 65_536): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    if (port < below) return port;
  }
}
