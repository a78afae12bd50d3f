/** The endpoints of all services: connections outlive the snapshot that asked for them. */
import type { Log } from '../observe/log.js';
import type { EndpointTable } from '../shared/endpoint-table.js';
import { Endpoint, type EndpointOptions } from './endpoint.js';

export class EndpointPool {
  readonly table: EndpointTable;
  readonly #log: Log;
  readonly #endpoints = new Map<string, Endpoint>();

  constructor(table: EndpointTable, log: Log) {
    this.table = table;
    this.#log = log;
  }

  /** The same endpoint for the same slot and options. */
  get(slot: number, options: EndpointOptions): Endpoint {
    const key = JSON.stringify([slot, options]);
    let endpoint = this.#endpoints.get(key);
    if (endpoint === undefined) {
      endpoint = new Endpoint(options, { table: this.table, slot });
      endpoint.onStray = ({ message }) =>
        this.#log.warn(
          { endpoint: options.url, err: message },
          'a service has sent what nobody asked for: its connection is closed',
        );
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
