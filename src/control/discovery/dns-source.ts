/** A service whose instances are in the DNS: asked for again when the answer no longer holds, kept while there is none. */
import type { DiscoveryConfig, DnsDiscovery } from '../../config/schema/services/discovery.js';
import { DnsLookup, type Found, NothingFound } from './dns-lookup.js';
import type { SourceFacts, SourceOptions } from './source.js';

export class DnsSource {
  readonly #service: string;
  readonly #dns: DnsDiscovery;
  readonly #options: SourceOptions;
  readonly #lookup: DnsLookup;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  /** Of the list that was published last. */
  #endpoints = 0;
  #published = '';
  #answeredAt: number | null = null;
  #failures = 0;
  #failuresInRow = 0;
  /** What was said of the name last; empty: that it resolves. */
  #complaint = '';
  #saidMore = false;

  constructor(service: string, dns: DnsDiscovery, how: DiscoveryConfig['dns'], options: SourceOptions) {
    this.#service = service;
    this.#dns = dns;
    this.#options = options;
    this.#lookup = new DnsLookup(dns, how);
  }

  /** Resolves when the name has been asked for once, whatever came of it. */
  async start(): Promise<void> {
    await this.#ask();
  }

  facts(): SourceFacts {
    const ageS = this.#answeredAt === null ? null : (this.#options.now() - this.#answeredAt) / 1000;
    return {
      ...{ service: this.#service, source: 'dns', endpoints: this.#endpoints, skipped: 0 },
      ...{ ageS, failures: this.#failures },
    };
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#lookup.close();
  }

  async #ask(): Promise<void> {
    const holdsMs = await this.#lookup.ask().then(
      (found) => this.#found(found),
      (error: Error) => this.#failed(error),
    );
    if (this.#closed) return;
    // Up to a tenth earlier: machines that began together do not ask together for ever.
    this.#timer = setTimeout(() => void this.#ask(), holdsMs * (1 - 0.1 * Math.random()));
    this.#timer.unref();
  }

  /** Gives for how long the answer holds. */
  #found({ endpoints, ttlMs, more }: Found): number {
    if (this.#closed) return 0;
    const { minTtl, maxTtl, name } = this.#dns;
    const { log, now } = this.#options;
    this.#answeredAt = now();
    this.#failuresInRow = 0;
    if (this.#complaint !== '') log.info({ service: this.#service, name }, 'the name resolves again');
    this.#complaint = '';
    if (more && !this.#saidMore) {
      log.error(
        { service: this.#service, name, endpoints: endpoints.length },
        'the name has too many addresses: those beyond are left out',
      );
    }
    this.#saidMore = more;
    this.#publish(endpoints);
    return Math.min(maxTtl, Math.max(minTtl, ttlMs));
  }

  /** Gives when to ask again: soon, then less and less often. */
  #failed(error: Error): number {
    if (this.#closed) return 0;
    const { minTtl, maxTtl, name, stale } = this.#dns;
    const { log, now } = this.#options;
    this.#failures++;
    const isTooOld = this.#answeredAt !== null && stale > 0 && now() - this.#answeredAt >= stale;
    const kept = isTooOld ? 0 : this.#endpoints;
    const complaint = `${error.message}: ${kept > 0 ? 'its last addresses stay' : 'the service has no endpoints'}`;
    if (complaint !== this.#complaint) {
      log.error({ service: this.#service, name, nothing: error instanceof NothingFound }, complaint);
    }
    this.#complaint = complaint;
    if (kept === 0) this.#publish([]);
    return Math.min(maxTtl, minTtl * 2 ** Math.min(this.#failuresInRow++, 20));
  }

  #publish(endpoints: Found['endpoints']): void {
    const text = JSON.stringify(endpoints);
    if (text === this.#published) return;
    this.#published = text;
    this.#endpoints = endpoints.length;
    this.#options.publish(this.#service, endpoints);
  }
}
