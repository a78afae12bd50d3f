/** What sockets wait beside one that is fed and does not read, next to one that is fed the same and does. */
import { along, canHurry, type Way, wayThrough } from '../priority.ts';
import { LOAD_CORE, launchNode } from '../proc.ts';
import { type Bar, table } from '../report.ts';
import { median } from '../statistics.ts';
import { type Effort, HEAD, OPEN_LOOP, type Parties, RATE, row, SOCKETS } from './latency.ts';
import type { OpenLoopResult } from './open-loop.ts';

const LIMIT_RATIO = 1.1;

/** `rounds` pairs of phases of `seconds` each, over the same sockets. */
export async function besideStalled(
  { service, gateway }: Omit<Parties, 'nginx'>,
  { rounds, seconds }: Effort,
): Promise<{ bars: Bar[]; text: string }> {
  const way: Way = { ...wayThrough('Sluice', gateway, service.pid), first: canHurry };
  // The first of two has more to clean up after the phase before: each is first as often. The first of all warms up.
  const order = Array.from({ length: rounds }, (_, i) =>
    i % 2 === 0 ? ['stalled', 'fed'] : ['fed', 'stalled'],
  );
  const phases = ['fed', ...order.flat()];
  const args = [way.url, ...[SOCKETS, RATE, seconds].map(String), ...phases];
  const output = await along(way, () => launchNode('open loop', OPEN_LOOP, args, LOAD_CORE));
  const results = (JSON.parse(output) as OpenLoopResult[]).slice(1);
  const of = (kind: string) => results.filter((_, i) => phases[i + 1] === kind);
  const [stalled, fed] = [of('stalled'), of('fed')];
  // In windows that are shorter than what lies between two moments in which the machine takes the core away.
  const [windows, windowsFed] = [stalled, fed].map((all) => median(all.flatMap((one) => one.windowsP99Us)));
  const ratio = (windows as number) / (windowsFed as number);
  return {
    bars: [
      {
        what: `p99 of ${SOCKETS} sockets beside one that stalls, against one that reads, in 250 ms each`,
        bar: `< ${LIMIT_RATIO} x`,
        measured: `${ratio.toFixed(2)} x`,
        met: ratio < LIMIT_RATIO && results.every(({ missing }) => missing === 0),
      },
    ],
    text: [
      table(HEAD, [row('beside one that stalls', stalled), row('beside one that reads', fed)]),
      `Of each quarter of a second by itself, the median: ${windows} us beside one that stalls, ${windowsFed} us beside one that reads.`,
    ].join('\n\n'),
  };
}
