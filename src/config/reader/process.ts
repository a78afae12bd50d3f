/** What the process of a `ConfigReader` runs. */
import { leaveLanguages } from './languages.js';
import type { Reading } from './reader.js';

// They reach the whole process group, but the gateway decides what they mean.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
leaveLanguages();
const { loadConfig } = await import('../load.js');
process.on('message', ({ file, environment }: Reading) => process.send?.(loadConfig(file, environment)));
