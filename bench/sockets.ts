/**
 * What a proxied WebSocket costs, in CPU, in time and in memory: `npm run bench -- sockets`. With `quick` in short rounds; with
 * `cpu`, `latency`, `stall` or `idle` only that part.
 */
import type { Standing } from './contenders/contender.ts';
import { sluice, startSluice } from './contenders/sluice.ts';
import { LOAD_CORE, launchNode, workspace } from './proc.ts';
import { cpuMicros } from './readings.ts';
import { type Bar, barTable, provenance, saveSections, table } from './report.ts';
import { idlePairs } from './sockets/idle-memory.ts';
import { addedLatency, besideStalled, type Effort } from './sockets/latency.ts';
import { startNginx } from './sockets/nginx.ts';
import type { PingPongResult } from './sockets/ping-pong.ts';
import { median } from './statistics.ts';

const SERVICE = new URL('./sockets/service.ts', import.meta.url);
const PING_PONG = new URL('./sockets/ping-pong.ts', import.meta.url);
const SOCKETS = 200;
const WARM_UP_SECONDS = 3;
const LIMIT_RATIO = 1.5;

interface Plan {
  readonly cpu: Effort;
  readonly latency: Effort;
  readonly stall: Effort;
  readonly idle: number;
}

const FULL: Plan = {
  cpu: { rounds: 5, seconds: 4 },
  latency: { rounds: 7, seconds: 4 },
  stall: { rounds: 10, seconds: 4 },
  idle: 20_000,
};
const QUICK: Plan = {
  cpu: { rounds: 2, seconds: 2 },
  latency: { rounds: 2, seconds: 2 },
  stall: { rounds: 2, seconds: 2 },
  idle: 5_000,
};

interface Part {
  readonly bars: Bar[];
  readonly text: string;
}

async function play(url: string, seconds: number): Promise<PingPongResult> {
  const args = [url, String(SOCKETS), String(seconds)];
  return JSON.parse(await launchNode('ping-pong', PING_PONG, args, LOAD_CORE).finished()) as PingPongResult;
}

/** CPU time by messages carried, there and back counted as two. */
async function cpuPerMessage(gateway: Standing, nginx: Standing | null, effort: Effort): Promise<Part> {
  const up = new Map<string, Standing>([[sluice.name, gateway]]);
  if (nginx !== null) up.set('nginx', nginx);
  const rounds = new Map<string, [cpuUs: number, perSecond: number][]>(
    [...up.keys()].map((name) => [name, []]),
  );
  await play(gateway.url, WARM_UP_SECONDS);
  for (let round = 0; round < effort.rounds; round++) {
    for (const [name, { url, pid }] of up) {
      const before = cpuMicros(pid as number);
      const { messages, seconds } = await play(url, effort.seconds);
      const cpuUs = (cpuMicros(pid as number) - before) / (2 * messages);
      rounds.get(name)?.push([cpuUs, (2 * messages) / seconds]);
      console.log(`cpu, round ${round + 1}: ${name} ${cpuUs.toFixed(2)} us`);
    }
  }
  const figure = (name: string, at: 0 | 1) => median((rounds.get(name) ?? []).map((one) => one[at]));
  const ratio = figure(sluice.name, 0) / figure('nginx', 0);
  return {
    bars: [
      {
        what: 'CPU per message of 128 B, against nginx',
        bar: `<= ${LIMIT_RATIO} x`,
        measured: nginx === null ? null : `${ratio.toFixed(2)} x`,
        met: ratio <= LIMIT_RATIO,
      },
    ],
    text: table(
      [`${SOCKETS} sockets in ping-pong`, 'CPU us/message', 'messages/s'],
      [...up.keys()].map((name) => [name, figure(name, 0).toFixed(2), figure(name, 1).toFixed(0)]),
    ),
  };
}

/** Measures and records; false when a bar is missed. */
export async function runSockets(part: string | undefined): Promise<boolean> {
  const plan = part === 'quick' ? QUICK : FULL;
  const wanted = (name: string) => part === undefined || part === 'quick' || part === name;
  const parts: Part[] = [];
  if (wanted('cpu') || wanted('latency') || wanted('stall')) {
    const service = launchNode('service', SERVICE, [], LOAD_CORE);
    const { url: origin } = await service.ready();
    const gateway = await startSluice(origin, workspace(), { route: 'websocket: true' });
    const nginx = await startNginx(origin, workspace());
    if (wanted('cpu')) parts.push(await cpuPerMessage(gateway, nginx, plan.cpu));
    const parties = { service: { url: origin, pid: service.pid }, gateway, nginx };
    if (wanted('latency')) parts.push(await addedLatency(parties, plan.latency));
    await nginx?.stop();
    if (wanted('stall')) parts.push(await besideStalled(parties, plan.stall));
    await gateway.stop();
    await service.stop();
  }
  if (wanted('idle')) parts.push(await idlePairs(plan.idle));
  const bars = parts.flatMap((one) => one.bars);
  const text = [provenance(), barTable(bars), ...parts.map((one) => one.text)].join('\n\n');
  if (part === undefined) saveSections({ Sockets: text });
  else console.log(text);
  return bars.every(({ met }) => met);
}
