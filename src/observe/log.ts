import { type Logger, pino } from 'pino';
import type { Config } from '../config/schema.js';
import { LineSink } from './line-sink.js';

/** What happens in the gateway itself; exchanges have a log of their own, see access-log.ts. */
export type Log = Logger;

/** Where lines go. */
export interface Lines {
  /** `line` ends with its newline. Must not throw. */
  write(line: string): void;
}

/**
 * The sink of this process: JSON lines on standard output, where the platform expects them. What a process has
 * not written when it exits is written then; `flush()` before leaving is cheaper and also waits for what is
 * under way.
 */
export function openStdout(): LineSink {
  const sink = new LineSink(1);
  process.once('exit', () => sink.flushSync());
  return sink;
}

/** `fields` are on every line: say which process it is. Change `log.level` to follow a reload. */
export function createLog(lines: Lines, level: Config['log']['level'], fields: Record<string, unknown>): Log {
  return pino(
    {
      level,
      base: fields,
      timestamp: () => `,"time":"${isoTime()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    lines,
  );
}

/** What some readers of lines take for the end of one, beside the newline that JSON escapes. */
const LINE_END = /[\u0085\u2028\u2029]/;
const LINE_ENDS = new RegExp(LINE_END, 'g');

/** As JSON, on one line whoever reads it. */
export function jsonLine(value: unknown, replacer?: (key: string, value: unknown) => unknown): string {
  const text = JSON.stringify(value, replacer);
  return LINE_END.test(text) ? text.replace(LINE_ENDS, escapeUnit) : text;
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

let lastMs = 0;
let lastIso = '';

/** Now, RFC 3339 in UTC with milliseconds. Formatted once per millisecond, however many lines ask. */
export function isoTime(): string {
  const now = Date.now();
  if (now !== lastMs) {
    lastMs = now;
    lastIso = new Date(now).toISOString();
  }
  return lastIso;
}
