/** Gives out places in a table by name: the same place as long as the name is retained, and nobody's leftovers. */

export interface SlotUse {
  /** Nothing of the former owner is under way. */
  isIdle(slot: number): boolean;
  clear(slot: number): void;
}

export class Slots {
  readonly #use: SlotUse;
  readonly #byName = new Map<string, number>();
  /** Given back, the longest ago first. */
  readonly #free: number[] = [];
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
    const slot = this.#next < this.#size ? this.#next++ : this.#idle();
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
      this.#free.push(slot);
    }
  }

  /** Reused as late as possible: only when all others have been given out. */
  #idle(): number | null {
    const at = this.#free.findIndex((slot) => this.#use.isIdle(slot));
    return at < 0 ? null : (this.#free.splice(at, 1)[0] as number);
  }
}
