import type { Config } from '../config/schema.js';
import type { Exchange } from '../exchange.js';
import type { Identity } from '../services/identity.js';
import { isoTime, jsonLine, type Lines } from './log.js';
import { createQueryRedactor, REDACTED } from './redact.js';

/** Values that never reach the log, whatever `accessLog.headers` asks for. */
const SECRET_HEADERS = ['authorization', 'cookie', 'proxy-authorization', 'set-cookie', 'x-api-key'];

/** A line stays below the 4096 bytes that several processes can write into one pipe without tearing. */
const MAX_LINE_BYTES = 4096;
const MAX_TEXT = 1024;
const MAX_HEADER_TEXT = 256;
/** Even if every character has to be escaped. */
const SHORT_TEXT = 100;

/**
 * What writes one JSON line per exchange, or null when the log is off. Sampled: `config.sample` of all exchanges,
 * and each with a status of 500 or more. `secretHeaders` are never shown, besides those that never are. Independent of `log.level`. About 1 us a line; never throws.
 */
export function createAccessLog(
  config: Config['accessLog'],
  lines: Lines,
  workerId: number,
  secretHeaders: readonly string[] = [],
): ((x: Exchange) => void) | null {
  if (config.mode === 'off') return null;
  const format = createFormat(config, workerId, new Set([...SECRET_HEADERS, ...secretHeaders]));

  function logExchange(x: Exchange): void {
    const line = format(x, MAX_TEXT);
    const fits = line.length < MAX_LINE_BYTES && Buffer.byteLength(line) <= MAX_LINE_BYTES;
    lines.write(fits ? line : format(x, SHORT_TEXT));
  }

  if (config.mode === 'all') return logExchange;
  const { sample } = config;
  return function logSample(x) {
    if (x.status >= 500 || Math.random() < sample) logExchange(x);
  };
}

/** One exchange as a JSON line. Written by hand: the keys are fixed, and half of the values need no escaping. */
function createFormat(
  config: Config['accessLog'],
  workerId: number,
  secret: ReadonlySet<string>,
): (x: Exchange, maxText: number) => string {
  const redactQuery = createQueryRedactor(config.redactQuery);
  const headerNames = config.headers.map((name) => name.toLowerCase());
  const afterTime = `","msg":"access","worker":${workerId},"request_id":`;

  return function formatExchange(x, maxText) {
    const durationMs = x.endedAt - x.startedAt;
    const route = x.route;
    const longest = Math.min(255, maxText);
    let line =
      `{"level":"info","time":"${isoTime()}${afterTime}${text(x.id, longest)}` +
      `,"client":${text(x.clientIp, 64)},"method":${text(x.method, 32)},"protocol":"${x.scheme}"` +
      `,"host":${text(x.host, longest)},"path":${text(x.path, maxText)}`;
    if (x.query !== '') line += `,"query":${text(redactQuery(x.query), maxText)}`;
    line += route === null ? ',"route":null' : `,"route":"${route.name}"`;
    if (x.identity !== null) line += identityOf(x.identity);
    if (x.attempts > 0) {
      line +=
        `,"service":${text(x.service?.name ?? '', longest)},"endpoint":${text(x.endpoint, longest)}` +
        `,"attempts":${x.attempts}`;
    }
    line +=
      `,"status":${x.status},"bytes_in":${x.bytesIn},"bytes_out":${x.bytesOut}` +
      `,"duration_ms":${ms(durationMs)},"upstream_ms":${ms(x.upstreamMs)}` +
      `,"gateway_ms":${ms(Math.max(0, durationMs - x.upstreamMs))}`;
    if (x.closeCode !== 0) line += `,"close_code":${x.closeCode}`;
    if (x.waitedMs > 0) line += `,"waited_ms":${ms(x.waitedMs)}`;
    if (x.failure !== null) line += `,"failure":"${x.failure.code}","blame":"${x.failure.blame}"`;
    if (x.degraded !== '') line += `,"degraded":${text(x.degraded, longest)}`;
    if (x.aborted) line += ',"aborted":true';
    if (headerNames.length > 0 && maxText === MAX_TEXT) line += `,"headers":${headersOf(x)}`;
    return `${line}}\n`;
  };

  function headersOf(x: Exchange): string {
    let members = '';
    for (const name of headerNames) {
      const value = x.header(name);
      if (value === undefined) continue;
      const shown = secret.has(name) ? REDACTED : redactUrl(value);
      members += `${members === '' ? '' : ','}${JSON.stringify(name)}:${text(shown, MAX_HEADER_TEXT)}`;
    }
    return `{${members}}`;
  }

  /** A Referer, and whatever else holds a URL, may carry the tokens of its query. */
  function redactUrl(value: string): string {
    const mark = value.indexOf('?');
    return mark === -1 ? value : value.slice(0, mark + 1) + redactQuery(value.slice(mark + 1));
  }
}

/** Who called, as far as it is known. */
function identityOf({ provider, user, consumer }: Identity): string {
  let members = `,"auth":"${provider}"`;
  if (user !== '') members += `,"user":${text(user, SHORT_TEXT)}`;
  if (consumer !== '') members += `,"consumer":${text(consumer, SHORT_TEXT)}`;
  return members;
}

function text(value: string, max: number): string {
  return jsonLine(value.length > max ? `${value.slice(0, max)}…` : value);
}

function ms(value: number): number {
  return Math.round(value * 1000) / 1000;
}
