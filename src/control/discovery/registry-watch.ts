/**
 * Services whose instances register themselves. Changes are told by the registry as they happen; once per second leases that
 * have ended are taken out and a number is compared, in case a message was lost; every ten seconds all is read, in case
 * somebody wrote past the scripts. While the registry is away the last known instances stay.
 */
import type { RegistryConfig } from '../../config/schema/services/discovery.js';
import { RecordFault } from '../../services/records/record-fault.js';
import { AddressPolicy } from '../../services/registry/addresses.js';
import { formatInstance, type Instance, InstanceFault, idFault } from '../../services/registry/instance.js';
import type { Change, Mark, Registered, RegistryStore } from '../../services/registry/registry-store.js';
import type { SourceFacts, SourceOptions } from './source.js';
import { type WatchEnv, WatchedName } from './watched-name.js';

const LOOK_EVERY_MS = 1000;
const PING_EVERY_MS = 5000;

export class RegistryWatch {
  readonly #store: RegistryStore;
  readonly #env: WatchEnv;
  readonly #watched = new Map<string, WatchedName>();
  #config: RegistryConfig;
  #policy: AddressPolicy;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | null = null;
  #listening = false;
  #pingedAt = 0;
  #away = false;
  #failures = 0;
  #answeredAt: number | null = null;
  #closed = false;

  constructor(store: RegistryStore, config: RegistryConfig, options: SourceOptions) {
    this.#store = store;
    this.#config = config;
    this.#policy = new AddressPolicy(config);
    this.#env = {
      ...options,
      store,
      config: () => this.#config,
      room: (watched) => this.#room(watched),
      answered: () => this.#answered(),
    };
  }

  /** Names in the registry, and the services that each stands for. Resolves when all have been looked at, or could not be. */
  async follow(wanted: ReadonlyMap<string, ReadonlySet<string>>, config: RegistryConfig): Promise<void> {
    const otherRules = JSON.stringify(this.#config) !== JSON.stringify(config);
    this.#config = config;
    if (otherRules) this.#policy = new AddressPolicy(config);
    for (const [name, watched] of this.#watched) {
      if (wanted.has(name)) {
        if (otherRules) watched.takePolicy(this.#policy);
        continue;
      }
      watched.close();
      this.#watched.delete(name);
    }
    for (const [name, services] of wanted) {
      const watched = this.#watched.get(name) ?? new WatchedName(name, this.#policy, this.#env);
      this.#watched.set(name, watched);
      watched.serve(services);
    }
    // One that is under way may not have seen the new names.
    await this.#looking;
    await this.#look();
  }

  /** @throws RecordFault, StoreFault */
  async register(name: string, id: string, instance: Instance, ttlMs: number): Promise<Registered> {
    const { known } = this.#named(name);
    const fault = idFault(id) ?? this.#policy.fault(instance.url);
    if (fault !== null) throw new RecordFault('invalid', fault);
    const { max, maxPerService } = this.#config;
    if (!known.has(id) && this.#total() >= max) {
      throw new RecordFault('conflict', `there are ${max} instances already, the most of registry.max`);
    }
    const registered = await this.#store.register(name, id, formatted(instance), ttlMs, maxPerService);
    if (registered !== 'full') return registered;
    throw new RecordFault(
      'conflict',
      `"${name}" has ${maxPerService} instances already, the most of registry.maxPerService`,
    );
  }

  /** @throws RecordFault, StoreFault */
  async deregister(name: string, id: string): Promise<void> {
    this.#named(name);
    if (await this.#store.deregister(name, id)) return;
    throw new RecordFault('missing', `"${name}" has no instance "${id}"`);
  }

  names = (): string[] => [...this.#watched.keys()];

  /** Instances in use, and what is skipped and why. @throws RecordFault */
  show(name: string) {
    const { known } = this.#named(name);
    const instances = known.endpoints().map((endpoint) => ({
      ...endpoint,
      ...(known.lingers(endpoint.id) && { lingering: true }),
    }));
    return { service: name, instances, skipped: Object.fromEntries(known.skipped) };
  }

  facts(): SourceFacts[] {
    const ageS = this.#answeredAt === null ? null : (this.#env.now() - this.#answeredAt) / 1000;
    const [source, failures] = ['registry' as const, this.#failures];
    return [...this.#watched.values()].flatMap(({ services, known, endpoints }) =>
      [...services].map((service) => ({
        ...{ service, source, endpoints, ageS, failures },
        skipped: known.skipped.size,
      })),
    );
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const watched of this.#watched.values()) watched.close();
    this.#store.close();
  }

  #named(name: string): WatchedName {
    const watched = this.#watched.get(name);
    if (watched !== undefined) return watched;
    throw new RecordFault('missing', `no service takes its endpoints from the registry as "${name}"`);
  }

  #total(): number {
    return [...this.#watched.values()].reduce((sum, { known }) => sum + known.size, 0);
  }

  #room({ known }: WatchedName): number {
    const { max, maxPerService } = this.#config;
    return Math.max(0, Math.min(maxPerService, max - (this.#total() - known.size)));
  }

  /** A second call joins the first. */
  #look(): Promise<void> {
    clearTimeout(this.#timer);
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = null;
      this.#lookAgain(LOOK_EVERY_MS * (0.9 + 0.2 * Math.random()));
    });
    return this.#looking;
  }

  #lookAgain(inMs: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#look(), inMs);
    this.#timer.unref();
  }

  async #lookOnce(): Promise<void> {
    try {
      await this.#hear();
      const all = [...this.#watched.values()];
      const marks = await this.#store.sweep(all.map(({ name }) => name));
      this.#answered();
      await Promise.all(all.map((watched, i) => watched.compare(marks[i] as Mark)));
    } catch (error) {
      this.#wentAway(error as Error);
    }
    if (!this.#away) for (const watched of this.#watched.values()) watched.endGrace();
  }

  async #hear(): Promise<void> {
    if (!this.#listening) {
      await this.#store.listen(this.#heard, this.#deaf);
      this.#listening = true;
      for (const watched of this.#watched.values()) watched.distrust();
    } else if (this.#env.now() - this.#pingedAt >= PING_EVERY_MS) {
      await this.#store.ping();
    } else return;
    this.#pingedAt = this.#env.now();
  }

  readonly #heard = ({ service, left }: Change): void => {
    const watched = this.#watched.get(service);
    if (watched === undefined || this.#closed) return;
    if (left !== undefined) watched.left(left);
    watched.read().catch((error: Error) => this.#wentAway(error));
  };

  readonly #deaf = (): void => {
    this.#listening = false;
    if (this.#looking === null) this.#lookAgain(0);
  };

  #wentAway(error: Error): void {
    if (this.#closed) return;
    this.#failures++;
    if (!this.#away) {
      this.#env.log.error({ err: error.message }, 'the registry is away: the last known instances stay');
    }
    this.#away = true;
  }

  #answered(): void {
    this.#answeredAt = this.#env.now();
    if (!this.#away) return;
    this.#away = false;
    this.#env.log.info({ graceMs: this.#config.grace }, 'the registry is back');
    for (const watched of this.#watched.values()) watched.beginGrace();
  }
}

function formatted(instance: Instance): string {
  try {
    return formatInstance(instance);
  } catch (error) {
    if (error instanceof InstanceFault) throw new RecordFault('invalid', error.message);
    throw error;
  }
}
