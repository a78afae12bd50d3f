/** Where leases of instances are kept, and who is told of changes. */

/** What became of a registration. `full`: it was refused. `changed`: the instance says something else than before. */
export type Registered = 'full' | 'renewed' | 'new' | 'changed';

/** Where the data of a service stands. */
export interface Mark {
  /** Which set of data: another one after a loss. */
  readonly epoch: string;
  /** How often it has changed. */
  readonly n: number;
}

/** What the registry has of a service, live leases only. */
export interface Listing extends Mark {
  /** May be more than what is listed. */
  readonly count: number;
  readonly entries: readonly Entry[];
}

export interface Entry {
  readonly id: string;
  /** Of the lease, at the time of the listing. */
  readonly leftMs: number;
  /** JSON, maybe; empty: missing, or too long. */
  readonly text: string;
}

export interface Change {
  readonly service: string;
  /** An instance that left of its own will; undefined: something else. */
  readonly left: string | undefined;
}

export interface RegistryStore {
  /** A lease from now on; `most` instances of the service at most. */
  register(service: string, id: string, text: string, ttlMs: number, most: number): Promise<Registered>;
  /** Resolves with whether it was there. */
  deregister(service: string, id: string): Promise<boolean>;
  /** Takes out, for all machines, the instances of these services whose leases have ended. */
  sweep(services: readonly string[]): Promise<Mark[]>;
  /** `first`: ids that are wanted before others, when there are more than `most`. */
  list(service: string, most: number, first: readonly string[]): Promise<Listing>;
  /** Calls `onChange` until the connection ends, which `onEnd` tells once. Resolves when nothing can be missed any more. */
  listen(onChange: (change: Change) => void, onEnd: () => void): Promise<void>;
  /** Rejects when nothing would be heard any more. */
  ping(): Promise<void>;
  close(): void;
}
