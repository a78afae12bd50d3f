/** A named service: its endpoints at the moment, and which of them is next. */
import type { Exchange } from '../exchange.js';
import type { Balancer, Member } from './balance/balancer.js';
import type { Roster, RosterEntry } from './balance/roster.js';
import type { Endpoint } from './endpoint.js';
import type { Resilience } from './retry/resilience.js';

export interface Timeouts {
  /** Milliseconds for a free connection, the TCP and the TLS handshake together. */
  readonly connect: number;
  /** From the end of the request to the head of the answer. */
  readonly firstByte: number;
  /** Without a byte in either direction, once the request or the answer has begun. */
  readonly idle: number;
  /** The whole exchange with the service, all attempts together. 0: none. */
  readonly total: number;
}

/** What a service is made with, and made anew with when its endpoints change. */
export interface ServiceParts {
  readonly timeouts: Timeouts;
  /** This worker's connections to an endpoint: the same ones for the same entry. */
  open(entry: RosterEntry): Endpoint;
  balancer(members: readonly Member[]): Balancer;
  readonly resilience: Resilience | null;
}

export class Service {
  readonly name: string;
  readonly timeouts: Timeouts;
  /** null: nothing is configured for when it fails or is slow. */
  readonly resilience: Resilience | null;
  /** Those of the present roster, available or not. */
  endpoints: readonly Endpoint[] = [];
  readonly #parts: ServiceParts;
  #balancer: Balancer | null = null;
  #version = -1;

  constructor(name: string, parts: ServiceParts) {
    this.name = name;
    this.timeouts = parts.timeouts;
    this.resilience = parts.resilience;
    this.#parts = parts;
  }

  /** Its endpoints have changed. News that are older than what is known change nothing. */
  take({ version, entries }: Roster): void {
    if (version <= this.#version) return;
    this.#version = version;
    const members = entries.map((entry) => ({ endpoint: this.#parts.open(entry), ...entry }));
    this.endpoints = members.map(({ endpoint }) => endpoint);
    this.#balancer = members.length === 0 ? null : this.#parts.balancer(members);
  }

  /** The endpoint of the next attempt; `not` failed just now: another one if there is any. null: none may be chosen. */
  pick(x: Exchange, not: Endpoint | null): Endpoint | null {
    return this.#balancer === null ? null : this.#balancer.pick(x, not);
  }
}
