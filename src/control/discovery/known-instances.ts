/** The instances of one registered service as this gateway knows them: what is believed, what is kept although it is gone. */
import type { AddressPolicy } from '../../services/registry/addresses.js';
import { type Instance, InstanceFault, idFault, parseInstance } from '../../services/registry/instance.js';
import type { Entry } from '../../services/registry/registry-store.js';
import type { Discovered } from '../../upstream/balance/roster.js';

interface Known {
  readonly text: string;
  readonly instance: Instance;
}

/** Garbage by the million is not remembered one by one. */
const MOST_SKIPPED = 1000;

export class KnownInstances {
  #policy: AddressPolicy;
  #entries: readonly Entry[] = [];
  #live = new Map<string, Known>();
  /** No longer registered, but kept for the time of grace. */
  readonly #lingering = new Map<string, Known>();
  #skipped = new Map<string, string>();
  #graceUntil = Number.NEGATIVE_INFINITY;

  constructor(policy: AddressPolicy) {
    this.#policy = policy;
  }

  /** What is registered now. Gives what is new among what is not believed: why, by id. */
  update(entries: readonly Entry[], now: number): ReadonlyMap<string, string> {
    const [before, skippedBefore] = [this.#live, this.#skipped];
    this.#entries = entries;
    this.#live = new Map();
    this.#skipped = new Map();
    for (const { id, text } of entries) this.#judge(id, text, before.get(id));
    this.#skipDoubles();
    for (const [id, known] of before) {
      if (now < this.#graceUntil && !this.#skipped.has(id)) this.#lingering.set(id, known);
    }
    for (const id of [...this.#live.keys(), ...this.#skipped.keys()]) this.#lingering.delete(id);
    this.endGrace(now);
    return new Map([...this.#skipped].filter(([id, fault]) => skippedBefore.get(id) !== fault));
  }

  /** From now on other addresses are allowed. */
  takePolicy(policy: AddressPolicy, now: number): ReadonlyMap<string, string> {
    this.#policy = policy;
    this.#live.clear();
    for (const [id, { instance }] of this.#lingering) {
      if (policy.fault(instance.url) !== null) this.#lingering.delete(id);
    }
    return this.update(this.#entries, now);
  }

  /** The instance said so: it is not kept, not even in grace. */
  left(id: string): void {
    this.#live.delete(id);
    this.#lingering.delete(id);
    this.#entries = this.#entries.filter((entry) => entry.id !== id);
  }

  /** What disappears until then is kept until then: the registry may have lost it. */
  keepUntil(time: number): void {
    this.#graceUntil = Math.max(this.#graceUntil, time);
  }

  /** Gives how many instances are dropped because the time of grace is over. */
  endGrace(now: number): number {
    if (now < this.#graceUntil) return 0;
    const dropped = this.#lingering.size;
    this.#lingering.clear();
    return dropped;
  }

  get size(): number {
    return this.#live.size + this.#lingering.size;
  }

  ids(): string[] {
    return [...this.#live.keys(), ...this.#lingering.keys()];
  }

  has(id: string): boolean {
    return this.#live.has(id);
  }

  get skipped(): ReadonlyMap<string, string> {
    return this.#skipped;
  }

  lingers(id: string): boolean {
    return this.#lingering.has(id);
  }

  /** By id, so that all machines have one order. Two instances cannot have one URL: the first id has it. */
  endpoints(): Discovered[] {
    const urls = new Set<string>();
    const known = [...sortedById(this.#live), ...sortedById(this.#lingering)];
    const all = known.flatMap(([id, { instance }]) => {
      if (urls.has(instance.url)) return [];
      urls.add(instance.url);
      return [{ id, ...instance }];
    });
    return all.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** They stay among the live: when the first one leaves, the next has the URL. */
  #skipDoubles(): void {
    const owners = new Map<string, string>();
    for (const [id, { instance }] of sortedById(this.#live)) {
      const owner = owners.get(instance.url);
      if (owner === undefined) owners.set(instance.url, id);
      else if (this.#skipped.size < MOST_SKIPPED) this.#skipped.set(id, `${owner} has this URL`);
    }
  }

  #judge(id: string, text: string, before: Known | undefined): void {
    if (before?.text === text) {
      this.#live.set(id, before);
      return;
    }
    const found = this.#read(id, text);
    if (typeof found !== 'string') this.#live.set(id, { text, instance: found });
    else if (this.#skipped.size < MOST_SKIPPED) this.#skipped.set(id.slice(0, 128), found);
  }

  /** The instance, or why it is none. */
  #read(id: string, text: string): Instance | string {
    const wrongId = idFault(id);
    if (wrongId !== null) return wrongId;
    if (text === '') return 'it is empty, too long, or no string';
    try {
      const instance = parseInstance(text);
      return this.#policy.fault(instance.url) ?? instance;
    } catch (error) {
      if (error instanceof InstanceFault) return error.message;
      throw error;
    }
  }
}

function sortedById(known: ReadonlyMap<string, Known>): [id: string, known: Known][] {
  return [...known].sort(([a], [b]) => (a < b ? -1 : 1));
}
