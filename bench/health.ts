/**
 * How soon a service is asked again after an outage, what being refused costs meanwhile, and how soon all workers know of an endpoint that is
 * unwell: `npm run bench -- health [ROUNDS]`. Two workers.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GATEWAY_CORE, Launched, workspace } from './proc.ts';
import { type Bar, barTable, provenance, saveSections } from './report.ts';

const MAIN = new URL('../dist/main.js', import.meta.url);
const CLIENTS = 32;
const OPEN_MS = 500;
const PROBES = 3;
const SERVICE_MS = 20;
const REFUSALS_PER_ROUND = 100;

const CONFIG = (broken: readonly string[], probed: readonly string[]) => `
listen: 127.0.0.1:0
admin: 127.0.0.1:0
accessLog: off
workers: 2
services:
  broken:
    endpoints: [${broken.join(', ')}]
    breaker: { window: 2s, minimum: 5, failureRatio: 50%, openFor: ${OPEN_MS}ms, probes: ${PROBES}, rampUp: off }
  probed:
    endpoints: [${probed.join(', ')}]
    health: { path: /health, interval: 200ms, timeout: 200ms, healthy: 1, unhealthy: 1 }
routes:
  - { name: broken, match: { path: /broken }, service: broken }
  - { name: probed, match: { path: /probed }, service: probed }
  - { name: fixed, match: { path: /fixed }, respond: { body: { fixed: true } } }
`;

/** Measures and records; false when a bar is missed. */
export async function runHealth(rounds: number): Promise<boolean> {
  const services = await Promise.all([0, 1, 2, 3].map(() => startEndpoint()));
  const [a, b, c, d] = services as [Endpoint, Endpoint, Endpoint, Endpoint];
  const file = join(workspace(), 'sluice.yaml');
  writeFileSync(file, CONFIG([a.url, b.url], [c.url, d.url]));
  const child = new Launched('sluice', [process.execPath, MAIN.pathname, 'start', '-c', file], GATEWAY_CORE);
  const { url, admin } = await child.ready();

  const outages: Outage[] = [];
  for (let round = 0; round < rounds; round++) outages.push(await outage(url, String(admin), [a, b]));
  const spreads: number[] = [];
  for (let round = 0; round < rounds; round++) spreads.push(await spread(url, c));
  await child.stop();
  for (const service of services) service.close();

  const lags = outages.map(({ lagMs }) => lagMs);
  const refusals = outages.flatMap(({ refusalsMs }) => refusalsMs);
  const fixed = outages.flatMap(({ fixedMs }) => fixedMs);
  const probes = Math.max(...outages.map(({ probes }) => probes));
  const bars: Bar[] = [
    {
      what: 'all endpoints down, then back: first answer after `openFor`',
      bar: '<= 200 ms',
      measured: `p50 ${at(lags, 0.5)} ms, slowest of ${rounds} ${at(lags, 1)} ms (the service takes ${SERVICE_MS})`,
      met: Number(at(lags, 1)) <= 200,
    },
    {
      what: 'requests before that answer',
      bar: `<= ${PROBES} probes`,
      measured: String(probes),
      met: probes <= PROBES,
    },
    {
      what: '503 while open, one client on one connection; p99 above that of a fixed answer, the rest is the client',
      bar: 'p50 <= 1 ms, p99 <= 1 ms above',
      measured: `p50 ${at(refusals, 0.5)} ms, p99 ${at(refusals, 0.99)} ms (fixed ${at(fixed, 0.99)} ms) of ${refusals.length}`,
      met: Number(at(refusals, 0.5)) <= 1 && Number(at(refusals, 0.99)) - Number(at(fixed, 0.99)) <= 1,
    },
    {
      what: 'answer of a failed probe → last request of any worker',
      bar: '<= 10 ms',
      measured: `p50 ${at(spreads, 0.5)} ms, slowest of ${rounds} ${at(spreads, 1)} ms`,
      met: Number(at(spreads, 1)) <= 10,
    },
  ];
  saveSections({ Health: `${provenance()} Two workers on one core.\n\n${barTable(bars)}` });
  return bars.every(({ met }) => met);
}

interface Outage {
  /** From the end of `openFor` to the first answer. */
  lagMs: number;
  /** Requests that came to the service before that answer left it. */
  probes: number;
  refusalsMs: number[];
  /** Of answers that the gateway gives without a service. */
  fixedMs: number[];
}

/** Both endpoints stop, the breaker opens, they are there again, and many clients ask all the time. */
async function outage(url: string, admin: string, endpoints: readonly Endpoint[]): Promise<Outage> {
  const target = `${url}/broken`;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  while ((await ask(target, agent)).status !== 200) await sleep(20);
  const fixedMs: number[] = [];
  while (fixedMs.length < REFUSALS_PER_ROUND) {
    const from = performance.now();
    await ask(`${url}/fixed`, agent);
    fixedMs.push(performance.now() - from);
  }
  for (const endpoint of endpoints) await endpoint.stop();
  while ((await ask(target, agent)).code !== 'CIRCUIT_OPEN');
  const asked = performance.now();
  const breaker = (await breakerOf(admin)) as { state: string; sinceMs: number };
  if (breaker.state !== 'open') throw new Error(`the breaker is ${breaker.state}`);
  const openedAt = (asked + performance.now()) / 2 - breaker.sinceMs;
  for (const endpoint of endpoints) await endpoint.start();

  const refusalsMs: number[] = [];
  while (refusalsMs.length < REFUSALS_PER_ROUND && performance.now() < openedAt + OPEN_MS - 50) {
    const from = performance.now();
    if ((await ask(target, agent)).code === 'CIRCUIT_OPEN') refusalsMs.push(performance.now() - from);
  }
  let firstAt = Number.POSITIVE_INFINITY;
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const own = new Agent({ keepAlive: true, maxSockets: 1 });
      while (firstAt === Number.POSITIVE_INFINITY) {
        const { status } = await ask(target, own);
        if (status === 200) firstAt = Math.min(firstAt, performance.now());
        else await sleep(2);
      }
      own.destroy();
    }),
  );
  agent.destroy();
  const firstLeft = Math.min(...endpoints.flatMap(({ answered }) => answered));
  const probes = endpoints.flatMap(({ arrived }) => arrived).filter((time) => time < firstLeft).length;
  return { lagMs: firstAt - openedAt - OPEN_MS, probes, refusalsMs, fixedMs };
}

/** The endpoint fails its probe: how long after that answer requests still come to it. */
async function spread(url: string, endpoint: Endpoint): Promise<number> {
  let stopping = false;
  const clients = Array.from({ length: 8 }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (!stopping) {
      await ask(`${url}/probed`, agent);
      await sleep(1);
    }
    agent.destroy();
  });
  await sleep(100);
  const failedAt = await endpoint.failProbes();
  await sleep(200);
  const last = Math.max(failedAt, ...endpoint.arrived);
  endpoint.well = true;
  stopping = true;
  await Promise.all(clients);
  await sleep(450);
  return last - failedAt;
}

class Endpoint {
  readonly arrived: number[] = [];
  readonly answered: number[] = [];
  well = true;
  #server: Server;
  #port = 0;
  #onFailedProbe: ((time: number) => void) | null = null;

  constructor() {
    this.#server = this.#create();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    this.arrived.length = 0;
    this.answered.length = 0;
    this.#server = this.#create();
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.close();
    await closed;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Resolves with when the first failing answer was given. */
  failProbes(): Promise<number> {
    this.well = false;
    return new Promise((resolve) => {
      this.#onFailedProbe = resolve;
    });
  }

  #create(): Server {
    return createServer((asked, response) => {
      const now = performance.now();
      if (asked.url === '/health') {
        response.statusCode = this.well ? 200 : 503;
        response.end();
        if (!this.well) this.#onFailedProbe?.(now);
        if (!this.well) this.#onFailedProbe = null;
        return;
      }
      this.arrived.push(now);
      const answer = () => {
        this.answered.push(performance.now());
        response.end();
      };
      if (asked.url === '/broken') setTimeout(answer, SERVICE_MS);
      else answer();
    });
  }
}

async function startEndpoint(): Promise<Endpoint> {
  const endpoint = new Endpoint();
  await endpoint.start();
  return endpoint;
}

async function breakerOf(admin: string): Promise<unknown> {
  const answer = await fetch(`${admin}/services/broken`);
  return ((await answer.json()) as { breaker: unknown }).breaker;
}

/** `code`: of a problem. */
function ask(url: string, agent: Agent): Promise<{ status: number; code: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      answer.once('error', reject);
      answer.once('end', () =>
        resolve({ status: answer.statusCode ?? 0, code: body === '' ? '' : JSON.parse(body).code }),
      );
    });
    asked.once('error', reject);
    asked.end();
  });
}

function at(values: readonly number[], share: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number).toFixed(1);
}
