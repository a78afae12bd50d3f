/** Remembers what was found lately: in two halves, of which the older one is dropped when the newer is full. */
export class BoundedMap<Entry> {
  readonly #half: number;
  #newer = new Map<string, Entry>();
  #older = new Map<string, Entry>();

  /** 0: remembers nothing. */
  constructor(most: number) {
    this.#half = Math.ceil(most / 2);
  }

  get(key: string): Entry | undefined {
    const entry = this.#newer.get(key);
    if (entry !== undefined) return entry;
    const older = this.#older.get(key);
    if (older !== undefined) this.set(key, older); // it is in use: it stays
    return older;
  }

  set(key: string, entry: Entry): void {
    if (this.#half === 0) return;
    if (this.#newer.size >= this.#half) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(key, entry);
  }

  /** One pass, however many are to go. */
  drop(goes: (entry: Entry) => boolean): void {
    for (const half of [this.#newer, this.#older]) {
      for (const [key, entry] of half) if (goes(entry)) half.delete(key);
    }
  }

  clear(): void {
    this.#newer.clear();
    this.#older.clear();
  }
}
