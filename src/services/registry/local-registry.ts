/** The registry of a gateway without Redis: in its memory, with leases by the monotonic clock. A restart forgets it. */
import { LONGEST_LEASE_MS } from './layout.js';
import type { Change, Listing, Mark, Registered, RegistryStore } from './registry-store.js';

interface Lease {
  readonly text: string;
  readonly endsAt: number;
}

export class LocalRegistry implements RegistryStore {
  readonly #now: () => number;
  readonly #services = new Map<string, Map<string, Lease>>();
  #n = 0;
  #onChange: (change: Change) => void = () => {};

  /** Milliseconds on a clock that nobody sets. */
  constructor(now: () => number) {
    this.#now = now;
  }

  async register(
    service: string,
    id: string,
    text: string,
    ttlMs: number,
    most: number,
  ): Promise<Registered> {
    this.#sweep(service);
    const leases = this.#services.get(service) ?? new Map<string, Lease>();
    const before = leases.get(id);
    if (before === undefined && leases.size >= most) return 'full';
    this.#services.set(service, leases);
    leases.set(id, { text, endsAt: this.#now() + Math.min(ttlMs, LONGEST_LEASE_MS) });
    if (before?.text === text) return 'renewed';
    this.#changed({ service, left: undefined });
    return before === undefined ? 'new' : 'changed';
  }

  async deregister(service: string, id: string): Promise<boolean> {
    this.#sweep(service);
    const had = this.#services.get(service)?.delete(id) ?? false;
    if (had) this.#changed({ service, left: id });
    return had;
  }

  async sweep(services: readonly string[]): Promise<Mark[]> {
    return services.map((service) => {
      this.#sweep(service);
      return { epoch: 'here', n: this.#n };
    });
  }

  async list(service: string, most: number): Promise<Listing> {
    const now = this.#now();
    const entries = [...(this.#services.get(service) ?? [])].flatMap(([id, { text, endsAt }]) =>
      endsAt > now ? [{ id, text, leftMs: Math.floor(endsAt - now) }] : [],
    );
    return { epoch: 'here', n: this.#n, count: entries.length, entries: entries.slice(0, most) };
  }

  async listen(onChange: (change: Change) => void): Promise<void> {
    this.#onChange = onChange;
  }

  async ping(): Promise<void> {}

  close(): void {
    this.#onChange = () => {};
  }

  #sweep(service: string): void {
    const now = this.#now();
    const leases = this.#services.get(service);
    const ended = [...(leases ?? [])].filter(([, { endsAt }]) => endsAt <= now);
    for (const [id] of ended) leases?.delete(id);
    if (ended.length > 0) this.#changed({ service, left: undefined });
  }

  #changed(change: Change): void {
    this.#n++;
    this.#onChange(change);
  }
}
