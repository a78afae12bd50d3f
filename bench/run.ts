/**
 * `npm run bench [-- quick | auth [quick] | memory | stream [MIB] | soak [REQUESTS] | keys [DUPLICATES]]`. Leaves with 1 when something
 * does not work; all but the first two also when a bar is missed.
 */
import { runAuth } from './auth.ts';
import { runComparison } from './comparison.ts';
import { runKeys } from './keys.ts';
import { runMemory } from './memory.ts';
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
    case 'memory':
      return runMemory();
    case 'stream':
      return runStream(Number(argument ?? 1024));
    case 'keys':
      return runKeys(Number(argument ?? 10_000));
    case 'soak':
      return runSoak(Number(argument ?? 200_000));
    default:
      throw new Error(
        `unknown: ${what}; npm run bench [-- quick | auth [quick] | memory | stream [MIB] | soak [REQUESTS] | keys [DUPLICATES]]`,
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
