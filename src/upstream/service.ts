/** A named service: its endpoints at the moment, and which of them is next. */
import type { Failure } from '../errors.js';
import { NO_ENDPOINT } from '../errors.js';
import type { Exchange } from '../exchange.js';
import type { BreakerStateName } from '../observe/health/view.js';
import type { Balancer, Member } from './balance/balancer.js';
import type { Roster, RosterEntry } from './balance/roster.js';
import type { Endpoint } from './endpoint.js';
import type { ServiceHealth } from './health/service-health.js';
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

/** What a service is made with. */
export interface ServiceParts {
  readonly timeouts: Timeouts;
  /** This worker's connections to an endpoint: the same ones for the same entry. */
  open(entry: RosterEntry): Endpoint;
  readonly balancer: Balancer;
  /** null: no breaker and no passive health. */
  readonly health: ServiceHealth | null;
  readonly resilience: Resilience | null;
}

/** For one that takes a request rather than an endpoint that has only just come back. */
const MOST_LOOKS = 3;

export class Service {
  readonly name: string;
  readonly timeouts: Timeouts;
  /** null: nothing is configured for when it fails or is slow. */
  readonly resilience: Resilience | null;
  /** Those of the present roster, available or not. */
  endpoints: readonly Endpoint[] = [];
  readonly #parts: ServiceParts;
  readonly #health: ServiceHealth | null;
  #members: readonly Member[] = [];
  #turn = 0;
  #version = -1;

  constructor(name: string, parts: ServiceParts) {
    this.name = name;
    this.timeouts = parts.timeouts;
    this.resilience = parts.resilience;
    this.#parts = parts;
    this.#health = parts.health;
  }

  /** Its endpoints have changed. News that are older than what is known change nothing. */
  take(roster: Roster): void {
    const { version, entries } = roster;
    if (version <= this.#version) return;
    this.#version = version;
    const members = entries.map((entry) => ({ endpoint: this.#parts.open(entry), ...entry }));
    this.#members = members;
    this.endpoints = members.map(({ endpoint }) => endpoint);
    // An earlier configuration may have left one with an endpoint.
    if (this.#health === null) for (const endpoint of this.endpoints) endpoint.guard = null;
    else this.#health.take(roster, this.endpoints);
    this.#parts.balancer.take(members);
  }

  /** The endpoint of the next attempt; `not` failed just now: another one if there is any. null: none may be chosen. */
  pick(x: Exchange, not: Endpoint | null): Endpoint | null {
    const { balancer } = this.#parts;
    const health = this.#health;
    if (health === null) return balancer.pick(x, not);
    if (!health.admits()) return null;
    const endpoint = balancer.pick(x, not) ?? this.#lookAgain(balancer, x, not);
    return endpoint?.guard?.hesitates() ? this.#another(balancer, x, endpoint, not) : endpoint;
  }

  /** As `pick`, but rather one of another group or zone than `not` again; if that could not even be reached, rather one that was put out. */
  pickOther(x: Exchange, not: Endpoint, unreachable: boolean): Endpoint | null {
    const endpoint = this.pick(x, not);
    if (endpoint !== not) return endpoint;
    const other = this.#elsewhere(x, not);
    return other ?? (unreachable ? this.#lastResort(x, not) : null) ?? endpoint;
  }

  /** Its circuit breaker refuses, so nothing is worth waiting for. */
  get isShut(): boolean {
    return this.#health !== null && !this.#health.admits();
  }

  /** State of its circuit breaker; null: it has none. */
  get breaker(): BreakerStateName | null {
    return this.#health === null ? null : this.#health.state;
  }

  /** Why `pick` gave none. */
  refusal(x: Exchange): Failure {
    return this.#health === null ? NO_ENDPOINT : this.#health.refusal(x);
  }

  /** The time of some may have come that nobody has looked at. */
  #lookAgain(balancer: Balancer, x: Exchange, not: Endpoint | null): Endpoint | null {
    this.#health?.tend();
    return balancer.pick(x, not) ?? this.#lastResort(x, not);
  }

  /** Of those that the balancer holds back, the first group. They take turns. */
  #elsewhere(x: Exchange, not: Endpoint): Endpoint | null {
    const others = this.#members.filter(({ endpoint }) => endpoint !== not && endpoint.available);
    if (others.length === 0) return null;
    const first = Math.min(...others.map(({ priority }) => priority));
    const group = others.filter(({ priority }) => priority === first);
    x.stickyCookie = '';
    return (group[this.#turn++ % group.length] as Member).endpoint;
  }

  #lastResort(x: Exchange, not: Endpoint | null): Endpoint | null {
    const endpoint = this.#health?.lastResort(not) ?? null;
    if (endpoint !== null) x.stickyCookie = '';
    return endpoint;
  }

  /** One that has only just come back takes what the others cannot. */
  #another(balancer: Balancer, x: Exchange, hesitant: Endpoint, not: Endpoint | null): Endpoint {
    const { stickyCookie } = x;
    for (let i = 0; i < MOST_LOOKS; i++) {
      const other = balancer.pick(x, hesitant);
      if (other === null || other === hesitant) break;
      if (other !== not && !other.guard?.hesitates()) return other;
    }
    x.stickyCookie = stickyCookie;
    return hesitant;
  }
}
