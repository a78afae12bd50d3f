/** Tells a process what other processes have changed in the store. */
import type { Change, RecordReader } from './record-store.js';

/** A revocation has to work within a second, on its way through Redis too. Asking costs 0.2 us. */
const INTERVAL_MS = 100;

/** null: anything may have changed. */
export type ChangeListener = (changes: readonly Change[] | null) => void;

export class StoreWatch {
  readonly #reader: RecordReader;
  readonly #listeners = new Set<ChangeListener>();
  readonly #timer: NodeJS.Timeout;
  #revision: number;

  constructor(reader: RecordReader, intervalMs = INTERVAL_MS) {
    this.#reader = reader;
    this.#revision = reader.revision();
    this.#timer = setInterval(() => this.look(), intervalMs).unref();
  }

  /** All changes since the last time come at once. Gives back how to stop listening. */
  listen(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Done by itself ten times a second. */
  look(): void {
    if (this.#reader.revision() === this.#revision) return;
    const { revision, all, changes } = this.#reader.changesSince(this.#revision);
    this.#revision = revision;
    for (const listener of this.#listeners) listener(all ? null : changes);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }
}
