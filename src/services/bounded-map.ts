/**
 * A map that forgets instead of growing. Two generations: what was not touched while one filled up goes with it; no entry
 * carries links or times, and `get` and `set` stay those of a Map.
 */
export class BoundedMap<K, V> {
  readonly #half: number;
  #young = new Map<K, V>();
  #old = new Map<K, V>();

  /** Holds at least half of `most` entries, and never more; 0: nothing is remembered. */
  constructor(most: number) {
    this.#half = Math.ceil(most / 2);
  }

  get(key: K): V | undefined {
    const value = this.#young.get(key);
    if (value !== undefined) return value;
    const older = this.#old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: K, value: V): void {
    if (this.#half === 0) return;
    if (this.#young.size >= this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  delete(key: K): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  /** Forgets all entries of which this is true; one pass, however many they are. */
  drop(goes: (value: V) => boolean): void {
    for (const half of [this.#young, this.#old]) {
      for (const [key, value] of half) if (goes(value)) half.delete(key);
    }
  }

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
  }
}
