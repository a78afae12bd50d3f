/** The sockets of a worker, if there are any: loaded with the first route that has some, because they take 2 MiB. */
import type { CompressionMode } from '../config/schema/socket/compression.js';
import type { Config } from '../config/schema.js';
import { compressionOf, usesConflation } from '../config/uses.js';
import type { SocketKeeper } from './keeper.js';
import type { SocketEnd, SocketOwners } from './owners/socket-owners.js';

export class WorkerSockets {
  keeper: SocketKeeper | null = null;
  readonly #worker: number;
  /** That of the listener. */
  #compression: CompressionMode = 'off';

  /** `worker` from 1. */
  constructor(worker: number) {
    this.#worker = worker;
  }

  get owners(): SocketOwners | null {
    return this.keeper?.owners ?? null;
  }

  /** What the listener must be able to do for them. Before the first `prepare`, and once: a listener does not change. */
  needs(config: Config): { compression: CompressionMode; conflates: boolean } {
    this.#compression = compressionOf(config);
    return { compression: this.#compression, conflates: usesConflation(config) };
  }

  async prepare({ routes }: Config, events: SocketEnd): Promise<SocketKeeper | null> {
    if (this.keeper === null && routes.some(({ websocket, channels }) => websocket ?? channels)) {
      const { SocketKeeper } = await import('./keeper.js');
      const { SocketOwners } = await import('./owners/socket-owners.js');
      this.keeper = new SocketKeeper(new SocketOwners(this.#worker, events), this.#compression);
    }
    await this.keeper?.policies.prepare(routes);
    return this.keeper;
  }
}
