/** The store of one machine: a folder, nothing else to run. Any number of processes read and write it. */
import { randomUUID } from 'node:crypto';
import { Environment, keyOf, written } from './environment.js';
import { Reader } from './reader.js';
import type { RecordKind, RecordReader, RecordStore, Release } from './record-store.js';

export class EmbeddedStore extends Reader implements RecordStore {
  readonly #now: () => number;

  constructor(environment: Environment, now: () => number) {
    super(environment);
    this.#now = now;
  }

  async put(kind: RecordKind, id: string, value: unknown): Promise<void> {
    const { environment } = this;
    environment.transaction(() => environment.write(keyOf(kind, id), JSON.stringify(value), false));
  }

  async quiet(kind: RecordKind, id: string, value: unknown): Promise<void> {
    // On the library's own thread, together with others of this turn: there may be many, and nobody waits.
    await written(this.environment.records.put(keyOf(kind, id), JSON.stringify(value)));
  }

  async remove(kind: RecordKind, id: string): Promise<boolean> {
    const { environment } = this;
    return environment.transaction(() => environment.write(keyOf(kind, id), undefined, false));
  }

  async update<T>(
    kind: RecordKind,
    id: string,
    next: (now: T | undefined) => T | undefined,
    { quiet = false } = {},
  ): Promise<T | undefined> {
    const { environment } = this;
    return environment.transaction(() => {
      const before = this.get<T>(kind, id);
      const after = next(before);
      if (after === undefined) return before;
      environment.write(keyOf(kind, id), JSON.stringify(after), quiet);
      return after;
    });
  }

  async catchUp(): Promise<void> {}

  async lock(name: string, ttlMs: number): Promise<Release | null> {
    const { locks } = this.environment;
    const now = this.#now();
    const token = randomUUID();
    const taken = this.environment.transaction(() => {
      if ((locks.get(name)?.until ?? 0) > now) return false;
      locks.putSync(name, { token, until: now + ttlMs });
      return true;
    });
    if (!taken) return null;
    return async () => {
      this.environment.transaction(() => {
        if (locks.get(name)?.token === token) locks.removeSync(name);
      });
    };
  }
}

/** For workers, which read what others write. @throws Error for people: the folder cannot be opened. */
export function openReader(data: string): RecordReader {
  return new Reader(Environment.open(data));
}
