/** Where a request may carry its token. */
import type { JwtConfig } from '../../config/schema/auth.js';
import type { Exchange } from '../../exchange.js';
import { cookieOf, SEVERAL } from '../sessions/cookies.js';
import { bearerOf, presentBearer, SEVERAL_TOKENS } from './bearer.js';

const PROTOCOLS = 'sec-websocket-protocol';

/** What was taken out of a handshake, by `?name` or prefix: another provider may look in the same place. */
const taken = new WeakMap<Exchange, Map<string, readonly string[]>>();

export class TokenSource {
  readonly #cookie: string | undefined;
  readonly #query: string | undefined;
  readonly #subprotocol: string | undefined;

  constructor({ cookie, websocket }: Pick<JwtConfig, 'cookie' | 'websocket'>) {
    this.#cookie = cookie;
    this.#query = websocket.query;
    this.#subprotocol = websocket.subprotocol;
  }

  /**
   * '' when there is none. Out of a handshake's query and subprotocols it is removed, used or not, so that neither the
   * service nor the log sees it.
   */
  take(x: Exchange): string | typeof SEVERAL_TOKENS {
    let token = bearerOf(x);
    if (this.#cookie !== undefined) token = either(token, cookieToken(x, this.#cookie));
    if (!x.handshake) return token;
    if (this.#query !== undefined) {
      for (const one of remember(x, `?${this.#query}`, () => takeFromQuery(x, this.#query as string))) {
        token = either(token, one);
      }
    }
    if (this.#subprotocol !== undefined) {
      for (const one of remember(x, this.#subprotocol, () =>
        takeFromProtocols(x, this.#subprotocol as string),
      )) {
        token = either(token, one);
      }
    }
    return token;
  }

  /** Puts this token in the place of whatever the request came with. */
  present(x: Exchange, token: string): void {
    x.handshake = false; // what was taken out of it counts no more
    presentBearer(x, token, this.#cookie);
  }
}

type Found = string | typeof SEVERAL_TOKENS;

function either(one: Found, other: Found): Found {
  if (one === '') return other;
  return other === '' ? one : SEVERAL_TOKENS;
}

function cookieToken(x: Exchange, name: string): Found {
  const value = cookieOf(x, name);
  return value === SEVERAL ? SEVERAL_TOKENS : ownCopy(value);
}

/** As a part of its field it would keep all cookies in memory for as long as it is remembered. */
function ownCopy(value: string): string {
  return Buffer.from(value, 'latin1').toString('latin1');
}

function remember(x: Exchange, place: string, take: () => readonly string[]): readonly string[] {
  let places = taken.get(x);
  if (places === undefined) {
    places = new Map();
    taken.set(x, places);
  }
  let tokens = places.get(place);
  if (tokens === undefined) {
    tokens = take();
    places.set(place, tokens);
  }
  return tokens;
}

function takeFromQuery(x: Exchange, name: string): string[] {
  if (x.query === '') return [];
  const tokens: string[] = [];
  const others = x.query.split('&').filter((pair) => {
    const equals = pair.indexOf('=');
    // However it is written: a service would decode it, too.
    if (decoded(equals < 0 ? pair : pair.slice(0, equals)) !== name) return true;
    if (equals >= 0 && equals < pair.length - 1) tokens.push(decoded(pair.slice(equals + 1)));
    return false;
  });
  x.query = others.join('&');
  return tokens;
}

function takeFromProtocols(x: Exchange, prefix: string): string[] {
  const tokens: string[] = [];
  const headers: string[] = [];
  for (let i = 0; i < x.headers.length; i += 2) {
    const name = x.headers[i];
    const value = name === PROTOCOLS ? withoutTokens(x.headers[i + 1], prefix, tokens) : x.headers[i + 1];
    if (name !== PROTOCOLS || value !== '') headers.push(name, value);
  }
  if (tokens.length > 0) x.headers = headers;
  return tokens;
}

function withoutTokens(offered: string, prefix: string, tokens: string[]): string {
  const others: string[] = [];
  for (const protocol of offered.split(',').map((one) => one.trim())) {
    if (protocol.startsWith(prefix)) tokens.push(protocol.slice(prefix.length));
    else if (protocol !== '') others.push(protocol);
  }
  return others.join(', ');
}

/** As it is when it cannot be decoded. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
