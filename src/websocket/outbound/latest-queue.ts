/**
 * What waits for a reader that is too slow, of a stream of state: of each key only the latest message. It takes the place
 * of the one that waited, so that a key which changes often cannot push itself, or others, ever further back. Messages
 * that are protected are all kept, in their order; and none with their key passes them, either way.
 */

/** Values that tell things apart; null: the message is about nothing in particular. */
export type Key = string | number | boolean | null;

/** What a message costs beside its bytes: its place, its key and their bookkeeping (measured: 210, and 390 of large ones). */
const PLACE_BYTES = 256;
/**
 * Up to here a message is kept as a string with a character for each byte: a buffer of its own costs 700 bytes more. Above,
 * strings that are replaced all the time would keep the collector busy.
 */
const SMALL_BYTES = 1024;
/** A message may take over the memory of the one before when that is not much too large for it. */
const SPARE_BYTES = 1024;

export interface Place {
  readonly message: Buffer;
  readonly binary: boolean;
}

class Waiting implements Place {
  readonly key: Key;
  /** Whether it may be replaced. */
  readonly isState: boolean;
  binary = false;
  /** Of a small message; of another what follows. */
  #text = '';
  #memory: Buffer | null = null;
  #length = 0;
  next: Waiting | null = null;
  before: Waiting | null = null;
  /** When it got its place: counts up. */
  order = 0;
  /** Something that must not be passed waits behind it: a newer message needs a place of its own. */
  sealed = false;
  /** The place of the same key that is nearer to the front, if there is one. */
  elder: Waiting | null = null;

  constructor(key: Key, message: Buffer, binary: boolean, isState: boolean) {
    this.key = key;
    this.isState = isState;
    this.keep(message, binary);
  }

  get message(): Buffer {
    return this.#memory === null ? Buffer.from(this.#text, 'latin1') : this.#memory.subarray(0, this.#length);
  }

  get bytes(): number {
    return PLACE_BYTES + (this.#memory === null ? this.#length : this.#memory.length);
  }

  /** Of the message itself. */
  get length(): number {
    return this.#length;
  }

  /** Copies the message: what was read with it would be kept as a whole. */
  keep(message: Buffer, binary: boolean): void {
    this.binary = binary;
    this.#length = message.length;
    if (message.length <= SMALL_BYTES) {
      this.#memory = null;
      this.#text = message.toString('latin1');
      return;
    }
    this.#text = '';
    const spare = (this.#memory?.length ?? 0) - message.length;
    if (this.#memory === null || spare < 0 || spare > SPARE_BYTES)
      this.#memory = Buffer.allocUnsafeSlow(message.length);
    message.copy(this.#memory);
  }
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
  /** Of messages that were replaced, so far. */
  leftOutBytes = 0;

  /** A message that a newer one of its key replaces. True: it has replaced one itself. It is copied. */
  putState(key: Exclude<Key, null>, message: Buffer, binary: boolean): boolean {
    const latest = this.#places.get(key);
    if (latest === undefined) {
      this.#places.set(key, this.#append(new Waiting(key, message, binary, true)));
      return false;
    }
    if (!latest.sealed && latest.order > this.#barrier) {
      this.bytes -= latest.bytes;
      this.leftOutBytes += latest.length;
      latest.keep(message, binary);
      this.bytes += latest.bytes;
      return true;
    }
    // It must not pass what waits behind the older one. That one keeps its place: else a key could be put off for ever.
    const place = new Waiting(key, message, binary, true);
    const { elder } = latest;
    place.elder = elder ?? latest;
    if (elder !== null) {
      this.leftOutBytes += latest.length;
      this.#remove(latest);
    }
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
    if (!first.isState) return;
    const latest = this.#places.get(first.key);
    if (latest === first) this.#places.delete(first.key);
    else if (latest !== undefined) latest.elder = null;
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
