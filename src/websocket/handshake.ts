/** Both halves of a handshake (RFC 6455 §4), judged before anybody is told that there is a socket. */
import { createHash } from 'node:crypto';
import type { WebSocketConfig } from '../config/schema/websocket.js';
import { BAD_HANDSHAKE, type Failure, LEAVING, ORIGIN_REFUSED, WEBSOCKET_VERSION } from '../errors.js';
import type { Exchange } from '../exchange.js';
import { TOKEN } from '../listen/method.js';

/** Over how many seconds those come back who were sent away by a gateway that leaves. */
const LEAVING_SPREAD_S = 5;
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{21}[AQgw]==$/;

/** Judges the client's half, and makes the exchange ask the service for a socket. null: nothing is wrong with it. */
export function takeHandshake(x: Exchange, options: WebSocketConfig, draining: boolean): Failure | null {
  if (draining) {
    x.retryAfterS = 1 + Math.floor(Math.random() * LEAVING_SPREAD_S);
    return LEAVING;
  }
  const fault = handshakeFault(x, options);
  if (fault !== null) return fault;
  if (options.compression.mode !== 'off') x.extensions = valuesOf(x, 'sec-websocket-extensions').join();
  x.headers = withoutExtensions(x.headers);
  x.dialling = true;
  return null;
}

function handshakeFault(x: Exchange, { origins }: WebSocketConfig): Failure | null {
  if (x.method !== 'GET' || x.body !== null || !x.client.upgradable) return BAD_HANDSHAKE;
  if (valuesOf(x, 'sec-websocket-version').join() !== '13') return WEBSOCKET_VERSION;
  if (!KEY.test(valuesOf(x, 'sec-websocket-key').join())) return BAD_HANDSHAKE;
  const protocols = offeredProtocols(x);
  if (new Set(protocols).size < protocols.length || !protocols.every((one) => TOKEN.test(one)))
    return BAD_HANDSHAKE;
  return isWelcome(x, origins) ? null : ORIGIN_REFUSED;
}

/**
 * A page of any origin can open a socket, and the browser adds the cookies of the host to it: without a list, cookies are
 * taken from pages of the host itself only.
 */
function isWelcome(x: Exchange, origins: readonly string[] | undefined): boolean {
  const origin = x.header('origin')?.toLowerCase();
  if (origin === undefined) return true;
  if (origins !== undefined) return origins.includes(origin);
  return (
    x.header('cookie') === undefined ||
    origin === `${x.scheme}://${x.authority.toLowerCase()}` ||
    proxied(x, origin)
  );
}

/** Behind a trusted proxy the page knows the host and the scheme that the proxy was asked for. */
function proxied(x: Exchange, origin: string): boolean {
  if (!x.peerTrusted) return false;
  const host = x.forwardedHost === '' ? x.authority : x.forwardedHost;
  const scheme = x.forwardedProto === '' ? x.scheme : x.forwardedProto;
  return origin === `${scheme}://${host.toLowerCase()}`;
}

/** Extensions are agreed upon on each side by itself. */
function withoutExtensions(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'sec-websocket-extensions') kept.push(headers[i] as string, headers[i + 1] as string);
  }
  return kept;
}

/**
 * Takes the fields of the service's half out of `x.answerHeaders`. The subprotocol that it has chosen, '' for none; null
 * when the service speaks something else than it was asked for.
 */
export function takeServiceHalf(x: Exchange): string | null {
  const fields: string[] = [];
  let upgrade = '';
  let accepted = '';
  let protocol = '';
  let extensions = '';
  for (let i = 0; i < x.answerHeaders.length; i += 2) {
    const name = x.answerHeaders[i] as string;
    const value = x.answerHeaders[i + 1] as string;
    if (name === 'upgrade') upgrade = value;
    else if (name === 'sec-websocket-accept') accepted += value;
    else if (name === 'sec-websocket-protocol') protocol += value;
    else if (name === 'sec-websocket-extensions') extensions += value;
    else fields.push(name, value);
  }
  x.answerHeaders = fields;
  const key = x.header('sec-websocket-key') ?? '';
  const expected = createHash('sha1')
    .update(key + GUID)
    .digest('base64');
  if (upgrade.toLowerCase() !== 'websocket' || accepted !== expected || extensions !== '') return null;
  return protocol === '' || offeredProtocols(x).includes(protocol) ? protocol : null;
}

export function offeredProtocols(x: Exchange): string[] {
  const offered = valuesOf(x, 'sec-websocket-protocol');
  return offered.length === 0
    ? []
    : offered
        .join(',')
        .split(',')
        .map((one) => one.trim());
}

function valuesOf({ headers }: Exchange, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) values.push(headers[i + 1] as string);
  return values;
}
