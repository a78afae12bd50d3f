/** One service as the primary sees it: its breakers, the ejections of its endpoints, and what operators are shown. */
import type { ServiceConfig } from '../../config/schema/services/service.js';
import {
  type EndpointView,
  type PassiveView,
  type ProbeView,
  type Reason,
  type ServiceView,
  statusOf,
} from '../../observe/health/view.js';
import type { Log } from '../../observe/log.js';
import {
  BROKEN,
  DRAINED,
  EJECTED,
  type EndpointTable,
  UNAVAILABLE,
  UNHEALTHY,
} from '../../shared/endpoint-table.js';
import { Breaker, ENDPOINT_BREAKER_AT, SERVICE_BREAKER_AT } from '../../shared/health/breaker.js';
import { BY_SUCCESS_RATE, CAUSES, Ejection } from '../../shared/health/ejection.js';
import { mayBeOut, mostEjected } from '../../shared/health/room.js';
import type { Roster, RosterEntry } from '../../upstream/balance/roster.js';
import { type HealthOptions, healthOptions } from '../../upstream/health/options.js';
import { BreakerWatch } from './breaker-watch.js';
import { SuccessRates } from './success-rates.js';

const REASONS: readonly (readonly [bit: number, reason: Reason])[] = [
  [UNHEALTHY, 'unhealthy'],
  [EJECTED, 'ejected'],
  [BROKEN, 'circuit-open'],
  [DRAINED, 'drained'],
];

export interface ServiceWatchOptions {
  readonly table: EndpointTable;
  readonly log: Log;
  now(): number;
}

interface Watched {
  entry: RosterEntry;
  ejection: Ejection | null;
  breaker: BreakerWatch | null;
  /** As last told. */
  ejections: number;
  passive: PassiveView['state'];
}

/** Asked of an endpoint without passive health, whose state is to be cleared. */
const NO_PASSIVE = {
  consecutive5xx: 0,
  consecutiveErrors: 0,
  baseEjection: 1,
  maxEjection: 1,
  counted: false,
};

export class ServiceWatch {
  readonly #name: string;
  readonly #options: ServiceWatchOptions;
  /** By slot. */
  readonly #endpoints = new Map<number, Watched>();
  readonly #rates: SuccessRates;
  #health: HealthOptions = { breaker: null, passive: null };
  #breaker: BreakerWatch | null = null;
  #slots: readonly number[] = [];

  constructor(name: string, options: ServiceWatchOptions) {
    this.#name = name;
    this.#options = options;
    this.#rates = new SuccessRates(options.now);
  }

  get entries(): RosterEntry[] {
    return [...this.#endpoints.values()].map(({ entry }) => entry);
  }

  has(slot: number): boolean {
    return this.#endpoints.has(slot);
  }

  /** The endpoints, or what is asked of them, have changed. What was known of those that stay, stays. */
  follow(options: ServiceConfig, { slot, entries }: Roster): void {
    const { table } = this.#options;
    this.#health = healthOptions(options);
    this.#slots = entries.map((entry) => entry.slot);
    this.#breaker = this.#watchBreaker(
      this.#breaker,
      table.serviceAt(slot) + SERVICE_BREAKER_AT,
      this.#health.breaker?.ofService ?? false,
      { service: this.#name },
      () => this.#slots.reduce((sum, slot) => sum + table.inFlightAt(slot), 0),
      null,
    );
    const present = new Set(this.#slots);
    for (const slot of this.#endpoints.keys()) if (!present.has(slot)) this.#endpoints.delete(slot);
    for (const entry of entries) this.#followEndpoint(entry);
    if (options.health === null) for (const slot of this.#slots) table.mark(slot, UNHEALTHY, false);
  }

  /** What is due by time alone; tells what has changed. */
  tend(): void {
    this.#breaker?.tend();
    for (const watched of this.#endpoints.values()) {
      watched.breaker?.tend();
      if (watched.ejection === null) continue;
      watched.ejection.tend();
      this.#tellEjection(watched, watched.ejection);
    }
    this.#keepToBound();
    if (this.#health.passive?.successRate) this.#compare(this.#health.passive.successRate);
  }

  view(probeOf: (slot: number) => ProbeView | null): ServiceView {
    const endpoints = [...this.#endpoints.values()].map((watched) => this.#viewOf(watched, probeOf));
    const available = endpoints.filter(({ state }) => state === 'available').length;
    const breaker = this.#breaker?.view() ?? null;
    const status = statusOf(available, endpoints.length, breaker?.state ?? null);
    const judged =
      status === 'pass' && endpoints.some((one) => one.breaker && one.breaker.state !== 'closed');
    return { name: this.#name, status: judged ? 'warn' : status, available, breaker, endpoints };
  }

  #followEndpoint(entry: RosterEntry): void {
    const { table, now } = this.#options;
    const { passive, breaker } = this.#health;
    const { slot } = entry;
    const known = this.#endpoints.get(slot);
    const most = mostEjected(this.#slots.length, passive?.maxEjected ?? 0);
    const mayEject = (slot: number) => mayBeOut(table, this.#slots, slot, most);
    const ejection = new Ejection(table, slot, passive ?? NO_PASSIVE, now, mayEject);
    if (passive === null) ejection.reset();
    this.#endpoints.set(slot, {
      entry,
      ejection: passive === null ? null : ejection,
      breaker: this.#watchBreaker(
        known?.breaker ?? null,
        table.endpointAt(slot) + ENDPOINT_BREAKER_AT,
        breaker?.ofEndpoint ?? false,
        { service: this.#name, endpoint: entry.id },
        () => table.inFlightAt(slot),
        (blocked) => void table.mark(slot, BROKEN, blocked),
      ),
      ejections: known?.ejections ?? ejection.ejections,
      passive: known?.passive ?? ejection.view,
    });
  }

  /** null, and all that a former one has left is gone: none is wanted. */
  #watchBreaker(
    known: BreakerWatch | null,
    first: number,
    wanted: boolean,
    whose: Record<string, unknown>,
    inFlight: () => number,
    onBlocked: ((blocked: boolean) => void) | null,
  ): BreakerWatch | null {
    const { table, log, now } = this.#options;
    const options = this.#health.breaker;
    if (!wanted || options === null) {
      Breaker.reset(table.words, first);
      onBlocked?.(false);
      return null;
    }
    const breaker = new Breaker(table.words, first, options, now, inFlight, onBlocked);
    if (known === null) return new BreakerWatch(breaker, log, whose);
    known.replace(breaker);
    return known;
  }

  #tellEjection(watched: Watched, ejection: Ejection): void {
    const { log } = this.#options;
    const whose = { service: this.#name, endpoint: watched.entry.id };
    const { ejections, view } = ejection;
    if (ejections !== watched.ejections) {
      const forMs = Math.round(ejection.remaining());
      log.warn({ ...whose, cause: CAUSES[ejection.cause], forMs }, 'endpoint ejected');
    }
    // The trial may be over before it is looked at.
    if (watched.passive === 'ejected' && view !== 'ejected') log.info(whose, 'endpoint back on trial');
    if (view !== watched.passive && view === 'trusted') log.info(whose, 'endpoint trusted again');
    watched.ejections = ejections;
    watched.passive = view;
  }

  /** Endpoints may have left the roster since, or a worker was killed before it looked once more. */
  #keepToBound(): void {
    const { passive } = this.#health;
    if (passive === null) return;
    const out: Watched[] = [];
    for (const watched of this.#endpoints.values()) if (watched.passive === 'ejected') out.push(watched);
    if (out.length === 0) return;
    const most = mostEjected(this.#slots.length, passive.maxEjected);
    if (out.length <= most) return;
    out.sort((a, b) => (a.ejection?.remaining() ?? 0) - (b.ejection?.remaining() ?? 0));
    for (const { ejection } of out.slice(0, out.length - most)) ejection?.release();
  }

  #compare(options: NonNullable<NonNullable<HealthOptions['passive']>['successRate']>): void {
    const counted = [...this.#endpoints].flatMap(([slot, { ejection }]) =>
      ejection === null ? [] : [{ slot, ...ejection.counts }],
    );
    for (const slot of this.#rates.outliers(counted, options))
      this.#endpoints.get(slot)?.ejection?.eject(BY_SUCCESS_RATE);
  }

  #viewOf({ entry, ejection, breaker }: Watched, probeOf: (slot: number) => ProbeView | null): EndpointView {
    const { table } = this.#options;
    const { id, url, slot, weight, zone, priority, version } = entry;
    const bits = Atomics.load(table.words, table.endpointAt(slot) + UNAVAILABLE);
    return {
      id,
      url,
      state: bits === 0 ? 'available' : 'unavailable',
      reasons: REASONS.flatMap(([bit, reason]) => ((bits & bit) === 0 ? [] : [reason])),
      weight,
      zone,
      priority,
      ...(version !== undefined && { version }),
      inFlight: table.inFlightAt(slot),
      latencyMs: ejection === null || ejection.latencyMs === 0 ? null : ejection.latencyMs,
      probe: probeOf(slot),
      passive: ejection && {
        state: ejection.view,
        ejections: ejection.ejections,
        cause: ejection.ejections === 0 ? null : (CAUSES[ejection.cause] ?? null),
        returnsInMs: Math.round(ejection.remaining()),
      },
      breaker: breaker?.view() ?? null,
    };
  }
}
