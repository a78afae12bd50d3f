/**
 * Endpoints for balancers: members over a real endpoint table, whose clock the test turns.
 *
 *   const stable = new Stable({ a: 5, b: { weight: 3, zone: 'east' } });
 *   const balancer = stable.balancer({ balance: 'least-requests' });
 *   stable.mark('a', UNHEALTHY);
 */
import type { Config } from '../../../src/config/schema.ts';
import type { Failure } from '../../../src/errors.ts';
import { Exchange } from '../../../src/exchange.ts';
import { EndpointTable, endpointTableBytes } from '../../../src/shared/endpoint-table.ts';
import { createInProcess } from '../../../src/shared/segment.ts';
import type { Balancer, Member } from '../../../src/upstream/balance/balancer.ts';
import { buildBalancer, meterFor } from '../../../src/upstream/balance/build.ts';
import { Endpoint } from '../../../src/upstream/endpoint.ts';
import { configOf } from '../../config/mistakes.ts';

const TICKET = { serviceTicket: 0, endpointTicket: 0, judged: false, startedAt: 0 };

export type Options = Readonly<Record<string, unknown>>;
type Wish = number | { weight?: number; zone?: string; priority?: number };

export const X = new Exchange(0);

export function service(options: Options): Config['services'][string] {
  const config = { services: { quotes: { endpoints: ['http://unused'], ...options } } };
  return configOf(JSON.stringify(config)).services.quotes!;
}

export class Stable {
  /** Milliseconds. */
  now = 1_000_000;
  readonly table: EndpointTable;
  readonly #segment = createInProcess({ endpoints: endpointTableBytes(2) });
  #wishes: Map<string, Wish>;
  readonly #endpoints = new Map<string, Endpoint>();

  constructor(wishes: Readonly<Record<string, Wish>>) {
    this.#wishes = new Map(Object.entries(wishes));
    this.table = this.worker(1);
  }

  worker(id: number): EndpointTable {
    return new EndpointTable(this.#segment.region('endpoints'), id, () => this.now);
  }

  balancer(
    options: Options = {},
    { zone = null, worker = 1 }: { zone?: string | null; worker?: number } = {},
  ) {
    const table = worker === 1 ? this.table : this.worker(worker);
    const config = service(options);
    for (const name of this.#wishes.keys()) {
      this.endpoint(name).meter = meterFor(config, this.table, this.slot(name));
    }
    const balancer = buildBalancer('quotes', config, { table, offset: worker - 1, zone });
    balancer.take(this.members());
    return balancer;
  }

  members(): Member[] {
    return [...this.#wishes].map(([name, wish]) => {
      const { weight = 1, zone = '', priority = 0 } = typeof wish === 'number' ? { weight: wish } : wish;
      const url = `http://${name}`;
      return { id: name, url, slot: this.slot(name), weight, zone, priority, endpoint: this.endpoint(name) };
    });
  }

  remove(name: string): void {
    this.#wishes.delete(name);
  }

  add(name: string, wish: Wish = 1): void {
    this.#wishes.set(name, wish);
  }

  endpoint(name: string): Endpoint {
    let endpoint = this.#endpoints.get(name);
    if (endpoint === undefined) {
      const slot = this.#endpoints.size;
      endpoint = new Endpoint(
        { url: `http://${name}`, maxConnections: 1, maxWaiting: 0, keepAliveMs: 1, tls: { verify: true } },
        { table: this.table, slot },
      );
      this.#endpoints.set(name, endpoint);
    }
    return endpoint;
  }

  slot(name: string): number {
    return this.endpoint(name).state!.slot;
  }

  mark(name: string, reason: number, set = true): void {
    this.table.mark(this.slot(name), reason, set);
  }
}

/** An attempt at it begins. */
export function begin(endpoint: Endpoint): void {
  endpoint.began(TICKET);
}

export function end(endpoint: Endpoint, failure: Failure | null, status: number, headMs: number): void {
  endpoint.ended(TICKET, failure, status, headMs);
}

/** Names of those picked. */
export function picks(balancer: Balancer, count: number, x: Exchange = X): string[] {
  return Array.from({ length: count }, () => balancer.pick(x, null)?.authority ?? '-');
}

export function shares(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
