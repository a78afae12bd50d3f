/** The head of the service's answer, without what belongs to the service's connection. */

import type { Exchange } from '../exchange.js';
import type { IncomingHttpHeaders } from './undici.js';

/** The service announced no length, or it is not for us to repeat. */
export const UNKNOWN_LENGTH = -1;
/** The answer's framing is ambiguous: it must not be passed on. */
export const BAD_LENGTH = -2;

/** Fills `x.answerHeaders` and returns the length of the body in bytes. */
export function takeAnswerHead(x: Exchange, headers: IncomingHttpHeaders): number {
  const fields = ['x-request-id', x.id];
  let length = UNKNOWN_LENGTH;
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || !isEndToEnd(name)) {
      if (name === 'content-length') length = parseLength(value);
      continue;
    }
    if (typeof value === 'string') fields.push(name, value);
    else for (let i = 0; i < value.length; i++) fields.push(name, value[i]);
  }
  // We never asked for another coding (TE): it would reach the client without the field that names it.
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && String(coding).toLowerCase() !== 'chunked') return BAD_LENGTH;
  const connection = headers.connection;
  const kept = connection === undefined ? fields : withoutNamed(fields, String(connection));
  // What was agreed upon is for who asked to judge.
  if (x.dialling && x.status === 101) kept.push('upgrade', String(headers.upgrade));
  if (x.stickyCookie !== '') kept.push('set-cookie', x.stickyCookie);
  x.answerHeaders = kept;
  return length;
}

/**
 * False for fields of one connection (RFC 9110 §7.6.1) and for those that the listener writes itself. Lengths first:
 * most fields leave after one integer comparison.
 */
function isEndToEnd(name: string): boolean {
  switch (name.length) {
    case 2:
      return name !== 'te';
    case 4:
      return name !== 'date';
    case 7:
      return name !== 'trailer' && name !== 'upgrade';
    case 10:
      return name !== 'connection' && name !== 'keep-alive';
    case 12:
      return name !== 'x-request-id';
    case 14:
      return name !== 'content-length';
    case 16:
      return name !== 'proxy-connection';
    case 17:
      return name !== 'transfer-encoding';
    case 18:
      return name !== 'proxy-authenticate';
    default:
      return true;
  }
}

function parseLength(value: string | string[] | undefined): number {
  if (typeof value !== 'string' || !/^\d{1,15}$/.test(value)) return BAD_LENGTH;
  return Number(value);
}

/** Fields that `Connection` names belong to the connection too. */
function withoutNamed(fields: string[], connection: string): string[] {
  // What nearly every service sends, without taking it apart.
  if (connection === 'keep-alive' || connection === 'close') return fields;
  const named = connection.toLowerCase().split(/[\s,]+/);
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i];
    if (name === 'x-request-id' || !named.includes(name)) kept.push(name, fields[i + 1]);
  }
  return kept;
}
