/** All contenders side by side in front of one service, and what it costs each to carry the same work. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender, Standing } from './contenders/contender.ts';
import type { Load, LoadResult } from './load/load.ts';
import type { OpenLoopResult } from './load/open-loop.ts';
import { along, type Way } from './priority.ts';
import { LOAD_CORE, launchNode } from './proc.ts';
import { prove } from './proof.ts';
import { cpuMicros } from './readings.ts';
import { median } from './statistics.ts';
import { WORKLOADS, type Workload } from './workloads.ts';

export interface Figures {
  /** CPU microseconds per request, user + system, all processes; NaN when going direct. */
  cpuUs: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** How much of its core the contender had used, 0..1: below 0.9 the load was the bottleneck. */
  busy: number;
}

export interface Standings {
  /** By name of contender. */
  readonly up: ReadonlyMap<string, Standing>;
  stop(): Promise<void>;
}

/** Starts the contenders that are installed and proves each right. Rejects when one is wrong. */
export async function lineUp(
  contenders: readonly Contender[],
  origin: string,
  dir: string,
): Promise<Standings> {
  const up = new Map<string, Standing>();
  const stop = async (): Promise<void> => {
    await Promise.all([...up.values()].map((standing) => standing.stop()));
  };
  try {
    for (const contender of contenders) {
      if (contender.version() === null) continue;
      const own = join(dir, contender.name.replace(/\W/g, '-'));
      mkdirSync(own);
      const standing = await contender.start(origin, own);
      up.set(contender.name, standing);
      await prove(standing.url).catch((error) => {
        throw new Error(`${contender.name} does not proxy correctly: ${error.message}`, { cause: error });
      });
      console.log(`${contender.name}: proxies correctly`);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { up, stop };
}

async function once(standing: Standing, load: Load, workload: Workload, seconds: number): Promise<Figures> {
  const before = standing.pid === null ? Number.NaN : cpuMicros(standing.pid);
  const result: LoadResult = await load.drive(standing.url, workload, seconds);
  const spentUs = standing.pid === null ? Number.NaN : cpuMicros(standing.pid) - before;
  if (result.failed > 0) throw new Error(`${result.failed} of ${result.requests} requests failed`);
  const { perSecond, p50Ms, p99Ms } = result;
  const cpuUs = spentUs / result.requests;
  return { cpuUs, perSecond, p50Ms, p99Ms, busy: (cpuUs * perSecond) / 1e6 };
}

/** Gives those that compile while they run `seconds` of each workload, so that what is measured is compiled. */
export async function warmUp(up: Standings['up'], load: Load, seconds: number): Promise<void> {
  for (const standing of up.values()) {
    if (!standing.warmsUp) continue;
    for (const workload of WORKLOADS) await once(standing, load, workload, seconds);
  }
}

export interface Effort {
  rounds: number;
  /** Seconds of load per contender, workload and round. */
  measured: number;
}

/** Medians over interleaved rounds, so that the drift of the machine hits all alike. */
export async function compare(
  up: Standings['up'],
  load: Load,
  workload: Workload,
  effort: Effort,
): Promise<Map<string, Figures>> {
  const rounds = new Map<string, Figures[]>([...up.keys()].map((name) => [name, []]));
  for (let round = 0; round < effort.rounds; round++) {
    for (const [name, standing] of up) {
      const figures = await once(standing, load, workload, effort.measured).catch((error) => {
        throw new Error(`${name}, ${workload.name}: ${error.message}`, { cause: error });
      });
      rounds.get(name)?.push(figures);
      console.log(
        `${workload.name}, round ${round + 1}: ${name} ${Math.round(figures.perSecond)}/s` +
          (standing.pid === null ? '' : `, ${figures.cpuUs.toFixed(1)} us each`),
      );
    }
  }
  const medians = (all: Figures[], key: keyof Figures): number => median(all.map((figures) => figures[key]));
  return new Map(
    [...rounds].map(([name, all]) => [
      name,
      {
        cpuUs: medians(all, 'cpuUs'),
        perSecond: medians(all, 'perSecond'),
        p50Ms: medians(all, 'p50Ms'),
        p99Ms: medians(all, 'p99Ms'),
        busy: medians(all, 'busy'),
      },
    ]),
  );
}

/** Latency at a constant rate of small GETs, medians over interleaved rounds. */
export async function latencyAt(
  rate: number,
  ways: readonly Way[],
  effort: Effort,
): Promise<OpenLoopResult[]> {
  const script = new URL('./load/open-loop.ts', import.meta.url);
  const rounds: OpenLoopResult[][] = ways.map(() => []);
  for (let round = 0; round < effort.rounds; round++) {
    for (const [i, way] of ways.entries()) {
      const args = [way.url, String(rate), String(effort.measured)];
      const output = await along(way, () => launchNode('open loop', script, args, LOAD_CORE));
      rounds[i]?.push(JSON.parse(output) as OpenLoopResult);
    }
  }
  const total = (all: OpenLoopResult[], key: 'requests' | 'failed'): number =>
    all.reduce((sum, result) => sum + result[key], 0);
  return rounds.map((all) => ({
    requests: total(all, 'requests'),
    failed: total(all, 'failed'),
    p50Ms: median(all.map((result) => result.p50Ms)),
    p99Ms: median(all.map((result) => result.p99Ms)),
  }));
}
