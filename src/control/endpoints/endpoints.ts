/** The primary's part in balancing: which endpoints there are, and the memory that all processes know them by. */
import type { Config } from '../../config/schema.js';
import type { Log } from '../../observe/log.js';
import { EndpointTable, endpointTableBytes } from '../../shared/endpoint-table.js';
import { createInProcess, createSegment, type Segment } from '../../shared/segment.js';
import type { Roster } from '../../upstream/balance/roster.js';
import type { Department } from '../department.js';
import { HealthControl } from '../health/health.js';
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

  close(): void {
    this.#health.close();
    this.#segment.close();
  }
}
