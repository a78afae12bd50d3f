/**
 * Which endpoints each service has at the moment, and where their shared state lies. Those in the file are read from the
 * configuration; all others come from a source of discovery by `set`.
 */
import type { Config } from '../../config/schema.js';
import type { Log } from '../../observe/log.js';
import { type EndpointTable, MOST_ENDPOINTS, MOST_SERVICES } from '../../shared/endpoint-table.js';
import type { Discovered, Roster, RosterEntry } from '../../upstream/balance/roster.js';
import { Slots } from './slots.js';

export interface RostersOptions {
  readonly table: EndpointTable;
  readonly log: Log;
  /** Workers, and whoever watches endpoints, must know. */
  onChange(roster: Roster): void;
}

const NOBODY: readonly Discovered[] = Object.freeze([]);

export class Rosters {
  readonly #options: RostersOptions;
  readonly #services: Slots;
  readonly #endpoints: Slots;
  /** What sources have said, by service. */
  readonly #discovered = new Map<string, readonly Discovered[]>();
  /** Services that had endpoints before: what they get now joins them. */
  readonly #peopled = new Set<string>();
  #config: Config | null = null;
  #version = 0;
  #told = false;

  constructor(options: RostersOptions) {
    this.#options = options;
    const { table } = options;
    this.#services = new Slots(MOST_SERVICES, {
      isIdle: () => true,
      clear: (slot) => table.clearService(slot),
    });
    this.#endpoints = new Slots(MOST_ENDPOINTS, {
      isIdle: (slot) => table.inFlightAt(slot) === 0,
      clear: (slot) => table.clearEndpoint(slot),
    });
  }

  /** Of all services of a configuration, in force or about to be. Whoever gets them later finds a higher version. */
  of(config: Config): Roster[] {
    this.#version++;
    return Object.keys(config.services).flatMap((name) => this.#roster(config, name) ?? []);
  }

  /** This configuration is in force: what only another one has named is forgotten. */
  adopt(config: Config): void {
    this.#config = config;
    for (const name of this.#discovered.keys()) {
      if (!(name in config.services)) this.#discovered.delete(name);
    }
    for (const name of this.#peopled) {
      if (!(name in config.services)) this.#peopled.delete(name);
    }
    this.#retain(config);
  }

  /** From a source of discovery: the whole list of a service. */
  set(service: string, endpoints: readonly Discovered[]): void {
    this.#discovered.set(service, endpoints);
    const config = this.#config;
    if (config === null || !(service in config.services)) return;
    this.#version++;
    const roster = this.#roster(config, service);
    if (roster !== null) this.#options.onChange(roster);
    this.#retain(config);
  }

  /** In force. */
  services(): string[] {
    return Object.keys(this.#config?.services ?? {});
  }

  /** Those of a service in force; null: there is no such service. */
  entriesOf(service: string): readonly RosterEntry[] | null {
    const config = this.#config;
    if (config === null || !Object.hasOwn(config.services, service)) return null;
    return this.#known(config, service).flatMap((endpoint) => {
      const slot = this.#endpoints.slotOf(keyOf(service, endpoint));
      return slot === null ? [] : [{ ...endpoint, slot }];
    });
  }

  #known(config: Config, service: string): readonly Discovered[] {
    return [...fileEndpoints(config, service), ...(this.#discovered.get(service) ?? NOBODY)];
  }

  #roster(config: Config, service: string): Roster | null {
    const slot = this.#services.take(service);
    if (slot === null) return this.#noRoom(service);
    const joins = this.#peopled.has(service);
    const entries: RosterEntry[] = [];
    for (const endpoint of this.#known(config, service)) {
      const key = keyOf(service, endpoint);
      const isNew = this.#endpoints.slotOf(key) === null;
      const at = this.#endpoints.take(key);
      if (at === null) {
        this.#noRoom(service);
        continue;
      }
      if (isNew && joins) this.#options.table.startSlowly(at);
      entries.push({ ...endpoint, slot: at });
    }
    if (entries.length > 0) this.#peopled.add(service);
    return { service, version: this.#version, slot, entries };
  }

  #retain(config: Config): void {
    const names = Object.keys(config.services);
    this.#services.retain(new Set(names));
    const keys = names.flatMap((name) => this.#known(config, name).map((endpoint) => keyOf(name, endpoint)));
    this.#endpoints.retain(new Set(keys));
  }

  #noRoom(service: string): null {
    if (!this.#told) {
      this.#options.log.error(
        { service, endpoints: MOST_ENDPOINTS, services: MOST_SERVICES },
        'too many endpoints: those beyond are left out',
      );
    }
    this.#told = true;
    return null;
  }
}

function keyOf(service: string, { id, url }: Discovered): string {
  return `${service}\n${id}\n${url}`;
}

function fileEndpoints({ services }: Config, name: string): Discovered[] {
  return (services[name]?.endpoints ?? []).map(({ url, weight, zone = '', priority = 0 }) => ({
    id: url,
    url,
    weight,
    zone,
    priority,
  }));
}
