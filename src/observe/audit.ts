/** The audit log: who was refused, and what operators changed. One JSON line each, whatever `log.level` says. */
import type { Exchange } from '../exchange.js';
import { isoTime, jsonLine, type Lines } from './log.js';

const MAX_TEXT = 256;

/** Writes a line about an exchange. Names the caller as far as known, never what it showed. */
export function createExchangeAudit(
  lines: Lines,
  workerId: number,
): (x: Exchange, event: { event: string; provider?: string; reason?: string }) => void {
  return function auditExchange(x, { event, provider, reason }) {
    writeAudit(lines, {
      event,
      worker: workerId,
      request_id: x.id,
      client: x.clientIp,
      route: x.route?.name ?? null,
      method: x.method,
      path: x.path,
      provider: provider ?? x.identity?.provider,
      user: x.identity?.user || undefined,
      consumer: x.identity?.consumer || undefined,
      key: x.identity?.keyId || undefined,
      reason,
    });
  };
}

/** A line about something else; long texts are cut. */
export function writeAudit(lines: Lines, members: Readonly<Record<string, unknown>>): void {
  const line = { level: 'info', time: isoTime(), msg: 'audit', ...members };
  const cut = (_: string, value: unknown) =>
    typeof value === 'string' && value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
  lines.write(`${jsonLine(line, cut)}\n`);
}
