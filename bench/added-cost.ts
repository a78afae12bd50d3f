/** What features add to a request, each on a route of one gateway, compared with another route of it. */
import type { SlicesResult } from './load/slices.ts';
import { LOAD_CORE, launchNode } from './proc.ts';
import { type Bar, table } from './report.ts';
import { median } from './statistics.ts';

export interface Candidate {
  readonly name: string;
  readonly path: string;
  /** Place in the list of the one it is compared with. Absent: the first. */
  readonly against?: number;
}

export interface CostPlan {
  /** Each with a fresh gateway: what a process costs differs from start to start. */
  readonly sets: number;
  readonly cycles: number;
}

/** In the order of the candidates; microseconds of CPU per request. */
export interface Added {
  readonly name: string;
  readonly cpuUs: number;
  /** Above the one it is compared with, in the same cycle: the median. */
  readonly addedUs: number;
  /** Of the sets, each by itself: far apart, the machine was not quiet. */
  readonly between: readonly [low: number, high: number];
}

const REQUESTS_PER_SLICE = 1_000;
const WARM_UP_CYCLES = 15;

export async function addedCosts(
  candidates: readonly Candidate[],
  plan: CostPlan,
  start: () => Promise<{ url: string; pid: number; stop(): Promise<void> }>,
): Promise<Added[]> {
  const sets: SlicesResult['cycles'][] = [];
  for (let set = 0; set < plan.sets; set++) {
    const gateway = await start();
    const measure = async (cycles: number): Promise<SlicesResult['cycles']> => {
      const args = [gateway.url, gateway.pid, REQUESTS_PER_SLICE, cycles].map(String);
      const script = new URL('./load/slices.ts', import.meta.url);
      const paths = candidates.map(({ path }) => path);
      const output = await launchNode('slices', script, [...args, ...paths], LOAD_CORE).finished();
      return (JSON.parse(output) as SlicesResult).cycles;
    };
    await measure(WARM_UP_CYCLES);
    sets.push(await measure(plan.cycles));
    await gateway.stop();
  }
  const above = (cycles: SlicesResult['cycles'], i: number) =>
    cycles.map((costs) => (costs[i] as number) - (costs[candidates[i]?.against ?? 0] as number));
  return candidates.map(({ name }, i) => {
    const bySet = sets.map((cycles) => median(above(cycles, i)));
    return {
      name,
      cpuUs: median(sets.flat().map((costs) => costs[i] as number)),
      addedUs: median(sets.flatMap((cycles) => above(cycles, i))),
      between: [Math.min(...bySet), Math.max(...bySet)],
    };
  });
}

export function addedBar({ name, addedUs }: Added, mostUs: number): Bar {
  return {
    what: `${name}: more CPU per request`,
    bar: `<= ${mostUs} us`,
    measured: `${addedUs.toFixed(2)} us`,
    met: addedUs <= mostUs,
  };
}

export function addedTable(added: readonly Added[], against = 'the first'): string {
  return table(
    ['', 'CPU us/request', `above ${against}`, 'by sets of processes'],
    added.map(({ name, cpuUs, addedUs, between }, i) => [
      name,
      cpuUs.toFixed(2),
      i === 0 ? '-' : addedUs.toFixed(2),
      i === 0 ? '-' : between.map((us) => us.toFixed(2)).join(' to '),
    ]),
  );
}

export const howMeasured = ({ sets, cycles }: CostPlan): string =>
  `One worker; every setting is a route of the same gateway. ${sets} gateways, ${cycles} cycles each of slices of ${REQUESTS_PER_SLICE} requests; medians of the differences within a cycle.`;
