/** Idle resident memory of `sluice start --workers 1`: `npm run bench -- memory`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startSluice } from './contenders/sluice.ts';
import { workspace } from './proc.ts';
import { family, residentBytes } from './readings.ts';
import { type Bar, barTable, mebibytes, provenance, saveSections } from './report.ts';

const LIMIT_BYTES = 75 * 2 ** 20;
const SETTLE_MS = 2_000;

/** Started, never asked anything, left alone for two seconds. */
export async function idleMemory(): Promise<Bar> {
  // Nothing is sent, so nothing needs to listen there.
  const gateway = await startSluice('http://127.0.0.1:9', workspace());
  await sleep(SETTLE_MS);
  const bytes = residentBytes(gateway.pid);
  const processes = family(gateway.pid).length;
  await gateway.stop();
  return {
    what: 'idle resident memory, `workers: 1`',
    bar: '<= 75 MiB',
    measured: `${mebibytes(bytes)} in ${processes} process${processes === 1 ? '' : 'es'}`,
    met: bytes <= LIMIT_BYTES,
  };
}

/** Measures and records; false when the bar is missed. */
export async function runMemory(): Promise<boolean> {
  const bar = await idleMemory();
  saveSections({ 'Idle memory': `${provenance()}\n\n${barTable([bar])}` });
  return bar.met;
}
