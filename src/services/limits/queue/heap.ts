/** A binary heap whose members know their place, so that any of them can leave or move. */

/** What can be in one heap at a time. */
export interface Placed {
  /** -1: in none. */
  place: number;
}

export class Heap<T extends Placed> {
  readonly #items: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  /** Who comes before all others. */
  get first(): T | undefined {
    return this.#items[0];
  }

  add(item: T): void {
    item.place = this.#items.length;
    this.#items.push(item);
    this.#rise(item);
  }

  remove(item: T): void {
    const at = item.place;
    if (at < 0) return;
    item.place = -1;
    const last = this.#items.pop() as T;
    if (last === item) return;
    this.#put(last, at);
    this.moved(last);
  }

  /** To be told when a member's order has changed. */
  moved(item: T): void {
    this.#rise(item);
    this.#sink(item);
  }

  #rise(item: T): void {
    while (item.place > 0) {
      const above = this.#items[(item.place - 1) >> 1] as T;
      if (!this.#before(item, above)) return;
      const at = above.place;
      this.#put(above, item.place);
      this.#put(item, at);
    }
  }

  #sink(item: T): void {
    const items = this.#items;
    for (;;) {
      const left = 2 * item.place + 1;
      if (left >= items.length) return;
      const right = left + 1;
      const a = items[left] as T;
      const b = items[right];
      const below = b !== undefined && this.#before(b, a) ? b : a;
      if (!this.#before(below, item)) return;
      const at = below.place;
      this.#put(below, item.place);
      this.#put(item, at);
    }
  }

  #put(item: T, at: number): void {
    this.#items[at] = item;
    item.place = at;
  }
}
