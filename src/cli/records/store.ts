/** What the commands about keys and consumers share: the store that the configuration names, and how they answer. */
import { userInfo } from 'node:os';
import type { Config } from '../../config/schema.js';
import { leaveNotice, type Notice } from '../../services/records/notices.js';
import { RecordFault } from '../../services/records/record-fault.js';
import { MOMENTS, momentIn, SPANS, spanIn } from '../../services/records/time-words.js';
import type { RecordStore } from '../../services/store/record-store.js';
import { StoreFault } from '../../services/store/store-fault.js';
import { CONFIG_OPTION, FAILED, type Input, OK, type Option, UsageError } from '../command.js';
import { readConfiguration } from '../configuration.js';

/** Options of every one of them. */
export const RECORD_OPTIONS = {
  config: CONFIG_OPTION,
  json: { type: 'boolean', description: 'Print JSON instead.' },
} satisfies Record<string, Option>;

/** Tells the gateway what was changed, for its audit log. */
export type Note = (change: Notice) => Promise<void>;

/**
 * Runs what is to be done with the store, whether the gateway runs or not. What cannot be done is said on standard error;
 * resolves with the exit code.
 */
export async function withStore(
  input: Input,
  action: (store: RecordStore, config: Config, note: Note) => Promise<void> | void,
): Promise<number> {
  const file = input.needed('config');
  const config = readConfiguration(file);
  if (config === null) return FAILED;
  if (config.data === null) {
    complain(`${file} has no store: give it "data: ./data", or a provider of type apiKey or session`);
    return FAILED;
  }
  const { openStore } = await import('../../services/store/replica.js');
  try {
    const { data, redis } = config;
    const store = await openStore({ data, redis, log: STDERR, now: Date.now, follow: false });
    try {
      const by = { remote: 'command line', operator: operatorName() };
      await action(store, config, (change) => leaveNotice(store, { ...change, ...by }, Date.now()));
    } finally {
      await store.close();
    }
    return OK;
  } catch (error) {
    if (!(error instanceof RecordFault) && !(error instanceof StoreFault)) throw error;
    complain(error.message);
    return FAILED;
  }
}

/** Who is logged in to this machine. */
function operatorName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as somebody whom it does not know.
    return String(process.getuid?.() ?? 'unknown');
  }
}

/** A duration among the options. */
export function spanOption(input: Input, name: string): number | undefined {
  const text = input.text(name);
  if (text === undefined) return undefined;
  const span = spanIn(text);
  if (span === null) throw new UsageError(`--${name} ${text}: expected ${SPANS}`);
  return span;
}

/** Milliseconds since 1970. */
export function momentOption(input: Input, name: string): number | undefined {
  const text = input.text(name);
  if (text === undefined) return undefined;
  const moment = momentIn(text, Date.now());
  if (moment === null) throw new UsageError(`--${name} ${text}: expected ${MOMENTS}`);
  return moment;
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** One line per row, in columns; the first row is the head. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  for (const row of rows) {
    process.stdout.write(
      `${row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd()}\n`,
    );
  }
}

/** `name  value`, one per line; what is empty is left out. */
export function printMembers(members: object): void {
  const shown = Object.entries(members).flatMap(([name, value]) => {
    const text = Array.isArray(value) ? value.map(textOf).join(', ') : textOf(value);
    return text === '' ? [] : [[name, text]];
  });
  const width = Math.max(...shown.map(([name]) => name.length));
  for (const [name, text] of shown) process.stdout.write(`${name.padEnd(width)}  ${text}\n`);
}

/** Beside the result, for a person. */
export function remark(text: string): void {
  process.stderr.write(`${text}\n`);
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'object') return String(value);
  return Object.entries(value)
    .filter(([, member]) => member !== null)
    .map(([name, member]) => `${name} ${member}`)
    .join(' ');
}

function complain(text: string): void {
  process.stderr.write(`sluice: ${text}\n`);
}

const STDERR = {
  info: () => {},
  warn: (fields: object, message: string) => {
    const reason = 'reason' in fields ? `: ${fields.reason}` : '';
    process.stderr.write(`sluice: warning: ${message}${reason}\n`);
  },
};
