/** One name in the registry: reads what is registered under it, and publishes it to the services that it stands for. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RegistryConfig } from '../../config/schema/services/discovery.js';
import type { AddressPolicy } from '../../services/registry/addresses.js';
import type { Mark, RegistryStore } from '../../services/registry/registry-store.js';
import { KnownInstances } from './known-instances.js';
import type { SourceOptions } from './source.js';

const READ_EVERY_MS = 10_000;
/** Instances that come one after the other are read together. */
const PAUSE_MS = 15;
/** More would bury the log. */
const MOST_TOLD = 5;
const NEVER = Number.NEGATIVE_INFINITY;

export interface WatchEnv extends SourceOptions {
  readonly store: RegistryStore;
  config(): RegistryConfig;
  /** How many instances this name may have, with those of the others. */
  room(watched: WatchedName): number;
  /** The registry has answered: called before anything is made of the answer. */
  answered(): void;
}

export class WatchedName {
  readonly name: string;
  readonly services = new Set<string>();
  readonly known: KnownInstances;
  /** Of the list that was published last. */
  endpoints = 0;
  readonly #env: WatchEnv;
  #mark: Mark = { epoch: '', n: 0 };
  #readAt = NEVER;
  /** There are more than may be used. */
  #overfull = false;
  #reading: Promise<void> | null = null;
  #again = false;
  #closed = false;
  /** The list that was published last. */
  #published: string | null = null;

  constructor(name: string, policy: AddressPolicy, env: WatchEnv) {
    this.name = name;
    this.known = new KnownInstances(policy);
    this.#env = env;
  }

  /** From now on it stands for these services. */
  serve(services: ReadonlySet<string>): void {
    this.services.clear();
    for (const service of services) this.services.add(service);
    const before = this.#published;
    this.#published = null;
    if (before !== null) this.#spread();
  }

  takePolicy(policy: AddressPolicy): void {
    this.#tell(this.known.takePolicy(policy, this.#env.now()));
    this.#spread();
  }

  /** Something may have been missed. */
  distrust(): void {
    this.#readAt = NEVER;
  }

  /** The registry has been away: leases have ended meanwhile that nobody could renew. */
  beginGrace(): void {
    const { now, config } = this.#env;
    this.known.keepUntil(now() + config().grace);
    this.distrust();
  }

  endGrace(): void {
    const { log, now } = this.#env;
    const dropped = this.known.endGrace(now());
    if (dropped === 0) return;
    log.warn(
      { registered: this.name, instances: dropped },
      'the time of grace is over: instances that have not registered again are dropped',
    );
    this.#spread();
  }

  /** An instance has left of its own will. */
  left(id: string): void {
    this.known.left(id);
    this.#spread();
  }

  /** Reads if this is not what was read last, or if it is time anyway. */
  async compare({ epoch, n }: Mark): Promise<void> {
    const same = epoch === this.#mark.epoch && n === this.#mark.n;
    if (!same || this.#env.now() - this.#readAt >= READ_EVERY_MS) await this.read();
  }

  /** One reading at a time: who asks meanwhile gets another one behind it. */
  async read(): Promise<void> {
    this.#again = true;
    this.#reading ??= this.#readUntilQuiet().finally(() => {
      this.#reading = null;
    });
    await this.#reading;
  }

  close(): void {
    this.#closed = true;
  }

  async #readUntilQuiet(): Promise<void> {
    for (;;) {
      this.#again = false;
      await this.#readOnce();
      if (!this.#again || this.#closed) return;
      await sleep(PAUSE_MS);
    }
  }

  async #readOnce(): Promise<void> {
    const { store, log, now, room, answered } = this.#env;
    const { known, name } = this;
    const most = room(this);
    let listing = await store.list(name, most, this.#overfull ? known.ids() : []);
    if (listing.count > most && !this.#overfull) {
      log.error(
        { registered: name, instances: listing.count, most },
        'too many instances are registered: those beyond are left out',
      );
      if (known.size > 0) listing = await store.list(name, most, known.ids());
    }
    if (this.#closed) return;
    answered();
    this.#overfull = listing.count > most;
    if (this.#mark.epoch !== '' && this.#mark.epoch !== listing.epoch) this.#lost();
    this.#mark = { epoch: listing.epoch, n: listing.n };
    this.#readAt = now();
    this.#tell(known.update(listing.entries, now()));
    this.#spread();
  }

  #lost(): void {
    const { log, config } = this.#env;
    this.beginGrace();
    if (this.known.size === 0) return;
    log.warn(
      { registered: this.name, instances: this.known.size, graceMs: config().grace },
      'the registry has lost its data: known instances stay for a time of grace',
    );
  }

  /** What is wrong in the registry is said once for each instance and reason. */
  #tell(faults: ReadonlyMap<string, string>): void {
    const { log } = this.#env;
    for (const [instance, fault] of [...faults].slice(0, MOST_TOLD)) {
      log.warn({ registered: this.name, instance, fault }, 'a registered instance is skipped');
    }
    if (faults.size <= MOST_TOLD) return;
    log.warn(
      { registered: this.name, more: faults.size - MOST_TOLD },
      'more registered instances are skipped',
    );
  }

  #spread(): void {
    const endpoints = this.known.endpoints();
    const text = JSON.stringify(endpoints);
    if (text === this.#published) return;
    this.#published = text;
    this.endpoints = endpoints.length;
    for (const service of this.services) this.#env.publish(service, endpoints);
  }
}
