/** What a socket waits: through the gateway and without it, beside a stalled one and beside one that reads. */
import type { Standing } from '../contenders/contender.ts';
import { along, bothWays, canHurry, JUDGED, type Way, wayThrough } from '../priority.ts';
import { LOAD_CORE, launchNode } from '../proc.ts';
import { type Bar, table } from '../report.ts';
import { median } from '../statistics.ts';
import type { OpenLoopResult } from './open-loop.ts';

const SOCKETS = 1_000;
const RATE = 10_000;
const WARM_UP_SECONDS = 3;
const LIMIT_P50_US = 150;
const LIMIT_P99_US = 1_000;
const LIMIT_STALL = 1.1;

const SCRIPT = new URL('./open-loop.ts', import.meta.url);

async function run(way: Way, seconds: number, extra: readonly string[] = []) {
  const args = [way.url, String(SOCKETS), String(RATE), String(seconds), ...extra];
  return JSON.parse(
    await along(way, () => launchNode('open loop', SCRIPT, args, LOAD_CORE)),
  ) as OpenLoopResult;
}

function summary(all: readonly OpenLoopResult[]): OpenLoopResult {
  const sum = (key: 'messages' | 'missing') => all.reduce((total, one) => total + one[key], 0);
  return {
    messages: sum('messages'),
    missing: sum('missing'),
    p50Us: median(all.map((one) => one.p50Us)),
    p99Us: median(all.map((one) => one.p99Us)),
  };
}

const HEAD = ['', 'messages', 'missing', 'p50 us', 'p99 us', 'p99 of each round'];

function row(name: string, all: readonly OpenLoopResult[]): string[] {
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

/** One socket that is fed and does not read, next to one that is fed the same and does. */
export async function besideStalled(
  { service, gateway }: Parties,
  { rounds, seconds }: Effort,
): Promise<{ bars: Bar[]; text: string }> {
  const stalled: OpenLoopResult[] = [];
  const fed: OpenLoopResult[] = [];
  const way: Way = { ...wayThrough('Sluice', gateway, service.pid), first: canHurry };
  await run(way, WARM_UP_SECONDS);
  for (let round = 0; round < rounds; round++) {
    // The first of two has more to clean up after the round before: each is first as often.
    const order = round % 2 === 0 ? (['stalled', 'fed'] as const) : (['fed', 'stalled'] as const);
    for (const extra of order) (extra === 'fed' ? fed : stalled).push(await run(way, seconds, [extra]));
    console.log(`stall, round ${round + 1}: stalled ${stalled.at(-1)?.p99Us}, reading ${fed.at(-1)?.p99Us}`);
  }
  const ratio = summary(stalled).p99Us / summary(fed).p99Us;
  return {
    bars: [
      {
        what: `p99 of ${SOCKETS} sockets beside one that stalls, against one that reads`,
        bar: `< ${LIMIT_STALL} x`,
        measured: `${ratio.toFixed(2)} x`,
        met: ratio < LIMIT_STALL && summary(stalled).missing === 0,
      },
    ],
    text: table(HEAD, [row('beside one that stalls', stalled), row('beside one that reads', fed)]),
  };
}
