/**
 * Clients that come back to the same endpoint, by a cookie. Its value is an HMAC over service and endpoint: it names the endpoint
 * without telling anything of it, nobody without the secret can make one up, and every gateway with the same
 * secret reads it. All values are made when the endpoints change: a request costs one look into a map.
 */
import { createHmac } from 'node:crypto';
import type { Exchange } from '../../exchange.js';
import type { Balancer, Member } from '../balance/balancer.js';
import type { Endpoint } from '../endpoint.js';
import { findCookie } from './cookies.js';

export interface StickyOptions {
  readonly cookie: string;
  /** Milliseconds; 0: until the browser is closed. */
  readonly ttl: number;
  readonly path: string;
  readonly sameSite: 'strict' | 'lax' | 'none';
  readonly secret: string;
}

/** Who decides where the cookie does not. */
export interface Unbound extends Balancer {
  admits(slot: number): boolean;
}

interface Place {
  readonly endpoint: Endpoint;
  readonly slot: number;
}

const VALUE_BYTES = 16;

export class Sticky implements Balancer {
  readonly #options: StickyOptions;
  readonly #service: string;
  readonly #unbound: Unbound;
  /** Ends of the field, after `NAME=VALUE`: over http and over https. */
  readonly #attributes: readonly [string, string];
  #places = new Map<string, Place>();
  #values = new Map<Endpoint, string>();
  /** By id: rosters change more often than their endpoints. */
  #known = new Map<string, string>();

  constructor(service: string, options: StickyOptions, unbound: Unbound) {
    this.#service = service;
    this.#options = options;
    this.#unbound = unbound;
    this.#attributes = [attributes(options, false), attributes(options, true)];
  }

  take(members: readonly Member[]): void {
    const known = new Map(members.map(({ id }) => [id, this.#known.get(id) ?? this.#valueOf(id)]));
    const knownValue = ({ id }: Member) => known.get(id) as string;
    this.#known = known;
    this.#values = new Map(members.map((member) => [member.endpoint, knownValue(member)]));
    this.#places = new Map(members.map((member) => [knownValue(member), member]));
    this.#unbound.take(members);
  }

  pick(x: Exchange, not: Endpoint | null): Endpoint | null {
    x.stickyCookie = '';
    const place = findCookie(x, this.#options.cookie, this.#placeOf);
    if (place !== undefined && place.endpoint !== not && this.#unbound.admits(place.slot))
      return place.endpoint;
    const endpoint = this.#unbound.pick(x, not);
    if (endpoint !== null && endpoint !== place?.endpoint) x.stickyCookie = this.#field(x, endpoint);
    return endpoint;
  }

  readonly #placeOf = (value: string): Place | undefined => this.#places.get(value);

  #field(x: Exchange, endpoint: Endpoint): string {
    const scheme = x.peerTrusted && x.forwardedProto !== '' ? x.forwardedProto : x.scheme;
    return `${this.#options.cookie}=${this.#values.get(endpoint)}${this.#attributes[scheme === 'https' ? 1 : 0]}`;
  }

  #valueOf(id: string): string {
    const hmac = createHmac('sha256', this.#options.secret);
    hmac.update(JSON.stringify(['sluice sticky', this.#service, id]));
    return hmac.digest().subarray(0, VALUE_BYTES).toString('base64url');
  }
}

function attributes({ cookie, ttl, path, sameSite }: StickyOptions, https: boolean): string {
  const age = ttl === 0 ? '' : `; Max-Age=${Math.ceil(ttl / 1000)}`;
  // Browsers take neither without it (RFC 6265bis §4.1.3, §5.7).
  const secure = https || sameSite === 'none' || /^__(host|secure)-/i.test(cookie);
  const site = `${sameSite.charAt(0).toUpperCase()}${sameSite.slice(1)}`;
  return `; Path=${path}${age}; HttpOnly${secure ? '; Secure' : ''}; SameSite=${site}`;
}
