/**
 * One connection to an endpoint: an undici `Client` that carries one request at a time. We own the choice of
 * connection ourselves instead of using undici's `Pool`: its bound counts a client as lost for each dispatch that fails
 * validation, until none is left.
 */
import { Client, type ClientOptions, type Dispatcher } from './undici.js';
import type { Endpoint } from './endpoint.js';

export class Connection {
  readonly #client: Client;
  readonly #endpoint: Endpoint;
  /** Carries a request now. */
  busy = true;
  /** Answers it has carried: a connection that carried none before cannot have been closed for idleness. */
  uses = 0;
  destroyed = false;

  constructor(endpoint: Endpoint, origin: string, options: ClientOptions) {
    this.#endpoint = endpoint;
    this.#client = new Client(origin, options);
    this.#client.on('disconnect', () => {
      this.uses = 0;
      // The service, or the keep-alive timer, closed it while nobody used it.
      if (!this.busy) this.#endpoint.drop(this);
    });
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#client.dispatch(options, handler);
  }

  /** Cuts it, and whatever it carries. Reports back to nobody. */
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#client.destroy(null, ignore);
  }
}

function ignore(): void {}
