/**
 * `npm run bench [-- quick | auth [quick] | limits [quick] | memory | overload | stream [MIB] | soak [REQUESTS] | chaos [POSTS]]`. Leaves
 * with 1 when something does not work; all but `quick` and the comparison also when a bar is missed.
 */
import { runAuth } from './auth.ts';
import { runChaosBench } from './chaos.ts';
import { runComparison } from './comparison.ts';
import { runLimits } from './limits.ts';
import { runMemory } from './memory.ts';
import { runOverload } from './overload.ts';
import { runSoak } from './soak-aborts.ts';
import { runStream } from './stream.ts';

const [what = 'full', argument] = process.argv.slice(2);

async function run(): Promise<boolean> {
  switch (what) {
    case 'full':
    case 'quick':
      await runComparison(what === 'quick');
      return true;
    case 'auth':
      return runAuth(argument === 'quick');
    case 'limits':
      return runLimits(argument === 'quick');
    case 'memory':
      return runMemory();
    case 'overload':
      return runOverload();
    case 'stream':
      return runStream(Number(argument ?? 1024));
    case 'soak':
      return runSoak(Number(argument ?? 200_000));
    case 'chaos':
      return runChaosBench(Number(argument ?? 100_000));
    default:
      throw new Error(
        `unknown: ${what}; npm run bench [-- quick | auth [quick] | limits [quick] | memory | overload | stream [MIB] | soak [REQUESTS] | chaos [POSTS]]`,
      );
  }
}

try {
  process.exitCode = (await run()) ? 0 : 1;
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
// Whatever still runs or lies about is ours: ended and removed on the way out.
process.exit();
