/** What a worker makes of breakers and passive health of one service: a guard for each endpoint, and one for all. */
import type { Failure } from '../../errors.js';
import * as failures from '../../errors.js';
import type { Exchange } from '../../exchange.js';
import type { BreakerStateName } from '../../observe/health/view.js';
import { BROKEN, EJECTED, type EndpointTable, UNAVAILABLE } from '../../shared/endpoint-table.js';
import {
  Breaker,
  ENDPOINT_BREAKER_AT,
  SERVICE_BREAKER_AT,
  STATE_NAMES,
} from '../../shared/health/breaker.js';
import { Ejection } from '../../shared/health/ejection.js';
import { mayBeOut, mostEjected } from '../../shared/health/room.js';
import { uptimeMs } from '../../shared/uptime.js';
import type { Roster } from '../balance/roster.js';
import type { Endpoint } from '../endpoint.js';
import { Guard, type Verdicts } from './guard.js';
import type { HealthOptions } from './options.js';

/** When nobody may be chosen, each request asks for it. */
const TEND_EVERY_MS = 2;

export class ServiceHealth {
  readonly #table: EndpointTable;
  readonly #options: HealthOptions;
  readonly #verdicts: Verdicts;
  readonly #now: () => number;
  #breaker: Breaker | null = null;
  #guards: readonly Guard[] = [];
  #slots: readonly number[] = [];
  #endpoints: readonly Endpoint[] = [];
  #turn = 0;
  #tendedAt = 0;

  constructor(table: EndpointTable, options: HealthOptions, now: () => number = uptimeMs) {
    this.#table = table;
    this.#options = options;
    this.#now = now;
    const statuses = new Uint8Array(1000);
    for (const status of options.breaker?.statuses ?? []) statuses[status] = 1;
    this.#verdicts = { statuses, slowCallMs: options.breaker?.slowCallMs ?? Number.POSITIVE_INFINITY };
  }

  /** `endpoints` in the order of the roster. */
  take({ slot, entries }: Roster, endpoints: readonly Endpoint[]): void {
    const { breaker, passive } = this.#options;
    const { words } = this.#table;
    this.#slots = entries.map((entry) => entry.slot);
    this.#endpoints = endpoints;
    this.#breaker = breaker?.ofService
      ? new Breaker(words, this.#table.serviceAt(slot) + SERVICE_BREAKER_AT, breaker, this.#now, () =>
          this.#inFlight(),
        )
      : null;
    const most = mostEjected(entries.length, passive?.maxEjected ?? 0);
    const mayEject = (slot: number) => mayBeOut(this.#table, this.#slots, slot, most);
    this.#guards = entries.map((entry, i) => {
      const ejection =
        passive === null ? null : new Ejection(this.#table, entry.slot, passive, this.#now, mayEject);
      const guard = new Guard(ejection, this.#breakerAt(entry.slot), this.#breaker, this.#verdicts);
      (endpoints[i] as Endpoint).guard = guard;
      return guard;
    });
  }

  /** Whether attempts may be made at all. */
  admits(): boolean {
    return this.#breaker === null || this.#breaker.admits();
  }

  get state(): BreakerStateName | null {
    return this.#breaker === null ? null : STATE_NAMES[this.#breaker.state];
  }

  /** Lets whose time has come back in: the primary does so too, but may be late. */
  tend(): void {
    const now = this.#now();
    if (now - this.#tendedAt < TEND_EVERY_MS) return;
    this.#tendedAt = now;
    for (const guard of this.#guards) guard.tend();
  }

  /** One that is out for nothing but requests that have failed there: better than none. They take turns. */
  lastResort(not: Endpoint | null): Endpoint | null {
    const { length } = this.#endpoints;
    const from = this.#turn++;
    for (let i = 0; i < length; i++) {
      const at = (from + i) % length;
      const endpoint = this.#endpoints[at] as Endpoint;
      if (endpoint !== not && this.#table.reasons(this.#slots[at] as number) === EJECTED) return endpoint;
    }
    return null;
  }

  /** Why there is no endpoint to be had. */
  refusal(x: Exchange): Failure {
    const ms = this.#brokenMs();
    if (ms < 0) return failures.NO_ENDPOINT;
    x.retryAfterS = Math.max(1, Math.ceil(ms / 1000));
    return failures.CIRCUIT_OPEN;
  }

  /** Milliseconds until a breaker lets something through again; -1: it is not for breakers. */
  #brokenMs(): number {
    if (this.#breaker !== null && !this.#breaker.admits()) return this.#breaker.remaining();
    let least = -1;
    for (const [i, guard] of this.#guards.entries()) {
      const reasons = Atomics.load(
        this.#table.words,
        this.#table.endpointAt(this.#slots[i] as number) + UNAVAILABLE,
      );
      if (reasons !== BROKEN || guard.breaker === null) continue;
      const ms = guard.breaker.remaining();
      if (least < 0 || ms < least) least = ms;
    }
    return least;
  }

  #inFlight(): number {
    let sum = 0;
    for (const slot of this.#slots) sum += this.#table.inFlightAt(slot);
    return sum;
  }

  #breakerAt(slot: number): Breaker | null {
    const { breaker } = this.#options;
    if (!breaker?.ofEndpoint) return null;
    const onBlocked = (blocked: boolean) => void this.#table.mark(slot, BROKEN, blocked);
    return new Breaker(
      this.#table.words,
      this.#table.endpointAt(slot) + ENDPOINT_BREAKER_AT,
      breaker,
      this.#now,
      () => this.#table.inFlightAt(slot),
      onBlocked,
    );
  }
}
