/**
 * What balancing costs a request: `npm run bench -- balance`, and `npm run bench -- balance quick` for an indication. The
 * gateway's CPU time, from `/proc/PID/task/TID/schedstat`, with three endpoints under each policy, against that with one.
 * Rounds are interleaved and their lower quartile counts; several sets of processes, since what one costs differs from start to start.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { PLAIN, type Running, SETTINGS, type Setting, start } from './balance/line-up.ts';
import { chooseLoad, type Load } from './load/load.ts';
import { LOAD_CORE, launchNode } from './proc.ts';
import { prove } from './proof.ts';
import { type Bar, barTable, provenance, saveSections, table } from './report.ts';
import { median } from './statistics.ts';
import { SMALL_GET, type Workload } from './workloads.ts';

const BAR_US = 1;
const EFFORT = {
  full: { sets: 3, warmUp: 2, rounds: 6, measured: 1 },
  quick: { sets: 1, warmUp: 1, rounds: 2, measured: 1 },
};
type Effort = (typeof EFFORT)['full'];

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
  const script = new URL('./service.ts', import.meta.url);
  const service = launchNode('service', script, [], LOAD_CORE);
  const { port } = new URL((await service.ready()).url);
  // One process under three names: three would answer in smaller batches, which costs the gateway more wake-ups.
  const origins = ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]'].map((host) => `http://${host}:${port}`);
  const sets: Costs[] = [];
  for (let set = 0; set < effort.sets; set++) sets.push(await measureSet(origins, load, effort));
  await service.stop();
  return record(
    sets,
    `${effort.sets} sets of processes, ${effort.rounds} interleaved rounds each, load from ${load.name}`,
  );
}

/** CPU microseconds per request, by setting. */
type Costs = ReadonlyMap<Setting, number>;

/** All settings in processes that are started together. */
async function measureSet(origins: readonly string[], load: Load, effort: Effort): Promise<Costs> {
  const running: Running[] = [];
  for (const setting of [PLAIN, ...SETTINGS]) {
    const one = await start(setting, origins);
    await prove(one.url, setting.cookies);
    running.push(one);
  }
  const costs = new Map<Running, number[]>(running.map((one) => [one, []]));
  for (const one of running) await costOf(one, load, SMALL_GET, effort.warmUp);
  for (let round = 0; round < effort.rounds; round++) {
    // Every other round backwards: who comes after whom must not matter.
    const order = round % 2 === 0 ? running : [...running].reverse();
    for (const one of order) {
      const cost = await costOf(one, load, SMALL_GET, effort.measured);
      costs.get(one)?.push(cost);
      console.log(`round ${round + 1}: ${one.setting.name} ${cost.toFixed(2)} us`);
    }
  }
  await Promise.all(running.map((one) => one.stop()));
  return new Map([...costs].map(([{ setting }, own]) => [setting, undisturbed(own)]));
}

function record(sets: readonly Costs[], how: string): boolean {
  const rows: string[][] = [];
  const bars: Bar[] = [];
  for (const setting of [PLAIN, ...SETTINGS]) {
    const of = (set: Costs, which: Setting) => set.get(which) as number;
    const more = sets.map((set) => of(set, setting) - of(set, PLAIN));
    const middle = median(more);
    rows.push([
      setting.name,
      median(sets.map((set) => of(set, setting))).toFixed(2),
      middle.toFixed(2),
      `${Math.min(...more).toFixed(2)} to ${Math.max(...more).toFixed(2)}`,
    ]);
    if (setting === PLAIN) continue;
    bars.push({
      what: `${setting.name}, 3 endpoints, more CPU per request than one endpoint`,
      bar: `<= ${BAR_US} us`,
      measured: `${middle.toFixed(2)} us`,
      met: middle <= BAR_US,
    });
  }
  saveSections({
    Balancing: [
      `${provenance()} Small GET, one worker; ${how}.`,
      barTable(bars),
      table(['setting', 'CPU us/request', 'more than plain', 'in the sets'], rows),
    ].join('\n\n'),
  });
  return bars.every(({ met }) => met);
}

/** Lower quartile: what else runs on the machine only ever adds. */
function undisturbed(costs: readonly number[]): number {
  return [...costs].sort((a, b) => a - b)[costs.length >> 2] as number;
}
