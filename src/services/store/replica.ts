/** Opens the store as the configuration wants it. */
import type { RedisPlace } from '../../config/schema/redis.js';
import { EmbeddedStore } from './embedded.js';
import { Environment } from './environment.js';
import type { RecordStore } from './record-store.js';
import type { StoreLog } from './replicated.js';

export interface StoreOptions {
  /** Folder of the embedded store. */
  readonly data: string;
  /** URL; null: this machine is the only one. */
  readonly redis: RedisPlace | null;
  readonly log?: StoreLog;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Keeps up with what other machines write. Default: true. A command that soon ends needs to know only how it is now. */
  readonly follow?: boolean;
}

/**
 * For the primary and the command line. Rejects with an Error for people when the folder cannot be opened. A Redis that is
 * away is only logged: what this machine knows can be read.
 */
export async function openStore({
  data,
  redis,
  log,
  now,
  follow = true,
}: StoreOptions): Promise<RecordStore> {
  const environment = Environment.open(data);
  if (redis === null) return new EmbeddedStore(environment, now);
  const { ReplicatedStore } = await import('./replicated.js');
  const store = new ReplicatedStore(environment, redis, log);
  await store.start();
  if (follow) store.follow();
  return store;
}
