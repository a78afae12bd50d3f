/** Bytes that come in pieces, in one buffer that doubles: however small the pieces are, they take no more than twice their sum. */

const LEAST_BYTES = 256;
/** So much is asked for at once when it is announced: what is not written to takes no memory, only addresses. */
const MOST_ANNOUNCED_BYTES = 2 * 1024 * 1024;

export class Gathering {
  length = 0;
  #buffer: Buffer;

  constructor(first: Uint8Array, announced = 0) {
    const expected = Math.min(announced, MOST_ANNOUNCED_BYTES);
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(LEAST_BYTES, first.length, expected));
    this.add(first);
  }

  add(piece: Uint8Array): void {
    const length = this.length + piece.length;
    if (length > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#buffer.length));
      larger.set(this.#buffer.subarray(0, this.length));
      this.#buffer = larger;
    }
    this.#buffer.set(piece, this.length);
    this.length = length;
  }

  /** All of them. What is added afterwards does not change it. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }
}
