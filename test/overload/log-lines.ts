import { createLog, type Log } from '../../src/observe/log.ts';
import type { LogLine } from '../harness/gateway.ts';

/** A log, and what was written to it. */
export function noting(): { log: Log; lines: LogLine[] } {
  const lines: LogLine[] = [];
  return { lines, log: createLog({ write: (line) => void lines.push(JSON.parse(line)) }, 'info', {}) };
}
