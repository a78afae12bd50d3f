/** The comparison itself: `npm run bench`, and `npm run bench -- quick` in under a minute. */
import type { Contender } from './contenders/contender.ts';
import { direct } from './contenders/direct.ts';
import { haproxy } from './contenders/haproxy.ts';
import { nginx } from './contenders/nginx.ts';
import { fastifyHttpProxy, httpProxy } from './contenders/node-peers.ts';
import { sluice } from './contenders/sluice.ts';
import { chooseLoad } from './load/load.ts';
import { compare, type Effort, type Figures, latencyAt, lineUp, type Standings, warmUp } from './measure.ts';
import { idleMemory } from './memory.ts';
import { bothWays, JUDGED, wayThrough } from './priority.ts';
import { LOAD_CORE, launchNode, probe, workspace } from './proc.ts';
import { type Bar, barTable, provenance, saveSections, table } from './report.ts';
import { CONNECTIONS, SMALL_GET, WORKLOADS, type Workload } from './workloads.ts';

const CONTENDERS: readonly Contender[] = [sluice, nginx, haproxy, fastifyHttpProxy, httpProxy, direct];

interface Plan {
  /** Seconds per workload for those contenders that need it. */
  warmUp: number;
  throughput: Effort;
  /** Tail latencies suffer most from whatever else the machine does: more and shorter rounds. */
  halfLoad: Effort;
}

const FULL: Plan = {
  warmUp: 3,
  throughput: { rounds: 3, measured: 4 },
  halfLoad: { rounds: 9, measured: 2 },
};
const QUICK: Plan = {
  warmUp: 1,
  throughput: { rounds: 1, measured: 1 },
  halfLoad: { rounds: 2, measured: 1 },
};

type Results = ReadonlyMap<string, Figures>;

const cpuRatio = (results: Results, of: Contender, to: Contender): number =>
  (results.get(of.name)?.cpuUs ?? Number.NaN) / (results.get(to.name)?.cpuUs ?? Number.NaN);

function ratioBar(results: Results, to: Contender, limit: number): Bar {
  const ratio = cpuRatio(results, sluice, to);
  return {
    what: `CPU per small GET against ${to.name}`,
    bar: `<= ${limit} x`,
    measured: Number.isNaN(ratio) ? null : `${ratio.toFixed(2)} x`,
    met: ratio <= limit,
  };
}

function workloadTable(results: Results): string {
  const rows = CONTENDERS.map((contender) => {
    const figures = results.get(contender.name);
    if (figures === undefined) return [contender.name, 'missing here', '', '', '', '', ''];
    const own = !Number.isNaN(figures.cpuUs);
    const ratio = cpuRatio(results, contender, nginx);
    return [
      contender.name,
      own ? figures.cpuUs.toFixed(1) : '-',
      Number.isNaN(ratio) ? '-' : ratio.toFixed(2),
      String(Math.round(figures.perSecond)),
      figures.p50Ms.toFixed(2),
      figures.p99Ms.toFixed(2),
      own ? `${Math.round(figures.busy * 100)} %` : '-',
    ];
  });
  return table(['', 'CPU us/request', 'x nginx', 'requests/s', 'p50 ms', 'p99 ms', 'core busy'], rows);
}

/** Half of what Sluice carried at most, to it, to nginx, and to the service directly. */
async function halfLoad(
  up: Standings['up'],
  service: number,
  results: Results,
  effort: Effort,
): Promise<{ bar: Bar; text: string }> {
  const bar: Bar = {
    what: `p99 under half load, added to direct${JUDGED}`,
    bar: '<= 1 ms',
    measured: null,
    met: false,
  };
  if (!up.has(sluice.name)) return { bar, text: 'Not measured: Sluice is missing.' };

  const rate = Math.round((results.get(sluice.name)?.perSecond ?? 0) / 2);
  const standing = [direct, sluice, nginx].flatMap(({ name }) => {
    const one = up.get(name);
    return one === undefined ? [] : [wayThrough(name, one, service)];
  });
  const ways = bothWays(standing);
  const figures = await latencyAt(rate, ways, effort);
  const figureOf = (name: string) => figures[ways.findIndex((way) => way.name === name + JUDGED)];
  const [theirs, ours] = [figureOf(direct.name), figureOf(sluice.name)];
  if (ours === undefined || theirs === undefined) throw new Error('the open loop measured nothing');
  const addedMs = ours.p99Ms - theirs.p99Ms;
  const row = (name: string, { requests, failed, p50Ms, p99Ms }: typeof ours): string[] => [
    name,
    String(requests),
    String(failed),
    p50Ms.toFixed(2),
    p99Ms.toFixed(2),
  ];
  return {
    bar: { ...bar, measured: `${addedMs.toFixed(2)} ms`, met: addedMs <= 1 && ours.failed === 0 },
    text: `Small GETs at a constant ${rate}/s, timed from the instant each was due.\n\n${table(
      ['', 'answered', 'failed', 'p50 ms', 'p99 ms'],
      ways.map(({ name }, i) => row(name, figures[i] as typeof ours)),
    )}`,
  };
}

function setting(load: string, effort: Effort, quick: boolean): string {
  const versions = CONTENDERS.filter((contender) => contender !== direct).map(
    (contender) => `${contender.name} ${contender.version() ?? '**missing here**'}`,
  );
  const wrkVersion = probe('wrk', '-v')?.match(/wrk \S*?(\d\S*)/)?.[1];
  return [
    provenance(),
    `Load: ${load}${load === 'wrk' ? ` ${wrkVersion}` : ''}, ${CONNECTIONS} keep-alive connections, ` +
      `median of ${effort.rounds} interleaved round${effort.rounds === 1 ? '' : 's'} of ${effort.measured} s` +
      `${quick ? ' (**quick**: indicative only)' : ''}.`,
    `Contenders: ${versions.join(', ')}.`,
  ].join('\n');
}

/** Measures everything and records it. */
export async function runComparison(quick: boolean): Promise<void> {
  const plan = quick ? QUICK : FULL;
  const load = chooseLoad();
  const service = launchNode('service', new URL('./service.ts', import.meta.url), [], LOAD_CORE);
  const { url: origin } = await service.ready();
  const { up, stop } = await lineUp(CONTENDERS, origin, workspace());

  await warmUp(up, load, plan.warmUp);
  const workloads = new Map<Workload, Results>();
  for (const workload of WORKLOADS)
    workloads.set(workload, await compare(up, load, workload, plan.throughput));
  const small = workloads.get(SMALL_GET) as Results;
  const half = await halfLoad(up, service.pid, small, plan.halfLoad);
  await stop();
  await service.stop();

  const bars = [ratioBar(small, nginx, 1.9), ratioBar(small, fastifyHttpProxy, 0.4), half.bar];
  if (sluice.version() !== null) bars.push(await idleMemory());
  saveSections({
    Setting: setting(load.name, plan.throughput, quick),
    Bars: barTable(bars),
    ...Object.fromEntries([...workloads].map(([{ name }, results]) => [name, workloadTable(results)])),
    'Half load': half.text,
  });
}
