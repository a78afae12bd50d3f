/** The parts of the control plane: what the primary tells each of them, and what they need of each other. */

import type { ChannelCalls } from '../bus/channel-calls.js';
import type { WorkerReport } from '../bus/report.js';
import type { PrimaryHandlers, Supplies } from '../bus.js';
import type { Config } from '../config/schema.js';
import type { Lines, Log } from '../observe/log.js';
import type { KeySet } from '../services/primary-answers.js';
import type { Roster } from '../upstream/balance/roster.js';
import { AccessControl } from './access.js';
import { ChannelControl } from './channels/channel-control.js';
import { PresenceControl } from './channels/presence/presence-control.js';
import { DiscoveryControl } from './discovery/discovery.js';
import { EndpointControl } from './endpoints/endpoints.js';
import { IdempotencyControl } from './idempotency/idempotency.js';
import { LimitControl } from './limits.js';

export interface Department {
  /** Before workers get a configuration: what they will ask for is there. Rejects with an Error for people. */
  follow?(config: Config): Promise<void>;
  /** A configuration is in force. */
  adopted?(config: Config): void;
  /** A worker has died, and is about to be replaced. */
  workerGone?(id: number): void;
  reported?(report: WorkerReport): void;
  /** The gateway leaves. */
  close(): void | Promise<void>;
}

export interface DepartmentsOptions {
  readonly config: Config;
  readonly workers: number;
  readonly log: Log;
  readonly lines: Lines;
  /** What workers must know. */
  onKeys(set: KeySet): void;
  onRoster(roster: Roster): void;
  callWorker<Name extends keyof ChannelCalls>(
    id: number,
    name: Name,
    argument: ChannelCalls[Name][0],
  ): Promise<ChannelCalls[Name][1]>;
}

export class Departments {
  readonly access: AccessControl;
  readonly limits: LimitControl;
  readonly idempotency: IdempotencyControl;
  readonly endpoints: EndpointControl;
  readonly discovery: DiscoveryControl;
  readonly channels: ChannelControl;
  readonly presence: PresenceControl;
  readonly #all: readonly Department[];

  constructor({ config, workers, log, lines, onKeys, onRoster, callWorker }: DepartmentsOptions) {
    this.access = new AccessControl({ config, log, lines, onKeys });
    this.limits = new LimitControl({ workers, log });
    this.idempotency = new IdempotencyControl({ log });
    this.endpoints = new EndpointControl({ workers, log, onRoster });
    const { rosters } = this.endpoints;
    this.discovery = new DiscoveryControl({
      log,
      publish: (service, endpoints) => rosters.set(service, endpoints),
    });
    this.channels = new ChannelControl({ workers, log, call: callWorker });
    this.presence = new PresenceControl({ log, call: callWorker });
    const { access, limits, idempotency, endpoints, discovery, channels, presence } = this;
    this.#all = [access, limits, idempotency, endpoints, discovery, channels, presence];
  }

  /** Answers what workers ask. */
  get handlers(): PrimaryHandlers {
    const { access, idempotency, channels, presence } = this;
    return { ...access.handlers, ...idempotency.handlers, ...channels.handlers, ...presence.handlers };
  }

  /** What workers get with a configuration. */
  supplies = (config: Config): Supplies => {
    const { memory, rosters } = this.endpoints.news(config);
    return { limits: this.limits.path(), endpoints: memory, rosters };
  };

  async follow(config: Config): Promise<void> {
    for (const department of this.#all) await department.follow?.(config);
  }

  adopted(config: Config): void {
    for (const department of this.#all) department.adopted?.(config);
  }

  workerGone = (id: number): void => {
    for (const department of this.#all) department.workerGone?.(id);
  };

  reported = (report: WorkerReport): void => {
    for (const department of this.#all) department.reported?.(report);
  };

  async close(): Promise<void> {
    for (const department of this.#all) await department.close();
  }
}
