/** The endpoints of all services: connections outlive the snapshot that asked for them. */
import type { EndpointTable } from '../shared/endpoint-table.js';
import { Endpoint, type EndpointOptions } from './endpoint.js';

export class EndpointPool {
  readonly table: EndpointTable;
  readonly #endpoints = new Map<string, Endpoint>();

  constructor(table: EndpointTable) {
    this.table = table;
  }

  /** The same endpoint for the same slot and options. */
  get(slot: number, options: EndpointOptions): Endpoint {
    const key = JSON.stringify([slot, options]);
    let endpoint = this.#endpoints.get(key);
    if (endpoint === undefined) {
      endpoint = new Endpoint(options, { table: this.table, slot });
      this.#endpoints.set(key, endpoint);
    }
    endpoint.revive();
    return endpoint;
  }

  /** Closes what no current snapshot names: idle connections now, busy ones after their answer. */
  keepOnly(current: ReadonlySet<Endpoint>): void {
    for (const [key, endpoint] of this.#endpoints) {
      if (current.has(endpoint)) continue;
      endpoint.retire();
      this.#endpoints.delete(key);
    }
  }
}
