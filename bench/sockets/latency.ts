/** What a socket waits: through the gateway and without it, beside a stalled one and beside one that reads. */
import type { Standing } from '../contenders/contender.ts';
import { along, canHurry, type Way } from '../priority.ts';
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

type NamedWay = Way & { readonly name: string };

async function run(way: Way, seconds: number, extra: readonly string[] = []) {
  const args = [way.url, String(SOCKETS), String(RATE), String(seconds), ...extra];
  const play = () => launchNode('open loop', SCRIPT, args, LOAD_CORE).finished();
  return JSON.parse(await along(way, play)) as OpenLoopResult;
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

export async function addedLatency(
  direct: string,
  gateway: Standing,
  nginx: Standing | null,
  { rounds, seconds }: Effort,
): Promise<{ bars: Bar[]; text: string }> {
  const ways: NamedWay[] = [{ name: 'direct', url: direct, pid: null, first: false }];
  const standing = nginx === null ? [gateway] : [gateway, nginx];
  for (const first of canHurry ? [false, true] : [false])
    for (const { url, pid } of standing) {
      const name = url === gateway.url ? 'Sluice' : 'nginx';
      ways.push({ name: first ? `${name}, first on its core` : name, url, pid, first });
    }
  const results = new Map<NamedWay, OpenLoopResult[]>(ways.map((way) => [way, []]));
  for (const way of ways) await run(way, WARM_UP_SECONDS);
  for (let round = 0; round < rounds; round++) {
    for (const way of ways) results.get(way)?.push(await run(way, seconds));
    const figures = ways.map((way) => `${way.name} ${results.get(way)?.at(-1)?.p99Us}`);
    console.log(`latency, round ${round + 1}: ${figures.join(', ')}`);
  }
  const [plain, ours, ...others] = ways.map((way) => summary(results.get(way) ?? []));
  // The machine's own daemons do not count where that can be had.
  const best = canHurry ? others[standing.length - 1] : ours;
  const whole = ours?.missing === 0 && best?.missing === 0;
  const p50 = (ours?.p50Us ?? Number.NaN) - (plain?.p50Us ?? 0);
  const p99 = (best?.p99Us ?? Number.NaN) - (plain?.p99Us ?? 0);
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
        what: `${what}: p99${canHurry ? ', first on its core' : ''}`,
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
  gateway: Standing,
  { rounds, seconds }: Effort,
): Promise<{ bars: Bar[]; text: string }> {
  const stalled: OpenLoopResult[] = [];
  const fed: OpenLoopResult[] = [];
  const way: Way = { url: gateway.url, pid: gateway.pid, first: canHurry };
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
