/**
 * How long a message takes from its publisher to each of 10,000 subscribers on two workers, and whether each gets it once:
 * `npm run bench -- channels [SUBSCRIBERS]`. 200 of them, spread among the others, are timed. The others are a process that
 * stands still meanwhile: on two cores its reading would be measured, not the gateway. How long it takes with all of them
 * reading is reported beside it.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Crowd } from './channels/crowd.ts';
import { canPin, GATEWAY_CORE, Launched, LOAD_CORE, workspace } from './proc.ts';
import { cpuMicros, residentBytes } from './readings.ts';
import { type Bar, barTable, provenance, saveSections } from './report.ts';

const MAIN = new URL('../dist/main.js', import.meta.url);
const PUBLISHES = 100;
const WARM_UP = 10;
const BAR_MS = 100;
const WITHIN_MS = 30_000;
const WITH_ALL = 30;
const PROBES = 200;
const CHANNEL = 'ticks.bench';
const CONFIG = `
listen: 127.0.0.1:0
admin: 127.0.0.1:0
workers: 2
accessLog: off
routes:
  - name: feed
    match: { path: /feed }
    websocket: true
    channels: { allow: ['ticks.*'] }
`;

/** Measures and records; false when a bar is missed. */
export async function runChannels(subscribers: number): Promise<boolean> {
  const file = join(workspace(), 'sluice.yaml');
  writeFileSync(file, CONFIG);
  // All of them on both cores: two workers, and the subscribers.
  const anyCore = canPin ? ['taskset', '-c', `${GATEWAY_CORE},${LOAD_CORE}`] : [];
  const command = [...anyCore, process.execPath, MAIN.pathname, 'start', '-c', file];
  const gateway = new Launched('sluice', command, GATEWAY_CORE);
  const { url, admin } = await gateway.ready();
  const idle = residentBytes(gateway.pid);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let offset = 0;
  const say = () => publish(admin as string, agent, { i: ++offset, pad: 'x'.repeat(100) });

  const bystanders = new Bystanders(url);
  const timed = new Timed();
  const beganAt = performance.now();
  const others = subscribers - PROBES;
  await bystanders.gather(others >> 1);
  await timed.crowd.gather(url, '/feed', CHANNEL, PROBES, timed);
  await bystanders.gather(others - (others >> 1));
  const gathered = (performance.now() - beganAt) / 1000;
  const perSocket = (residentBytes(gateway.pid) - idle) / subscribers;

  const cpuBefore = cpuMicros(gateway.pid);
  const alone: number[] = [];
  for (let i = 0; i < WARM_UP + PUBLISHES; i++) {
    bystanders.stop();
    const delays = await timed.time(say);
    bystanders.goOn();
    if (i >= WARM_UP) alone.push(...delays);
    await bystanders.have(offset);
    await sleep(20);
  }
  const cpu = (cpuMicros(gateway.pid) - cpuBefore) / (subscribers * (WARM_UP + PUBLISHES));
  const together: number[] = [];
  for (let i = 0; i < WITH_ALL; i++) {
    together.push(...(await timed.time(say)));
    await bystanders.have(offset);
    await sleep(20);
  }
  // What comes twice comes late.
  await sleep(500);
  const wrong = bystanders.wrong + timed.wrong(offset);
  const failed = bystanders.failed + timed.crowd.failed;
  timed.crowd.leave();
  bystanders.leave();
  await gateway.stop();

  const p99 = quantile(alone, 0.99);
  const bars: Bar[] = [
    {
      what: `1 publish → ${subscribers} subscribers, 2 workers, p99`,
      bar: `<= ${BAR_MS} ms`,
      measured: `${p99.toFixed(1)} ms`,
      met: p99 <= BAR_MS,
    },
    {
      what: 'each message to each subscriber exactly once',
      bar: '0 lost, 0 twice',
      measured: `${wrong} wrong of ${offset * subscribers}; ${failed} sockets failed`,
      met: wrong === 0 && failed === 0,
    },
  ];
  const text =
    `${provenance()}\n\n${barTable(bars)}\n\n` +
    `${PUBLISHES} publishes of 100 bytes, ${PROBES} of the subscribers timed: p50 ${quantile(alone, 0.5).toFixed(1)} ms, ` +
    `largest ${quantile(alone, 1).toFixed(1)} ms. With all subscribers reading on the same two cores: p50 ` +
    `${quantile(together, 0.5).toFixed(1)} ms, p99 ${quantile(together, 0.99).toFixed(1)} ms. CPU of the gateway: ${cpu.toFixed(1)} us a delivery. All subscribed within ` +
    `${gathered.toFixed(1)} s; ${(perSocket / 1024).toFixed(1)} KiB a subscriber in all processes of the gateway.`;
  saveSections({ 'Channels: fan-out': text });
  return bars.every(({ met }) => met);
}

/** Those that are timed. */
class Timed {
  readonly crowd = new Crowd();
  readonly #counts = new Map<number, number>();
  #since = 0;
  #delays: number[] = [];

  onMessage(_member: number, offset: number): void {
    this.#delays.push(performance.now() - this.#since);
    this.#counts.set(offset, (this.#counts.get(offset) ?? 0) + 1);
  }

  async time(say: () => Promise<void>): Promise<number[]> {
    this.#delays = [];
    this.#since = performance.now();
    await say();
    while (this.#delays.length < PROBES && performance.now() - this.#since < WITHIN_MS) await sleep(1);
    return this.#delays;
  }

  /** How many of the messages up to this offset were not there once for each. */
  wrong(last: number): number {
    let wrong = 0;
    for (let offset = 1; offset <= last; offset++)
      wrong += Math.abs(PROBES - (this.#counts.get(offset) ?? 0));
    return wrong;
  }
}

class Bystanders {
  wrong = 0;
  failed = 0;
  readonly #process: ChildProcess;
  #members = 0;
  #last = 0;

  constructor(url: string) {
    const program = new URL('./channels/bystanders.ts', import.meta.url);
    this.#process = fork(program, [url, '/feed', CHANNEL]);
    this.#process.on(
      'message',
      (told: { members?: number; failed?: number; offset?: number; wrong?: number }) => {
        this.#members = told.members ?? this.#members;
        this.failed = told.failed ?? this.failed;
        this.#last = told.offset ?? this.#last;
        this.wrong += told.wrong ?? 0;
      },
    );
  }

  async gather(more: number): Promise<void> {
    const wanted = this.#members + more;
    this.#process.send(more);
    await this.#until(() => this.#members === wanted);
  }

  stop(): void {
    this.#process.kill('SIGSTOP');
  }

  goOn(): void {
    this.#process.kill('SIGCONT');
  }

  /** All of them have got it. */
  async have(offset: number): Promise<void> {
    await this.#until(() => this.#last >= offset);
  }

  leave(): void {
    this.#process.kill('SIGKILL');
  }

  async #until(so: () => boolean): Promise<void> {
    const beganAt = performance.now();
    while (!so()) {
      if (performance.now() - beganAt > WITHIN_MS) throw new Error('subscribers lack a message');
      await sleep(1);
    }
  }
}

function publish(admin: string, agent: Agent, data: unknown): Promise<void> {
  const body = JSON.stringify({ data });
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      `${admin}/channels/${CHANNEL}`,
      {
        agent,
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': body.length },
      },
      (response) => {
        response.resume();
        response.once('end', () =>
          response.statusCode === 200 ? resolve() : reject(new Error(`publish: ${response.statusCode}`)),
        );
      },
    );
    request.once('error', reject);
    request.end(body);
  });
}

function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
