/**
 * Idempotency keys: `npm run bench -- keys [DUPLICATES]`. 10,000 duplicates of one key at the same time over three gateways
 * with a real Redis, and the gateway that has sent the first is killed: the service must see one request. Then what a key costs.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { freePort, GATEWAY_CORE, Launched, LOAD_CORE, workspace } from './proc.ts';
import { cpuMicros } from './readings.ts';
import { type Bar, barTable, provenance, saveSections, table } from './report.ts';

const MAIN = new URL('../dist/main.js', import.meta.url).pathname;
const GATEWAYS = 3;
const WAVE = 200;
const SETTLED_WITHIN_MS = 30_000;
const COSTED_REQUESTS = 5000;
const COSTED_AT_ONCE = 64;

let calls = 0;
let machine = -1;
let held: ServerResponse[] | null = null;
let onHeld: (() => void) | null = null;
const service = createServer((req, res) => {
  req.resume().on('end', () => {
    calls++;
    machine = Number(req.headers['x-machine'] ?? -1);
    if (held === null) return void res.end('done');
    held.push(res);
    onHeld?.();
  });
});

async function startGateway(
  dir: string,
  name: string,
  redis: string | null,
  keys: boolean,
): Promise<Launched & { url: string }> {
  const file = join(dir, `${name}.yaml`);
  const { port } = service.address() as AddressInfo;
  const config = {
    listen: '127.0.0.1:0',
    admin: 'off',
    accessLog: 'off',
    data: join(dir, `data-${name}`),
    ...(redis !== null && { redis }),
    services: {
      shop: { endpoints: [`http://127.0.0.1:${port}`], timeouts: { firstByte: '10m', total: '10m' } },
    },
    routes: [
      {
        name: 'do',
        match: { path: '/do' },
        service: 'shop',
        ...(keys && { idempotency: true }),
        headers: { request: { set: { 'x-machine': name } } },
      },
    ],
  };
  writeFileSync(file, JSON.stringify(config));
  const child = new Launched(
    `gateway ${name}`,
    [process.execPath, MAIN, 'start', '-c', file, '--workers', '1'],
    GATEWAY_CORE,
  );
  const { url } = await child.ready();
  return Object.assign(child, { url });
}

async function order(url: string, key: string): Promise<string> {
  try {
    const answer = await fetch(`${url}/do`, {
      method: 'POST',
      body: 'b',
      headers: { 'idempotency-key': key },
    });
    const text = await answer.text();
    return answer.ok ? 'answered' : JSON.parse(text).code;
  } catch {
    return 'cut';
  }
}

async function duplicates(total: number, dir: string, redis: string): Promise<Bar> {
  const gateways = await Promise.all(
    Array.from({ length: GATEWAYS }, (_, i) => startGateway(dir, String(i), redis, true)),
  );
  calls = 0;
  held = [];
  // Now, while most of them are on their way.
  onHeld = () => {
    if (calls === 1) process.kill((gateways[machine] as Launched).pid, 'SIGKILL');
  };
  const told = new Map<string, number>();
  const all = Array.from({ length: total }, async (_, i) => {
    const word = await order((gateways[i % GATEWAYS] as { url: string }).url, '"k"');
    told.set(word, (told.get(word) ?? 0) + 1);
  });
  await Promise.all(all);
  for (const res of held) res.destroy();
  held = null;
  // More of them, until nobody takes the dead one for alive any more.
  const others = gateways.filter((_, i) => i !== machine);
  const until = performance.now() + SETTLED_WITHIN_MS;
  let end = new Set<string>();
  do {
    const wave = Array.from({ length: WAVE }, (_, i) => order((others[i % 2] as { url: string }).url, '"k"'));
    end = new Set(await Promise.all(wave));
  } while (end.has('IDEMPOTENCY_IN_FLIGHT') && performance.now() < until);
  const afterwards = [...end].join(', ');
  for (const gateway of gateways) await gateway.stop();
  const words = [...told].map(([word, count]) => `${count} ${word}`).join(', ');
  console.log(`${total} duplicates: ${words}; afterwards ${afterwards}; ${calls} upstream`);
  return {
    what: `${total} duplicates of a key at once over ${GATEWAYS} gateways, the busy one killed`,
    measured: `${calls} upstream (${words}; afterwards ${afterwards})`,
    bar: '1 upstream',
    met: calls === 1 && afterwards === 'IDEMPOTENCY_OUTCOME_UNKNOWN',
  };
}

async function cost(name: string, dir: string, redis: string | null, keys: boolean): Promise<string[]> {
  const gateway = await startGateway(dir, name, redis, keys);
  const times: number[] = [];
  const run = async (count: number, warm: boolean) => {
    let n = 0;
    await Promise.all(
      Array.from({ length: COSTED_AT_ONCE }, async () => {
        while (n < count) {
          const key = `"${name}-${warm}-${n++}"`;
          const startedAt = performance.now();
          if ((await order(gateway.url, key)) !== 'answered') throw new Error('not answered');
          times.push(performance.now() - startedAt);
        }
      }),
    );
  };
  await run(COSTED_REQUESTS / 5, true);
  times.length = 0;
  const cpuBefore = cpuMicros(gateway.pid);
  const startedAt = performance.now();
  await run(COSTED_REQUESTS, false);
  const seconds = (performance.now() - startedAt) / 1000;
  const cpu = (cpuMicros(gateway.pid) - cpuBefore) / times.length;
  await gateway.stop();
  times.sort((a, b) => a - b);
  const at = (share: number) => `${(times[Math.floor(times.length * share)] as number).toFixed(1)} ms`;
  return [name, `${cpu.toFixed(0)} us`, (times.length / seconds).toFixed(0), at(0.5), at(0.99)];
}

export async function runKeys(total: number): Promise<boolean> {
  const dir = workspace();
  service.listen(0, '127.0.0.1', 8192);
  await once(service, 'listening');
  const port = await freePort();
  const redis = new Launched(
    'redis-server',
    [
      'redis-server',
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'yes',
      '--dir',
      dir,
    ],
    LOAD_CORE,
  );
  await redis.listening(port);
  const url = `redis://127.0.0.1:${port}`;
  const bar = await duplicates(total, dir, url);
  const rows = [
    await cost('without keys', dir, null, false),
    await cost('embedded', dir, null, true),
    await cost('Redis', dir, url, true),
  ];
  await redis.stop();
  const costs = table(['store', 'CPU/request', 'requests/s', 'p50', 'p99'], rows);
  const setting = `${COSTED_AT_ONCE} at a time, each with a key of its own, from a client of Node on the other core, which is the bottleneck without keys.`;
  saveSections({ 'Idempotency keys': `${provenance()}\n\n${barTable([bar])}\n\n${setting}\n\n${costs}` });
  return bar.met;
}
