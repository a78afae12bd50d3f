/** What a message costs in CPU, next to what it costs nginx. */
import { startSluice } from '../contenders/sluice.ts';
import { LOAD_CORE, launchNode, workspace } from '../proc.ts';
import { type Bar, table } from '../report.ts';
import { median } from '../statistics.ts';
import { startNginx } from './nginx.ts';
import type { PingPongResult } from './ping-pong.ts';

const SCRIPT = new URL('./ping-pong.ts', import.meta.url);
const SOCKETS = 200;
const MESSAGES_PER_SLICE = 10_000;
const WARM_UP_CYCLES = 10;
const LIMIT_RATIO = 1.5;

export interface CpuPlan {
  /** Each with fresh processes: what one costs differs from start to start. */
  readonly sets: number;
  readonly cycles: number;
}

export async function cpuPerMessage(origin: string, plan: CpuPlan): Promise<{ bars: Bar[]; text: string }> {
  const sets: PingPongResult[] = [];
  for (let set = 0; set < plan.sets; set++) {
    sets.push(await measure(origin, plan.cycles));
    const medians = [0, 1].map((i) => figure(sets.slice(-1), i, 'cpuUs').toFixed(2));
    console.log(`cpu, set ${set + 1}: Sluice ${medians[0]} us, nginx ${medians[1]} us`);
  }
  const ratios = sets.map((cycles) =>
    cycles.flatMap(([ours, theirs]) => (theirs ? [ours.cpuUs / theirs.cpuUs] : [])),
  );
  const compared = ratios.flat().length > 0;
  const ratio = compared ? median(ratios.flat()) : Number.NaN;
  const names = compared ? ['Sluice', 'nginx'] : ['Sluice'];
  return {
    bars: [
      {
        what: 'CPU per message of 128 B, against nginx',
        bar: `<= ${LIMIT_RATIO} x`,
        measured: compared ? `${ratio.toFixed(2)} x` : null,
        met: ratio <= LIMIT_RATIO,
      },
    ],
    text: [
      table(
        [`${SOCKETS} sockets in ping-pong`, 'CPU us/message', 'messages/s'],
        names.map((name, i) => [
          name,
          figure(sets, i, 'cpuUs').toFixed(2),
          figure(sets, i, 'perSecond').toFixed(0),
        ]),
      ),
      compared
        ? `By set of processes: ${ratios.map((all) => `${median(all).toFixed(2)} x`).join(', ')}.`
        : '',
    ].join('\n\n'),
  };
}

/** The first of each cycle is ours, the second nginx's, where that is installed. */
async function measure(origin: string, cycles: number): Promise<PingPongResult> {
  const gateway = await startSluice(origin, workspace(), { route: 'websocket: true' });
  const nginx = await startNginx(origin, workspace());
  const targets = [gateway, nginx].flatMap((one) => (one === null ? [] : [`${one.url},${one.pid}`]));
  const play = async (count: number): Promise<PingPongResult> => {
    const args = [SOCKETS, MESSAGES_PER_SLICE, count].map(String);
    return JSON.parse(await launchNode('ping-pong', SCRIPT, [...args, ...targets], LOAD_CORE).finished());
  };
  await play(WARM_UP_CYCLES);
  const result = await play(cycles);
  await gateway.stop();
  await nginx?.stop();
  return result;
}

function figure(sets: readonly PingPongResult[], i: number, key: 'cpuUs' | 'perSecond'): number {
  return median(sets.flat().map((cycle) => cycle[i]?.[key] ?? Number.NaN));
}
