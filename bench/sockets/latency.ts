/** What a socket waits: through the gateway, and without it. */
import type { Standing } from '../contenders/contender.ts';
import { along, bothWays, JUDGED, type Way, wayThrough } from '../priority.ts';
import { LOAD_CORE, launchNode } from '../proc.ts';
import { type Bar, table } from '../report.ts';
import { median } from '../statistics.ts';
import type { OpenLoopResult } from './open-loop.ts';

export const SOCKETS = 1_000;
/** Messages in a second, over all sockets. */
export const RATE = 10_000;
const WARM_UP_SECONDS = 3;
const LIMIT_P50_US = 150;
const LIMIT_P99_US = 1_000;

export const OPEN_LOOP = new URL('./open-loop.ts', import.meta.url);

async function run(way: Way, seconds: number): Promise<OpenLoopResult> {
  const args = [way.url, ...[SOCKETS, RATE, seconds].map(String), 'alone'];
  const output = await along(way, () => launchNode('open loop', OPEN_LOOP, args, LOAD_CORE));
  return (JSON.parse(output) as [OpenLoopResult])[0];
}

function summary(all: readonly OpenLoopResult[]): Omit<OpenLoopResult, 'windowsP99Us'> {
  const sum = (key: 'messages' | 'missing') => all.reduce((total, one) => total + one[key], 0);
  return {
    messages: sum('messages'),
    missing: sum('missing'),
    p50Us: median(all.map((one) => one.p50Us)),
    p99Us: median(all.map((one) => one.p99Us)),
  };
}

export const HEAD = ['', 'messages', 'missing', 'p50 us', 'p99 us', 'p99 of each round'];

export function row(name: string, all: readonly OpenLoopResult[]): string[] {
  const { messages, missing, p50Us, p99Us } = summary(all);
  return [name, messages, missing, p50Us, p99Us, all.map((one) => one.p99Us).join(' ')].map(String);
}

export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
}

/** Who is measured: the gateway, nginx if it is there, and the service behind them. */
export interface Parties {
  readonly service: { readonly url: string; readonly pid: number };
  readonly gateway: Standing;
  readonly nginx: Standing | null;
}

export async function addedLatency(
  { service, gateway, nginx }: Parties,
  { rounds, seconds }: Effort,
): Promise<{ bars: Bar[]; text: string }> {
  const ways = bothWays([
    wayThrough('direct', { url: service.url, pid: null }, service.pid),
    wayThrough('Sluice', gateway, service.pid),
    ...(nginx === null ? [] : [wayThrough('nginx', nginx, service.pid)]),
  ]);
  const results = new Map<Way, OpenLoopResult[]>(ways.map((way) => [way, []]));
  for (const way of ways) await run(way, WARM_UP_SECONDS);
  for (let round = 0; round < rounds; round++) {
    for (const way of ways) results.get(way)?.push(await run(way, seconds));
    const figures = ways.map((way) => `${way.name} ${results.get(way)?.at(-1)?.p99Us}`);
    console.log(`latency, round ${round + 1}: ${figures.join(', ')}`);
  }
  const resultOf = (name: string) => summary(results.get(ways.find((way) => way.name === name) as Way) ?? []);
  const [plain, ours] = [resultOf('direct'), resultOf('Sluice')];
  const [plainJudged, judged] = [resultOf(`direct${JUDGED}`), resultOf(`Sluice${JUDGED}`)];
  const whole = ours.missing === 0 && judged.missing === 0;
  const p50 = ours.p50Us - plain.p50Us;
  const p99 = judged.p99Us - plainJudged.p99Us;
  const what = `round trip of 128 B added to direct, ${SOCKETS} sockets, ${RATE}/s`;
  return {
    bars: [
      {
        what: `${what}: p50`,
        bar: `<= ${LIMIT_P50_US} us`,
        measured: `${p50} us`,
        met: whole && p50 <= LIMIT_P50_US,
      },
      {
        what: `${what}: p99${JUDGED}`,
        bar: `<= ${LIMIT_P99_US} us`,
        measured: `${p99} us`,
        met: whole && p99 <= LIMIT_P99_US,
      },
    ],
    text: table(
      HEAD,
      [...results].map(([{ name }, all]) => row(name, all)),
    ),
  };
}
