/** Gives out places in a table by name: the same place as long as the name is retained, and nobody's leftovers. */

export interface SlotUse {
  /** Nothing of the former owner is under way. */
  isIdle(slot: number): boolean;
  clear(slot: number): void;
}

export class Slots {
  readonly #use: SlotUse;
  readonly #byName = new Map<string, number>();
  /** Given back, the longest ago first, with who had it: that one gets it again, for what it left running there. */
  readonly #free = new Map<string, number>();
  readonly #size: number;
  #next = 0;

  constructor(size: number, use: SlotUse) {
    this.#size = size;
    this.#use = use;
  }

  /** null: there is no room. */
  take(name: string): number | null {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const slot = this.#again(name) ?? (this.#next < this.#size ? this.#next++ : this.#idle());
    if (slot === null) return null;
    this.#use.clear(slot);
    this.#byName.set(name, slot);
    return slot;
  }

  /** null: it has none. */
  slotOf(name: string): number | null {
    return this.#byName.get(name) ?? null;
  }

  /** All other names give their places back. */
  retain(names: ReadonlySet<string>): void {
    for (const [name, slot] of this.#byName) {
      if (names.has(name)) continue;
      this.#byName.delete(name);
      this.#free.set(name, slot);
    }
  }

  /** What is under way there is its own, and goes on counting. */
  #again(name: string): number | null {
    const slot = this.#free.get(name);
    if (slot === undefined) return null;
    this.#free.delete(name);
    return slot;
  }

  /** Reused for others as late as possible: only when all have been given out. */
  #idle(): number | null {
    for (const [name, slot] of this.#free) {
      if (!this.#use.isIdle(slot)) continue;
      this.#free.delete(name);
      return slot;
    }
    return null;
  }
}
