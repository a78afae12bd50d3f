/** All temporary folders of a run lie in one, which goes with it: also those of tests that were ended half-way. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let folder = '';

/** Before the first test, in the process that starts the others. */
export function setup(): void {
  folder = mkdtempSync(join(tmpdir(), 'sluice-tests-'));
  process.env.TMPDIR = folder;
  // Hundreds of gateways start: what the first one has compiled serves the others.
  process.env.NODE_COMPILE_CACHE = join(folder, 'compiled');
}

export function teardown(): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
