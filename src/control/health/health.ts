/**
 * The primary's part in health: probes, what is due by time alone, what killed workers left half done, and the telling: each
 * change is one line for the whole machine.
 */
import type { Config } from '../../config/schema.js';
import type { ServiceView } from '../../observe/health/view.js';
import type { Log } from '../../observe/log.js';
import type { EndpointTable } from '../../shared/endpoint-table.js';
import { UNHEALTHY } from '../../shared/endpoint-table.js';
import { machineNow } from '../../shared/health/machine-time.js';
import type { Roster } from '../../upstream/balance/roster.js';
import type { Prober, Target } from './prober.js';
import { ServiceWatch } from './service-watch.js';

export interface HealthControlOptions {
  readonly table: EndpointTable;
  readonly log: Log;
  /** Milliseconds since the machine's start. */
  readonly now?: () => number;
}

/** A breaker's time may be up this much earlier than anybody looks, when no request does. */
const TEND_EVERY_MS = 100;

export class HealthControl {
  readonly #options: HealthControlOptions;
  readonly #now: () => number;
  /** By service. */
  readonly #watches = new Map<string, ServiceWatch>();
  /** Endpoints that began as unhealthy, so that they do so once. */
  readonly #begun = new Set<string>();
  #config: Config | null = null;
  #prober: Prober | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HealthControlOptions) {
    this.#options = options;
    this.#now = options.now ?? machineNow;
  }

  /** Before workers know the endpoints of a configuration. */
  async follow(config: Config, rosters: readonly Roster[]): Promise<void> {
    if (this.#prober === null && Object.values(config.services).some(({ health }) => health !== null)) {
      const { Prober } = await import('./prober.js');
      this.#prober = new Prober(this.#options.table, this.#options.log);
    }
    for (const roster of rosters) this.#begin(config, roster);
  }

  /** It is in force. */
  adopt(config: Config, rosters: readonly Roster[]): void {
    this.#config = config;
    for (const name of this.#watches.keys()) if (!(name in config.services)) this.#watches.delete(name);
    for (const roster of rosters) this.#watch(config, roster);
    this.#probeAll();
    if (this.#timer !== undefined || this.#watches.size === 0) return;
    this.#timer = setInterval(() => this.tend(), TEND_EVERY_MS);
    this.#timer.unref();
  }

  /** The endpoints of a service have changed; workers are about to be told. */
  takeRoster(roster: Roster): void {
    const config = this.#config;
    if (config === null || !(roster.service in config.services)) return;
    this.#begin(config, roster);
    this.#watch(config, roster);
    this.#probeAll();
  }

  views(): ServiceView[] {
    return [...this.#watches.values()].map((watch) =>
      watch.view((slot) => this.#prober?.viewOf(slot) ?? null),
    );
  }

  tend(): void {
    for (const watch of this.#watches.values()) watch.tend();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#prober?.close();
  }

  /** Endpoints that must pass a probe before they are chosen. */
  #begin({ services }: Config, { service, entries }: Roster): void {
    if (services[service]?.health?.initial !== 'unhealthy') return;
    for (const { id, url, slot } of entries) {
      const key = keyOf({ service, id, url, slot });
      if (this.#begun.has(key)) continue;
      this.#begun.add(key);
      if (this.#watches.get(service)?.has(slot)) continue;
      this.#options.table.mark(slot, UNHEALTHY, true);
    }
  }

  #watch(config: Config, roster: Roster): void {
    const { table, log } = this.#options;
    const options = config.services[roster.service];
    if (options === undefined) return;
    let watch = this.#watches.get(roster.service);
    if (watch === undefined) {
      watch = new ServiceWatch(roster.service, { table, log, now: this.#now });
      this.#watches.set(roster.service, watch);
    }
    watch.follow(options, roster);
  }

  #probeAll(): void {
    if (this.#prober === null || this.#config === null) return;
    const { services } = this.#config;
    const targets: Target[] = [];
    for (const [service, watch] of this.#watches) {
      const options = services[service];
      if (options === undefined || options.health === null) continue;
      for (const { id, url, slot } of watch.entries) {
        targets.push({ service, id, url, slot, health: options.health, tls: options.tls });
      }
    }
    this.#prober.set(targets);
    if (this.#begun.size === 0) return;
    const keys = new Set(targets.map(keyOf));
    for (const key of this.#begun) if (!keys.has(key)) this.#begun.delete(key);
  }
}

function keyOf({ service, id, url, slot }: Pick<Target, 'service' | 'id' | 'url' | 'slot'>): string {
  return `${service}\n${id}\n${url}\n${slot}`;
}
