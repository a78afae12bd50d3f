#!/usr/bin/env node
/** The program `sluice`. */
import { WORKER_ID_VARIABLE } from './bus.js';
import { leaveLanguages } from './config/reader/languages.js';
import { beginStartup } from './memory.js';

beginStartup();
leaveLanguages();
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

// A reader that has seen enough, as in `sluice schema | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`sluice: this is Node ${process.versions.node}, and 22.19 or later is needed\n`);
  process.exit(1);
}

const code = await run();
// Behind what has been written so far, which a pipe may not have taken yet.
process.stdout.write('', () => process.exit(code));

async function run(): Promise<number> {
  // Forked by a primary: this process is one of its workers.
  if (process.send !== undefined && process.env[WORKER_ID_VARIABLE] !== undefined) {
    const { runWorker } = await import('./worker.js');
    return runWorker();
  }
  const { runCommandLine } = await import('./cli/run.js');
  return runCommandLine(process.argv.slice(2));
}
