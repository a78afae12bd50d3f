/**
 * The hash of a key, 64 bits, from its parts: HalfSipHash-1-3 with a secret seed, fed part by part, so that no string is
 * joined. Each part goes in with its kind and length first: ("a", "bc") is not ("ab", "c").
 */
import { AddressBits } from './address.js';

/** Kinds of parts. */
const TEXT = 1;
const NUMBER = 2;
const ADDRESS_4 = 3;
const ADDRESS_6 = 4;
const ABSENT = 5;

/** What a limit's name and figures make of the seed: computed once, where each of its keys begins. */
export type KeySalt = Int32Array;

export class KeyHasher {
  readonly #seed: Int32Array;
  readonly #address = new AddressBits();
  #v0 = 0;
  #v1 = 0;
  #v2 = 0;
  #v3 = 0;

  /** Two random words. */
  constructor(seed: Int32Array) {
    this.#seed = seed;
  }

  salt(text: string): KeySalt {
    const [k0, k1] = this.#seed as unknown as [number, number];
    this.#v0 = k0;
    this.#v1 = k1 ^ 0xee;
    this.#v2 = k0 ^ 0x6c796765;
    this.#v3 = k1 ^ 0x74656462;
    this.text(text);
    return Int32Array.of(this.#v0, this.#v1, this.#v2, this.#v3);
  }

  begin(salt: KeySalt): void {
    this.#v0 = salt[0] as number;
    this.#v1 = salt[1] as number;
    this.#v2 = salt[2] as number;
    this.#v3 = salt[3] as number;
  }

  text(value: string): void {
    const { length } = value;
    this.#word((TEXT << 28) | (length & 0xfffffff));
    let v0 = this.#v0;
    let v1 = this.#v1;
    let v2 = this.#v2;
    let v3 = this.#v3;
    for (let i = 0; i < length; i += 2) {
      const m = value.charCodeAt(i) | (i + 1 < length ? value.charCodeAt(i + 1) << 16 : 0);
      v3 ^= m;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= m;
    }
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }

  /** A number that fits into 32 bits: an index. */
  number(value: number): void {
    this.#word(NUMBER << 28);
    this.#word(value | 0);
  }

  /** A part that the request does not have. All such requests share a bucket: none is without a limit. */
  absent(): void {
    this.#word(ABSENT << 28);
  }

  /** An IP address; of IPv6 the first `prefix` bits. IPv4 in IPv6 (`::ffff:1.2.3.4`) is IPv4. Anything else is a text. */
  address(value: string, prefix: number): void {
    const address = this.#address;
    const family = address.read(value);
    if (family === 4) {
      this.#word(ADDRESS_4 << 28);
      this.#word(address.words[0] as number);
    } else if (family === 6) {
      this.#word((ADDRESS_6 << 28) | prefix);
      address.cut(prefix);
      for (let i = 0; i < 4; i++) this.#word(address.words[i] as number);
    } else {
      this.text(value);
    }
  }

  /** Puts the hash of what came since `begin` at `out[2 * index]` and the word after. */
  end(out: Int32Array, index: number): void {
    this.#word(0);
    this.#v2 ^= 0xee;
    for (let i = 0; i < 3; i++) this.#round();
    out[2 * index] = this.#v1 ^ this.#v3;
    this.#v1 ^= 0xdd;
    for (let i = 0; i < 3; i++) this.#round();
    out[2 * index + 1] = this.#v1 ^ this.#v3;
  }

  #word(m: number): void {
    this.#v3 ^= m;
    this.#round();
    this.#v0 ^= m;
  }

  #round(): void {
    let v0 = (this.#v0 + this.#v1) | 0;
    let v1 = ((this.#v1 << 5) | (this.#v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    let v2 = (this.#v2 + this.#v3) | 0;
    let v3 = ((this.#v3 << 8) | (this.#v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }
}
