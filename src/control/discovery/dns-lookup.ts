/** Asks the DNS for the instances of a service. */
import { Resolver } from 'node:dns/promises';
import type { DiscoveryConfig, DnsDiscovery } from '../../config/schema/services/discovery.js';
import type { Discovered } from '../../upstream/balance/roster.js';

/** What a name said. */
export interface Found {
  readonly endpoints: readonly Discovered[];
  /** The shortest of the records that say how long they hold; infinity: none does. */
  readonly ttlMs: number;
  /** There were more than are used. */
  readonly more: boolean;
}

/** The name, or what it leads to, has no records: an answer, unlike no answer. */
export class NothingFound extends Error {}

const TRIES = 2;
const MOST_ENDPOINTS = 1000;
const MOST_TARGETS = 256;
const MOST_WEIGHT = 1000;
const NO_RECORDS = ['ENOTFOUND', 'ENODATA'];

interface Address {
  readonly address: string;
  readonly ttlMs: number;
}

export class DnsLookup {
  readonly #dns: DnsDiscovery;
  readonly #resolver: Resolver;

  constructor(dns: DnsDiscovery, { servers, timeout }: DiscoveryConfig['dns']) {
    this.#dns = dns;
    this.#resolver = new Resolver({ timeout, tries: TRIES });
    if (servers.length > 0) this.#resolver.setServers(servers);
  }

  /** Rejects with NothingFound, or with an Error for people. */
  async ask(): Promise<Found> {
    const { type } = this.#dns;
    const { endpoints, ttlMs } = await (type === 'SRV' ? this.#srv() : this.#addresses(type)).catch(explain);
    if (endpoints.length === 0) throw new NothingFound('the name resolves to nothing');
    // Answers rotate: their order says nothing.
    const sorted = [...new Map(endpoints.map((endpoint) => [endpoint.url, endpoint])).values()].sort(
      (a, b) => (a.url < b.url ? -1 : 1),
    );
    return { endpoints: sorted.slice(0, MOST_ENDPOINTS), ttlMs, more: sorted.length > MOST_ENDPOINTS };
  }

  close(): void {
    this.#resolver.cancel();
  }

  async #addresses(type: 'A' | 'AAAA'): Promise<Omit<Found, 'more'>> {
    const { name, port = 0 } = this.#dns;
    const addresses = await this.#resolve(name, type);
    return {
      endpoints: addresses.map(({ address }) => this.#endpoint(address, port, 1, 0)),
      ttlMs: shortest(addresses),
    };
  }

  /** RFC 2782. Node tells no TTL of SRV records: that of the addresses counts. */
  async #srv(): Promise<Omit<Found, 'more'>> {
    const records = (await this.#resolver.resolveSrv(this.#dns.name))
      .filter(({ name, port }) => name !== '' && name !== '.' && port > 0)
      .slice(0, MOST_TARGETS);
    const heaviest = Math.max(MOST_WEIGHT, ...records.map(({ weight }) => weight));
    const targets = new Map(
      [...new Set(records.map(({ name }) => name))].map((name) => [name, this.#anyAddress(name)]),
    );
    const results = await Promise.allSettled(targets.values());
    const known = new Map([...targets.keys()].map((name, i) => [name, results[i]]));
    // One target of several may be gone already; if none is known, its error is that of the whole.
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined && results.every(({ status }) => status === 'rejected')) throw failed.reason;
    const found: Address[] = [];
    const endpoints = records.flatMap(({ name, port, weight, priority }) => {
      const result = known.get(name);
      if (result?.status !== 'fulfilled') return [];
      found.push(...result.value);
      const share = Math.max(1, Math.round((weight * MOST_WEIGHT) / heaviest));
      return result.value.map(({ address }) => this.#endpoint(address, port, share, priority));
    });
    return { endpoints, ttlMs: shortest(found) };
  }

  /** IPv4 if it has that. */
  async #anyAddress(name: string): Promise<Address[]> {
    try {
      return await this.#resolve(name, 'A');
    } catch (error) {
      if (!NO_RECORDS.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      return await this.#resolve(name, 'AAAA');
    }
  }

  async #resolve(name: string, type: 'A' | 'AAAA'): Promise<Address[]> {
    const records =
      type === 'A'
        ? await this.#resolver.resolve4(name, { ttl: true })
        : await this.#resolver.resolve6(name, { ttl: true });
    return records.map(({ address, ttl }) => ({ address, ttlMs: ttl * 1000 }));
  }

  #endpoint(address: string, port: number, weight: number, priority: number): Discovered {
    const host = address.includes(':') ? `[${address}]` : address;
    const url = new URL(`${this.#dns.scheme}://${host}:${port}`).origin;
    return { id: url, url, weight, zone: '', priority };
  }
}

function shortest(addresses: readonly Address[]): number {
  return Math.min(Number.POSITIVE_INFINITY, ...addresses.map(({ ttlMs }) => ttlMs));
}

function explain(error: NodeJS.ErrnoException): never {
  const { code = '' } = error;
  if (NO_RECORDS.includes(code)) throw new NothingFound('the name resolves to nothing');
  if (code === 'ETIMEOUT') throw new Error('no name server answers in time');
  if (code === 'ECONNREFUSED') throw new Error('the name servers cannot be reached');
  if (code === 'ESERVFAIL') throw new Error('the name server failed (SERVFAIL)');
  if (code === 'EREFUSED') throw new Error('the name server refuses to answer');
  throw new Error(`the name cannot be resolved: ${code || error.message}`);
}
