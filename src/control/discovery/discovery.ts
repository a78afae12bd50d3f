/** The primary's part in finding endpoints that are not in the file. What the configuration does not use is not loaded. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisPlace } from '../../config/schema/redis.js';
import type { Config } from '../../config/schema.js';
import type { Log } from '../../observe/log.js';
import type { Department } from '../departments.js';
import type { DnsSource } from './dns-source.js';
import type { RegistryWatch } from './registry-watch.js';
import type { Publish, SourceFacts, SourceOptions } from './source.js';

/** A gateway begins without the endpoints of a source that takes longer: they come when they come. */
const FIRST_LOOK_MS = 2000;

export interface DiscoveryControlOptions {
  readonly log: Log;
  readonly publish: Publish;
}

type Services = Config['services'];

export class DiscoveryControl implements Department {
  readonly #options: SourceOptions;
  readonly #dns = new Map<string, { readonly key: string; readonly source: DnsSource }>();
  #registry: { readonly redis: RedisPlace | null; readonly watch: RegistryWatch } | null = null;
  /** Services that a source has spoken of. */
  readonly #spoken = new Set<string>();
  /** Services from the environment, as they were said last. */
  #fromEnvironment = new Map<string, string>();
  #inForce: Config | null = null;

  constructor({ log, publish }: DiscoveryControlOptions) {
    this.#options = {
      log,
      now: () => performance.now(),
      publish: (service, endpoints) => {
        this.#spoken.add(service);
        publish(service, endpoints);
      },
    };
  }

  /** Resolves when the sources have been asked once, or take too long. What is no longer wanted goes when it is not in force. */
  async follow(config: Config): Promise<void> {
    const firstLooks = await Promise.all([this.#followRegistry(config), this.#followDns(config)]);
    const looks = firstLooks.flat();
    if (looks.length > 0)
      await Promise.race([Promise.all(looks), sleep(FIRST_LOOK_MS, undefined, { ref: false })]);
  }

  adopted(config: Config): void {
    this.#inForce = config;
    for (const [service, { source }] of this.#dns) {
      if (config.services[service]?.discover?.type === 'dns') continue;
      source.close();
      this.#dns.delete(service);
    }
    if (this.#registry !== null && registered(config.services).size === 0) {
      this.#registry.watch.close();
      this.#registry = null;
    }
    for (const service of this.#spoken) {
      const type = config.services[service]?.discover?.type;
      if (type === 'dns' || type === 'registry') continue;
      this.#options.publish(service, []);
      this.#spoken.delete(service);
    }
    this.#sayEnvironment(config.services);
  }

  /** null: no service takes its endpoints from it. */
  registry = (): RegistryWatch | null => this.#registry?.watch ?? null;

  facts = (): SourceFacts[] => [
    ...Object.entries(this.#inForce?.services ?? {}).flatMap(([service, { discover, endpoints }]) =>
      discover?.type === 'env'
        ? [{ service, source: 'env' as const, endpoints: endpoints.length, ...NOTHING_TO_ASK }]
        : [],
    ),
    ...[...this.#dns.values()].map(({ source }) => source.facts()),
    ...(this.#registry?.watch.facts() ?? []),
  ];

  close(): void {
    this.#registry?.watch.close();
    for (const { source } of this.#dns.values()) source.close();
    this.#dns.clear();
  }

  async #followRegistry({ services, registry, redis }: Config): Promise<Promise<void>[]> {
    const wanted = registered(services);
    if (wanted.size === 0) return [];
    if (this.#registry !== null && JSON.stringify(this.#registry.redis) !== JSON.stringify(redis)) {
      this.#registry.watch.close();
      this.#registry = null;
    }
    if (this.#registry === null) {
      const { RegistryWatch } = await import('./registry-watch.js');
      const store = await this.#openRegistry(redis);
      this.#registry = { redis, watch: new RegistryWatch(store, registry, this.#options) };
    }
    return [this.#registry.watch.follow(wanted, registry)];
  }

  async #openRegistry(redis: RedisPlace | null) {
    if (redis === null) {
      const { LocalRegistry } = await import('../../services/registry/local-registry.js');
      return new LocalRegistry(this.#options.now);
    }
    const { RedisRegistry } = await import('../../services/registry/redis-registry.js');
    return new RedisRegistry(redis);
  }

  async #followDns({ services, discovery }: Config): Promise<Promise<void>[]> {
    const looks: Promise<void>[] = [];
    for (const [service, { discover }] of Object.entries(services)) {
      if (discover?.type !== 'dns') continue;
      const key = JSON.stringify([discover.dns, discovery.dns]);
      const before = this.#dns.get(service);
      if (before?.key === key) continue;
      before?.source.close();
      const { DnsSource } = await import('./dns-source.js');
      const source = new DnsSource(service, discover.dns, discovery.dns, this.#options);
      this.#dns.set(service, { key, source });
      looks.push(source.start());
    }
    return looks;
  }

  #sayEnvironment(services: Services): void {
    const said = new Map<string, string>();
    for (const [service, { discover, endpoints }] of Object.entries(services)) {
      if (discover?.type !== 'env') continue;
      const urls = endpoints.map(({ url }) => url);
      said.set(service, urls.join());
      if (this.#fromEnvironment.get(service) === urls.join()) continue;
      this.#options.log.info({ service, endpoints: urls }, 'service from the environment');
    }
    this.#fromEnvironment = said;
  }
}

const NOTHING_TO_ASK = { skipped: 0, ageS: null, failures: 0 } as const;

/** Names in the registry, and the services that take their endpoints from each. */
function registered(services: Services): Map<string, Set<string>> {
  const names = new Map<string, Set<string>>();
  for (const [service, { discover }] of Object.entries(services)) {
    if (discover?.type !== 'registry') continue;
    const name = discover.name ?? service;
    names.set(name, (names.get(name) ?? new Set()).add(service));
  }
  return names;
}
