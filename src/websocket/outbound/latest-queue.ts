/**
 * What waits for a reader that is too slow, of a stream of state: of each key only the latest message. It takes the place
 * of the one that waited, so that a key which changes often cannot push itself, or others, ever further back. Messages
 * that are protected are all kept, in their order; and none with their key passes them, either way.
 */

/** Values that tell things apart; null: the message is about nothing in particular. */
export type Key = string | number | boolean | null;

/** What a message costs beside its bytes, roughly: its place, its key and its memory's own bookkeeping. */
const PLACE_BYTES = 256;
/** A message may take over memory of the one before when that is not too large for it. */
const SPARE_BYTES = 64;

export interface Place {
  readonly message: Buffer;
  readonly binary: boolean;
}

class Waiting implements Place {
  readonly key: Key;
  binary: boolean;
  message: Buffer;
  /** All of the message's memory. */
  #memory: Buffer;
  next: Waiting | null = null;
  before: Waiting | null = null;
  /** When it got its place: counts up. */
  order = 0;
  /** Something that must not be passed waits behind it: a newer message needs a place of its own. */
  sealed = false;
  /** The place of the same key that is nearer to the front, if there is one. */
  elder: Waiting | null = null;
  /** Whether it may be replaced. */
  readonly state: boolean;

  constructor(key: Key, message: Buffer, binary: boolean, state: boolean) {
    this.key = key;
    this.binary = binary;
    this.state = state;
    this.#memory = copyOf(message);
    this.message = this.#memory;
  }

  get bytes(): number {
    return this.#memory.length + PLACE_BYTES;
  }

  /** A newer message in the same place. */
  replace(message: Buffer, binary: boolean): void {
    this.binary = binary;
    const spare = this.#memory.length - message.length;
    if (spare < 0 || spare > SPARE_BYTES) this.#memory = copyOf(message);
    else message.copy(this.#memory);
    this.message = this.#memory.subarray(0, message.length);
  }
}

/** In memory of its own: a slice would keep all of what was read with it. */
function copyOf(message: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(message.length);
  message.copy(copy);
  return copy;
}

export class LatestQueue {
  #first: Waiting | null = null;
  #last: Waiting | null = null;
  /** The latest place of each key. */
  readonly #places = new Map<Key, Waiting>();
  #order = 0;
  /** `order` of the last message about nothing in particular: it may be about everything. */
  #barrier = 0;
  /** Memory of all that waits. */
  bytes = 0;
  /** Messages that wait. */
  length = 0;

  /** A message that a newer one of its key replaces. True: it has replaced one itself. It is copied. */
  putState(key: Exclude<Key, null>, message: Buffer, binary: boolean): boolean {
    const latest = this.#places.get(key);
    if (latest === undefined) {
      this.#places.set(key, this.#append(new Waiting(key, message, binary, true)));
      return false;
    }
    if (!latest.sealed && latest.order > this.#barrier) {
      this.bytes -= latest.bytes;
      latest.replace(message, binary);
      this.bytes += latest.bytes;
      return true;
    }
    // It must not pass what waits behind the older one. That one keeps its place: else a key could be put off for ever.
    const place = new Waiting(key, message, binary, true);
    const { elder } = latest;
    place.elder = elder ?? latest;
    if (elder !== null) this.#remove(latest);
    this.#places.set(key, this.#append(place));
    return elder !== null;
  }

  /** A message that is kept, whatever comes after it. It is copied. */
  putProtected(key: Key, message: Buffer, binary: boolean): void {
    const place = this.#append(new Waiting(key, message, binary, false));
    if (key === null) {
      this.#barrier = place.order;
      return;
    }
    const latest = this.#places.get(key);
    if (latest !== undefined) latest.sealed = true;
  }

  /** What comes next; it stays. */
  peek(): Place | null {
    return this.#first;
  }

  /** Takes away what came next. */
  shift(): void {
    const first = this.#first;
    if (first === null) return;
    this.#remove(first);
    if (!first.state) return;
    const latest = this.#places.get(first.key);
    if (latest === first) this.#places.delete(first.key);
    else if (latest !== undefined) latest.elder = null;
  }

  clear(): void {
    this.#first = null;
    this.#last = null;
    this.#places.clear();
    this.bytes = 0;
    this.length = 0;
  }

  #append(place: Waiting): Waiting {
    place.order = ++this.#order;
    place.before = this.#last;
    if (this.#last === null) this.#first = place;
    else this.#last.next = place;
    this.#last = place;
    this.bytes += place.bytes;
    this.length++;
    return place;
  }

  #remove(place: Waiting): void {
    const { before, next } = place;
    if (before === null) this.#first = next;
    else before.next = next;
    if (next === null) this.#last = before;
    else next.before = before;
    this.bytes -= place.bytes;
    this.length--;
  }
}
