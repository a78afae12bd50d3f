/**
 * How long it takes from registering an instance to its first answer through three gateways with one Redis, which are asked
 * over and over on connections of their own: `npm run bench -- registry`.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent, createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, GATEWAY_CORE, Launched, LOAD_CORE, probe, workspace } from './proc.ts';
import { type Bar, barTable, provenance, saveSections } from './report.ts';

const ROUNDS = 100;
const GATEWAYS = 3;
const BAR_MS = 100;
const ASK_EVERY_MS = 1;
const MAIN = new URL('../dist/main.js', import.meta.url);

interface Gateway {
  readonly url: string;
  readonly admin: string;
  readonly agent: Agent;
}

/** Measures and records; false when the bar is missed. */
export async function runRegistry(): Promise<boolean> {
  if (probe('redis-server', '--version') === null) throw new Error('redis-server is not installed');
  const dir = workspace();
  const port = await freePort();
  const redis = new Launched(
    'redis',
    ['redis-server', '--port', String(port), '--save', '', '--dir', dir],
    LOAD_CORE,
  );
  await redis.listening(port);
  const service = createServer((_, response) => response.end('here')).listen(0, '127.0.0.1');
  await once(service, 'listening');
  const instance = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
  const started = await Promise.all(Array.from({ length: GATEWAYS }, (_, i) => startGateway(dir, i, port)));
  const gateways = started.map(({ gateway }) => gateway);

  const all: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await everywhere(gateways, 503);
    const from = gateways[round % GATEWAYS] as Gateway;
    const startedAt = performance.now();
    const answered = everywhere(gateways, 200);
    await register(from, 'PUT', JSON.stringify({ url: instance, ttl: '1m' }));
    await answered;
    all.push(performance.now() - startedAt);
    await register(from, 'DELETE');
  }
  for (const { child } of started) await child.stop();
  await redis.stop();
  service.close();

  const sorted = all.sort((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number).toFixed(1);
  const bar: Bar = {
    what: 'registered → answered through 3 gateways',
    bar: `<= ${BAR_MS} ms`,
    measured: `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, slowest of ${ROUNDS} ${at(1)} ms`,
    met: Number(at(1)) <= BAR_MS,
  };
  saveSections({ Registry: `${provenance()}\n\n${barTable([bar])}` });
  return bar.met;
}

async function startGateway(dir: string, i: number, redis: number) {
  const file = join(dir, `gateway-${i}.yaml`);
  writeFileSync(
    file,
    `
listen: 127.0.0.1:0
admin: 127.0.0.1:0
accessLog: off
redis: redis://127.0.0.1:${redis}
registry: { allowLoopback: true }
services: { quotes: { discover: registry } }
routes: [{ name: quotes, match: { path: '/*' }, service: quotes }]
`,
  );
  const child = new Launched(
    `gateway ${i}`,
    [process.execPath, MAIN.pathname, 'start', '-c', file, '--workers', '1'],
    GATEWAY_CORE,
  );
  const { url, admin } = await child.ready();
  return {
    child,
    gateway: { url, admin: String(admin), agent: new Agent({ keepAlive: true, maxSockets: 1 }) },
  };
}

async function everywhere(gateways: readonly Gateway[], status: number): Promise<void> {
  await Promise.all(
    gateways.map(async (gateway) => {
      while ((await ask(gateway)) !== status) await sleep(ASK_EVERY_MS);
    }),
  );
}

function ask({ url, agent }: Gateway): Promise<number> {
  return send(url, { agent });
}

async function register({ admin }: Gateway, method: string, body?: string): Promise<void> {
  const status = await send(
    `${admin}/registry/quotes/a`,
    { method, headers: { 'content-type': 'application/json' } },
    body,
  );
  if (status !== 200 && status !== 201) throw new Error(`the registry answers ${status}`);
}

function send(url: string, options: object, body?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, options, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    request.once('error', reject);
    request.end(body);
  });
}
