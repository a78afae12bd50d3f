/**
 * `npm run bench [-- WHAT [ARGUMENT]]`: what there is to measure is in the table below. Leaves with 1 when something does not
 * work, and, but for the comparison, when a bar is missed.
 */
import { runAuth } from './auth.ts';
import { runBalance } from './balance.ts';
import { runChannels } from './channels.ts';
import { runChaosBench } from './chaos.ts';
import { runComparison } from './comparison.ts';
import { runHealth } from './health.ts';
import { runKeys } from './keys.ts';
import { runLimitsSync } from './limits/sync.ts';
import { runLimits } from './limits.ts';
import { runMemory } from './memory.ts';
import { runOverload } from './overload.ts';
import { runRegistry } from './registry.ts';
import { runSoak } from './soak-aborts.ts';
import { runSockets } from './sockets.ts';
import { runStream } from './stream.ts';

type Bench = (argument: string | undefined) => Promise<boolean>;

const benches: Readonly<Record<string, Bench>> = {
  full: () => runComparison(false).then(() => true),
  quick: () => runComparison(true).then(() => true),
  auth: (effort) => runAuth(effort === 'quick'),
  balance: (effort) => runBalance(effort === 'quick'),
  limits: (effort) => runLimits(effort === 'quick'),
  'limits-sync': (seconds) => runLimitsSync(Number(seconds ?? 30)),
  channels: (subscribers) => runChannels(Number(subscribers ?? 10_000)),
  health: (rounds) => runHealth(Number(rounds ?? 20)),
  keys: (duplicates) => runKeys(Number(duplicates ?? 10_000)),
  memory: () => runMemory(),
  overload: () => runOverload(),
  registry: () => runRegistry(),
  sockets: (part) => runSockets(part),
  stream: (mebibytes) => runStream(Number(mebibytes ?? 1024)),
  chaos: (posts) => runChaosBench(Number(posts ?? 100_000)),
  soak: (requests) => runSoak(Number(requests ?? 200_000)),
};

const [what = 'full', argument] = process.argv.slice(2);

async function run(): Promise<boolean> {
  const bench = benches[what];
  if (bench === undefined) throw new Error(`unknown: ${what}; there is ${Object.keys(benches).join(', ')}`);
  return await bench(argument);
}

try {
  process.exitCode = (await run()) ? 0 : 1;
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
// Whatever still runs or lies about is ours: ended and removed on the way out.
process.exit();
