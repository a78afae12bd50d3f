/**
 * What a proxied WebSocket costs, in CPU, in time and in memory: `npm run bench -- sockets`. With `quick` in short rounds; with
 * `cpu`, `latency`, `stall` or `idle` only that part.
 */
import { startSluice } from './contenders/sluice.ts';
import { LOAD_CORE, launchNode, workspace } from './proc.ts';
import { type Bar, barTable, provenance, saveSections } from './report.ts';
import { type CpuPlan, cpuPerMessage } from './sockets/cpu.ts';
import { idlePairs } from './sockets/idle-memory.ts';
import { addedLatency, type Effort } from './sockets/latency.ts';
import { startNginx } from './sockets/nginx.ts';
import { besideStalled } from './sockets/stall.ts';

const SERVICE = new URL('./sockets/service.ts', import.meta.url);

interface Plan {
  readonly cpu: CpuPlan;
  readonly latency: Effort;
  readonly stall: Effort;
  readonly idle: number;
}

const FULL: Plan = {
  cpu: { sets: 3, cycles: 25 },
  latency: { rounds: 7, seconds: 4 },
  stall: { rounds: 24, seconds: 3 },
  idle: 20_000,
};
const QUICK: Plan = {
  cpu: { sets: 1, cycles: 10 },
  latency: { rounds: 2, seconds: 2 },
  stall: { rounds: 3, seconds: 2 },
  idle: 5_000,
};

interface Part {
  readonly bars: Bar[];
  readonly text: string;
}

/** Measures and records; false when a bar is missed. */
export async function runSockets(part: string | undefined): Promise<boolean> {
  const plan = part === 'quick' ? QUICK : FULL;
  const wanted = (name: string) => part === undefined || part === 'quick' || part === name;
  const parts: Part[] = [];
  if (wanted('cpu') || wanted('latency') || wanted('stall')) {
    const service = launchNode('service', SERVICE, [], LOAD_CORE);
    const { url: origin } = await service.ready();
    if (wanted('cpu')) parts.push(await cpuPerMessage(origin, plan.cpu));
    const gateway = await startSluice(origin, workspace(), { route: 'websocket: true' });
    const parties = { service: { url: origin, pid: service.pid }, gateway };
    if (wanted('latency')) {
      const nginx = await startNginx(origin, workspace());
      parts.push(await addedLatency({ ...parties, nginx }, plan.latency));
      await nginx?.stop();
    }
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
