/** The primary's part in balancing: which endpoints there are, and the memory that all processes know them by. */
import type { Config } from '../../config/schema.js';
import type { EndpointFacts } from '../../observe/family.js';
import type { Log } from '../../observe/log.js';
import { EndpointTable, endpointTableBytes } from '../../shared/endpoint-table.js';
import { createInProcess, createSegment, type Segment } from '../../shared/segment.js';
import type { Roster } from '../../upstream/balance/roster.js';
import type { Department } from '../departments.js';
import { HealthControl } from '../health/health.js';
import { type DrainAnswer, drainEndpoint } from './drain.js';
import { Rosters } from './rosters.js';

export interface EndpointControlOptions {
  readonly workers: number;
  readonly log: Log;
  /** Workers must know. */
  onRoster(roster: Roster): void;
}

/** What workers are told of endpoints, with each configuration. */
export interface EndpointNews {
  /** The endpoint table, for `openSegment`; null: it cannot be shared. */
  readonly memory: string | null;
  readonly rosters: readonly Roster[];
}

export class EndpointControl implements Department {
  readonly table: EndpointTable;
  readonly rosters: Rosters;
  readonly #segment: Segment;
  readonly #health: HealthControl;

  constructor({ workers, log, onRoster }: EndpointControlOptions) {
    const layout = { endpoints: endpointTableBytes(workers) };
    // A lone worker lives in this process.
    this.#segment = workers === 1 ? createInProcess(layout) : createSegment(layout);
    if (this.#segment.path === null) {
      log.warn(
        { reason: this.#segment.reason },
        'memory cannot be shared: each worker judges endpoints by itself, and probes reach none',
      );
    }
    this.table = new EndpointTable(this.#segment.region('endpoints'), 0);
    this.#health = new HealthControl({ table: this.table, log });
    this.rosters = new Rosters({
      table: this.table,
      log,
      onChange: (roster) => {
        this.#health.takeRoster(roster);
        onRoster(roster);
      },
    });
  }

  /** As operators see them. */
  services = () => this.#health.views();

  news = (config: Config): EndpointNews => ({
    memory: this.#segment.path,
    rosters: this.rosters.of(config),
  });

  async follow(config: Config): Promise<void> {
    await this.#health.follow(config, this.rosters.of(config));
  }

  /** A configuration is in force. */
  adopted(config: Config): void {
    this.rosters.adopt(config);
    this.#health.adopt(config, this.rosters.of(config));
  }

  workerGone(id: number): void {
    this.table.releaseWorker(id);
  }

  /** Workers know at once. null: they would not, because memory is not shared. */
  drain(service: string, id: string, drained: boolean): DrainAnswer | null {
    if (this.#segment.path === null) return null;
    return drainEndpoint(this.rosters, this.table, service, id, drained);
  }

  /** None where memory is not shared. */
  *facts(): Iterable<EndpointFacts> {
    if (this.#segment.path === null) return;
    for (const service of this.rosters.services()) {
      // Two sources may give the same id to different addresses: one series stands for both.
      const slots = new Map<string, number[]>();
      for (const { id, slot } of this.rosters.entriesOf(service) ?? []) {
        slots.set(id, [...(slots.get(id) ?? []), slot]);
      }
      for (const [endpoint, of] of slots) {
        const sent = of.reduce((sum, slot) => sum + this.table.sentTo(slot), 0);
        const inFlight = of.reduce((sum, slot) => sum + this.table.inFlightAt(slot), 0);
        yield { service, endpoint, sent, inFlight };
      }
    }
  }

  close(): void {
    this.#health.close();
    this.#segment.close();
  }
}
