/** Guards and plain proxies side by side, each asked with live tokens it has seen before. */
import type { Standing } from '../contenders/contender.ts';
import { driveTokens } from '../load/tokens.ts';
import type { Effort } from '../measure.ts';
import { cpuMicros } from '../readings.ts';
import { median } from '../statistics.ts';

/** What an entry is there for. */
export type Part =
  | 'no token' // a plain proxy, requests without tokens
  | 'plain' // a plain proxy, the same requests as the guards get
  | 'guarded'
  | 'peer'
  | 'peer without limit'
  | 'guarded without limit';

/** Somebody, and what is asked of it. */
export interface Entry {
  readonly part: Part;
  readonly name: string;
  readonly standing: Standing & { pid: number };
  /** The file of the tokens that take turns, one a line; null for requests without. */
  readonly tokens: string | null;
}

export interface Cost {
  readonly name: string;
  /** CPU microseconds per request, user + system, all processes. */
  readonly cpuUs: number;
  readonly perSecond: number;
  readonly p99Ms: number;
  /** How much of its core it had used, 0..1: below 0.9 the load was the bottleneck. */
  readonly busy: number;
}

export type Costs = ReadonlyMap<Part, Cost>;

async function once({ name, standing, tokens }: Entry, seconds: number): Promise<Cost> {
  const before = cpuMicros(standing.pid);
  const result = await driveTokens(standing, tokens, seconds);
  const cpuUs = (cpuMicros(standing.pid) - before) / result.requests;
  if (result.failed > 0) throw new Error(`${name}: ${result.failed} of ${result.requests} requests failed`);
  const { perSecond, p99Ms } = result;
  return { name, cpuUs, perSecond, p99Ms, busy: (cpuUs * perSecond) / 1e6 };
}

/** Gives those that compile while they run `seconds`. */
export async function warmUpEntries(entries: readonly Entry[], seconds: number): Promise<void> {
  for (const entry of entries) if (entry.standing.warmsUp) await once(entry, seconds);
}

/** Medians over interleaved rounds, so that the drift of the machine hits all alike. */
export async function measureEntries(entries: readonly Entry[], effort: Effort): Promise<Costs> {
  const rounds = new Map<Entry, Cost[]>(entries.map((entry) => [entry, []]));
  for (let round = 0; round < effort.rounds; round++) {
    for (const [entry, costs] of rounds) {
      const cost = await once(entry, effort.measured);
      costs.push(cost);
      const figures = `${Math.round(cost.perSecond)}/s, ${cost.cpuUs.toFixed(1)} us each`;
      console.log(`round ${round + 1}: ${entry.name} ${figures}`);
    }
  }
  const medianOf = (costs: readonly Cost[], key: 'cpuUs' | 'perSecond' | 'p99Ms' | 'busy'): number =>
    median(costs.map((cost) => cost[key]));
  return new Map(
    [...rounds].map(([{ part, name }, costs]) => [
      part,
      {
        name,
        cpuUs: medianOf(costs, 'cpuUs'),
        perSecond: medianOf(costs, 'perSecond'),
        p99Ms: medianOf(costs, 'p99Ms'),
        busy: medianOf(costs, 'busy'),
      },
    ]),
  );
}
