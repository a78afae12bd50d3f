/**
 * What balancing costs a request: `npm run bench -- balance`, and `npm run bench -- balance quick` for an indication. The
 * gateway's CPU time, from `/proc/PID/task/TID/schedstat`, with three endpoints under each policy, against that with one.
 * Rounds are interleaved; the lower quartile counts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { PLAIN, type Running, SETTINGS, start } from './balance/line-up.ts';
import { chooseLoad, type Load } from './load/load.ts';
import { LOAD_CORE, launchNode } from './proc.ts';
import { prove } from './proof.ts';
import { type Bar, barTable, provenance, saveSections, table } from './report.ts';
import { median } from './statistics.ts';
import { SMALL_GET, type Workload } from './workloads.ts';

const SERVICES = 3;
const BAR_US = 1;
const EFFORT = {
  full: { warmUp: 3, rounds: 15, measured: 1 },
  quick: { warmUp: 1, rounds: 2, measured: 1 },
};

/** Of all threads that live, in microseconds. */
function threadMicros(pid: number): number {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
  }
  return ns / 1000;
}

async function costOf({ url, pid, setting }: Running, load: Load, workload: Workload, seconds: number) {
  const before = threadMicros(pid);
  const { requests, failed } = await load.drive(url, workload, seconds);
  if (failed > 0) throw new Error(`${setting.name}: ${failed} of ${requests} requests failed`);
  return (threadMicros(pid) - before) / requests;
}

/** Measures and records; false when the bar is missed. */
export async function runBalance(quick: boolean): Promise<boolean> {
  const effort = quick ? EFFORT.quick : EFFORT.full;
  const load = chooseLoad();
  const workload = SMALL_GET;
  const script = new URL('./service.ts', import.meta.url);
  const services = Array.from({ length: SERVICES }, () => launchNode('service', script, [], LOAD_CORE));
  const origins = await Promise.all(services.map(async (service) => (await service.ready()).url));
  const running: Running[] = [];
  for (const setting of [PLAIN, ...SETTINGS]) {
    const one = await start(setting, origins);
    await prove(one.url, setting.cookies);
    running.push(one);
  }
  const costs = new Map<Running, number[]>(running.map((one) => [one, []]));
  for (const one of running) await costOf(one, load, workload, effort.warmUp);
  for (let round = 0; round < effort.rounds; round++) {
    // Every other round backwards: who comes after whom must not matter.
    const order = round % 2 === 0 ? running : [...running].reverse();
    for (const one of order) {
      const cost = await costOf(one, load, workload, effort.measured);
      costs.get(one)?.push(cost);
      console.log(`round ${round + 1}: ${one.setting.name} ${cost.toFixed(2)} us`);
    }
  }
  await Promise.all([...running, ...services].map((one) => one.stop()));
  return record(running, costs, load.name, workload);
}

function record(
  running: readonly Running[],
  costs: ReadonlyMap<Running, readonly number[]>,
  load: string,
  workload: Workload,
): boolean {
  const [plain] = running as [Running];
  const plainUs = undisturbed(costs.get(plain) as readonly number[]);
  const rows: string[][] = [];
  const bars: Bar[] = [];
  for (const [one, own] of costs) {
    const us = undisturbed(own);
    rows.push([one.setting.name, us.toFixed(2), (us - plainUs).toFixed(2), median(own).toFixed(2)]);
    if (one === plain) continue;
    bars.push({
      what: `${one.setting.name}, 3 endpoints, more CPU per request than one endpoint`,
      bar: `<= ${BAR_US} us`,
      measured: `${(us - plainUs).toFixed(2)} us`,
      met: us - plainUs <= BAR_US,
    });
  }
  const rounds = `${costs.get(plain)?.length} interleaved rounds of ${workload.name}, load from ${load}`;
  saveSections({
    Balancing: [
      `${provenance()} ${rounds}; the gateway has one worker.`,
      barTable(bars),
      table(['setting', 'CPU us/request', 'more than plain', 'median of all rounds'], rows),
    ].join('\n\n'),
  });
  return bars.every(({ met }) => met);
}

/** Lower quartile: what else runs on the machine only ever adds. */
function undisturbed(costs: readonly number[]): number {
  return [...costs].sort((a, b) => a - b)[costs.length >> 2] as number;
}
