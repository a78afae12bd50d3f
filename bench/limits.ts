/** What limits cost and how exact they are: `npm run bench -- limits`, and `npm run bench -- limits quick` for an indication. */
import { addedBar, addedTable, type CostPlan, howMeasured } from './added-cost.ts';
import { measureCost } from './limits/cost.ts';
import { measureExactness, measureManyKeys } from './limits/processes.ts';
import { LOAD_CORE, launchNode } from './proc.ts';
import { barTable, provenance, saveSections } from './report.ts';

const MOST_ADDED_US = 2;
const FULL: { cost: CostPlan; seconds: number } = {
  cost: { sets: 6, cycles: 60 },
  seconds: 60,
};
const QUICK: typeof FULL = { cost: { sets: 1, cycles: 20 }, seconds: 10 };

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
  const bars = [addedBar(costs[1] as (typeof costs)[number], MOST_ADDED_US), exactness, ...manyKeys.bars];
  saveSections({
    Limits: [
      `${provenance()} ${howMeasured(cost)}${quick ? ' **Quick**: indicative only.' : ''}`,
      barTable(bars),
      addedTable(costs),
      manyKeys.table,
    ].join('\n\n'),
  });
  return bars.every(({ met }) => met);
}
