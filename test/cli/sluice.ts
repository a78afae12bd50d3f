import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The program as it is installed; `npm test` builds it first. */
export const MAIN = join(import.meta.dirname, '../../dist/main.js');

const folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'));

/** Runs a command that ends by itself. */
export function sluice(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    timeout: 15_000,
  });
  return { code: status, out: stdout, err: stderr };
}

/** Writes a configuration file; gives its path. */
export function configFile(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}
