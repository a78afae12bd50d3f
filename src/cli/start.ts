import { ConfigReader } from '../config/reader/reader.js';
import { EarlySignals } from '../early-signals.js';
import type { PrimaryOptions } from '../primary.js';
import { CONFIG_OPTION, type Command, UsageError } from './command.js';

export const start: Command = {
  usage: '-c FILE [--workers N] [--watch] [--join]',
  description: `Runs the gateway until it is told to leave. Writes one JSON line with "msg":"ready" to standard output when all workers listen.
SIGTERM and SIGINT drain: new connections are refused, running exchanges end, exit code 0. A second signal leaves at once.
SIGHUP reads the configuration again; one with mistakes changes nothing.`,
  options: {
    config: CONFIG_OPTION,
    workers: {
      type: 'string',
      value: 'N',
      description: 'Listener processes, instead of what the file says.',
    },
    watch: { type: 'boolean', description: 'Read the configuration again when the file changes.' },
    join: {
      type: 'boolean',
      description: 'Share the port with other gateways of this user, and leave it to them in the end.',
    },
  },
  run(input) {
    const workers = workerCount(input.text('workers'));
    return runGateway({
      file: input.needed('config'),
      watch: input.flag('watch'),
      join: input.flag('join'),
      ...(workers !== undefined && { workers }),
    });
  },
};

function workerCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const workers = Number(text);
  if (Number.isInteger(workers) && workers >= 1 && workers <= 1_024) return workers;
  throw new UsageError(`--workers ${text}: expected a whole number from 1 to 1024`);
}

/** Another process reads the configuration while this one loads what it will need. */
export async function runGateway(
  options: Omit<PrimaryOptions, 'reader' | 'first' | 'early'>,
): Promise<number> {
  const early = new EarlySignals();
  const reader = new ConfigReader();
  const first = reader.read(options.file, options.env ?? process.env);
  const { startPrimary } = await import('../primary.js');
  return await startPrimary({ ...options, reader, first, early });
}
