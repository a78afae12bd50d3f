/** What limits add to a whole request: gateways with and without them, side by side, by the CPU time of all their threads. */

import { threadMicros } from '../auth/threads.ts';
import type { Standing } from '../contenders/contender.ts';
import { startSluice } from '../contenders/sluice.ts';
import { chooseLoad } from '../load/load.ts';
import { workspace } from '../proc.ts';
import { prove } from '../proof.ts';
import { type Bar, table } from '../report.ts';
import { median } from '../statistics.ts';
import { SMALL_GET } from '../workloads.ts';

const MAX_ADDED_US = 2;
const RATE = '1000000/s';
const buckets = (over: string) =>
  [['ip'], ['route'], ['ip', 'route']].map((by) => `{ by: [${by}], rate: ${RATE}${over} }`).join(', ');

/** A line of the route. The first is what the others are compared with, the second what the bar is about. */
const VARIANTS = [
  { name: 'no limit', route: '' },
  { name: '3 limits', route: `limit: [${buckets('')}]` },
  {
    name: '3 limits, one of each algorithm',
    route: `limit: [{ by: [ip], rate: ${RATE} }, { by: [route], rate: ${RATE}, algorithm: sliding-window }, { by: [ip, route], algorithm: concurrency, max: 1000 }]`,
  },
  { name: '3 limits with queues, nobody waits', route: `limit: [${buckets(', over: queue')}]` },
] as const;

export interface CostPlan {
  /** Sets of fresh processes: what one of them costs differs from start to start. */
  readonly sets: number;
  readonly rounds: number;
  /** Seconds. */
  readonly warmUp: number;
  readonly measured: number;
}

interface Added {
  /** Microseconds of CPU per request. */
  readonly cpuUs: number;
  /** Above the one without limits in the same round. */
  readonly addedUs: number;
  /** The quartiles of that: far apart, the machine was not quiet. */
  readonly between: readonly [low: number, high: number];
}

/** In the order of `VARIANTS`, medians over all rounds of all sets. */
export async function measureCost(origin: string, plan: CostPlan): Promise<Added[]> {
  const costs = VARIANTS.map((): number[] => []);
  const added = VARIANTS.map((): number[] => []);
  for (let set = 0; set < plan.sets; set++) {
    const standings: (Standing & { pid: number })[] = [];
    for (const { route } of VARIANTS) {
      const standing = await startSluice(origin, workspace(), { route });
      await prove(standing.url);
      standings.push(standing);
    }
    for (const standing of standings) await costOf(standing, plan.warmUp);
    for (let round = 0; round < plan.rounds; round++) {
      const cpu: number[] = [];
      // To and fro, so that what drifts hits the first and the last alike.
      const order = [...standings.keys()];
      for (const i of round % 2 === 0 ? order : order.reverse()) {
        cpu[i] = await costOf(standings[i] as (typeof standings)[number], plan.measured);
      }
      for (const [i, us] of cpu.entries()) {
        costs[i]?.push(us);
        added[i]?.push(us - (cpu[0] as number));
      }
      console.log(
        `limits, set ${set + 1}, round ${round + 1}: ${cpu.map((us) => us.toFixed(2)).join('  ')} us`,
      );
    }
    for (const standing of standings) await standing.stop();
  }
  return VARIANTS.map((_, i) => {
    const differences = (added[i] as number[]).toSorted((a, b) => a - b);
    const at = (part: number) => differences[Math.round((differences.length - 1) * part)] as number;
    return {
      cpuUs: median(costs[i] as number[]),
      addedUs: median(differences),
      between: [at(0.25), at(0.75)],
    };
  });
}

async function costOf({ url, pid }: { url: string; pid: number }, seconds: number): Promise<number> {
  const before = threadMicros(pid);
  const { requests, failed } = await chooseLoad().drive(url, SMALL_GET, seconds);
  if (failed > 0) throw new Error(`${failed} of ${requests} requests failed`);
  const after = threadMicros(pid);
  return (after.main + after.rest - before.main - before.rest) / requests;
}

export function costBar(costs: readonly Added[]): Bar {
  const addedUs = (costs[1] as Added).addedUs;
  return {
    what: 'CPU that 3 limits add to a request',
    bar: `<= ${MAX_ADDED_US} us`,
    measured: `${addedUs.toFixed(2)} us`,
    met: addedUs <= MAX_ADDED_US,
  };
}

export function costTable(costs: readonly Added[]): string {
  return table(
    ['', 'CPU us/request', 'above no limit', 'half of all rounds between'],
    costs.map(({ cpuUs, addedUs, between }, i) => [
      (VARIANTS[i] as (typeof VARIANTS)[number]).name,
      cpuUs.toFixed(2),
      i === 0 ? '-' : addedUs.toFixed(2),
      i === 0 ? '-' : between.map((us) => us.toFixed(2)).join(' and '),
    ]),
  );
}
