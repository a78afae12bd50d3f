/** The endpoints of all services: connections outlive the snapshot that asked for them. */
import { Endpoint, type EndpointOptions } from './endpoint.js';

export class EndpointPool {
  readonly #endpoints = new Map<string, Endpoint>();

  /** The same endpoint for the same options. */
  get(options: EndpointOptions): Endpoint {
    const key = JSON.stringify(options);
    let endpoint = this.#endpoints.get(key);
    if (endpoint === undefined) {
      endpoint = new Endpoint(options);
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
