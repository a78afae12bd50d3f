/**
 * `npm run bench [-- quick | auth [quick] | memory | limits-sync [SECONDS] | stream [MIB] | soak [REQUESTS]]`. Leaves with 1 when something
 * does not work; `auth`, `memory`, `limits-sync`, `stream` and `soak` also when a bar is missed.
 */
import { runAuth } from './auth.ts';
import { runComparison } from './comparison.ts';
import { runLimitsSync } from './limits/sync.ts';
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
    case 'limits-sync':
      return runLimitsSync(Number(argument ?? 30));
    case 'stream':
      return runStream(Number(argument ?? 1024));
    case 'soak':
      return runSoak(Number(argument ?? 200_000));
    default:
      throw new Error(
        `unknown: ${what}; npm run bench [-- quick | auth [quick] | memory | limits-sync [SECONDS] | stream [MIB] | soak [REQUESTS]]`,
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
