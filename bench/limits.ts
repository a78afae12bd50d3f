/** What limits cost and how exact they are: `npm run bench -- limits`, and `npm run bench -- limits quick` for an indication. */
import { type CostPlan, costBar, costTable, measureCost } from './limits/cost.ts';
import { measureExactness, measureManyKeys } from './limits/processes.ts';
import { chooseLoad } from './load/load.ts';
import { LOAD_CORE, launchNode } from './proc.ts';
import { barTable, provenance, saveSections } from './report.ts';

const FULL: { cost: CostPlan; seconds: number } = {
  cost: { sets: 4, rounds: 10, warmUp: 4, measured: 1 },
  seconds: 60,
};
const QUICK: typeof FULL = { cost: { sets: 1, rounds: 3, warmUp: 3, measured: 1 }, seconds: 10 };

/** Measures and records; false when a bar is missed. */
export async function runLimits(quick: boolean): Promise<boolean> {
  const { cost, seconds } = quick ? QUICK : FULL;
  const exactness = await measureExactness(seconds);
  console.log(`${exactness.what}: ${exactness.measured}`);
  const manyKeys = await measureManyKeys(seconds);
  console.log(manyKeys.table);
  const service = launchNode('service', new URL('./service.ts', import.meta.url), [], LOAD_CORE);
  const { url: origin } = await service.ready();
  const costs = await measureCost(origin, cost);
  await service.stop();
  const bars = [costBar(costs), exactness, ...manyKeys.bars];
  const rounds = `${cost.sets} sets of fresh processes with ${cost.rounds} interleaved rounds of ${cost.measured} s each`;
  saveSections({
    Limits: [
      `${provenance()} Load: ${chooseLoad().name}. Medians of ${rounds}${quick ? ' (**quick**: indicative only)' : ''}.`,
      barTable(bars),
      costTable(costs),
      manyKeys.table,
    ].join('\n\n'),
  });
  return bars.every(({ met }) => met);
}
