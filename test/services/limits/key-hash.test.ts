import { BlockList, isIP } from 'node:net';
import { describe, expect, it } from 'vitest';
import { AddressBits } from '../../../src/services/limits/address.ts';
import { KeyHasher } from '../../../src/services/limits/key-hash.ts';
import { chance } from './reference.ts';

const hasher = new KeyHasher(Int32Array.of(0x03020100, 0x07060504));
const salt = hasher.salt('limit');

function hash(feed: (key: KeyHasher) => void, by = hasher): string {
  const out = new Int32Array(2);
  by.begin(by === hasher ? salt : by.salt('limit'));
  feed(by);
  by.end(out, 0);
  return `${out[0]} ${out[1]}`;
}

const texts = (...parts: string[]) =>
  hash((key) => {
    for (const part of parts) key.text(part);
  });
const address = (text: string, prefix = 64) => hash((key) => key.address(text, prefix));

/** HalfSipHash with 64 bits of output as its paper has it, over 32-bit words. */
function halfSipHash(k0: number, k1: number, words: number[], c: number, d: number): [number, number] {
  let [v0, v1, v2, v3] = [k0, k1 ^ 0xee, k0 ^ 0x6c796765, k1 ^ 0x74656462];
  const rotate = (x: number, by: number) => (x << by) | (x >>> (32 - by));
  const rounds = (count: number) => {
    for (let i = 0; i < count; i++) {
      v0 = (v0 + v1) | 0;
      v1 = rotate(v1, 5) ^ v0;
      v0 = rotate(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotate(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotate(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotate(v1, 13) ^ v2;
      v2 = rotate(v2, 16);
    }
  };
  for (const word of words) {
    v3 ^= word;
    rounds(c);
    v0 ^= word;
  }
  v2 ^= 0xee;
  rounds(d);
  const first = v1 ^ v3;
  v1 ^= 0xdd;
  rounds(d);
  return [first, v1 ^ v3];
}

describe('the hash of a key', () => {
  it('is HalfSipHash-1-3: the model agrees with the published vectors of 2-4, and the hash with the model', () => {
    // vectors_hsip64 of the reference implementation, inputs of 0 and of 4 bytes; the last word has the length on top.
    const bytes = ([a, b]: [number, number]) => {
      const out = Buffer.alloc(8);
      out.writeInt32LE(a | 0, 0);
      out.writeInt32LE(b | 0, 4);
      return out.toString('hex');
    };
    expect(bytes(halfSipHash(0x03020100, 0x07060504, [0], 2, 4))).toBe('218d1f59b9b83cc8');
    expect(bytes(halfSipHash(0x03020100, 0x07060504, [0x03020100, 4 << 24], 2, 4))).toBe('d5e78a175be52ea1');

    const word = (text: string, i: number) => text.charCodeAt(i) | ((text.charCodeAt(i + 1) || 0) << 16);
    const words = (text: string) => [
      (1 << 28) | text.length,
      ...Array.from({ length: Math.ceil(text.length / 2) }, (_, i) => word(text, 2 * i)),
    ];
    const model = halfSipHash(
      0x03020100,
      0x07060504,
      [...words('limit'), ...words('user'), ...words('ελένη'), 2 << 28, 7, 0],
      1,
      3,
    );
    const fed = hash((key) => {
      key.text('user');
      key.text('ελένη');
      key.number(7);
    });
    expect(fed).toBe(model.map((half) => half | 0).join(' '));
  });

  it('tells apart where one part ends and the next begins, and what kind each is', () => {
    const keys = [
      texts('a', 'bc'),
      texts('ab', 'c'),
      texts('abc'),
      texts('abc', ''),
      texts('', 'abc'),
      texts('a', 'b', 'c'),
      texts(''),
      texts('', ''),
      texts('\0'),
      texts('7'),
      hash((key) => key.number(7)),
      hash((key) => key.absent()),
      hash((key) => {
        key.absent();
        key.text('');
      }),
      hash(() => {}),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('is another with another seed, and takes a text of 8 KiB', () => {
    const other = new KeyHasher(Int32Array.of(1, 2));
    expect(hash((key) => key.text('x'), other)).not.toBe(hash((key) => key.text('x')));
    const long = 'k'.repeat(8_192);
    expect(texts(long)).not.toBe(texts(`${long.slice(1)}j`));
  });

  it('changes half of its bits with each bit of the key, and has no collisions among 200,000', () => {
    const seen = new Set<string>();
    const random = chance(1);
    for (let i = 0; i < 200_000; i++) seen.add(texts(`user-${i}`));
    expect(seen.size).toBe(200_000);
    let flips = 0;
    const bits = (text: string) =>
      text.split(' ').reduce((sum, half) => {
        let count = 0;
        for (let word = Number(half); word !== 0; word &= word - 1) count++;
        return sum + count;
      }, 0);
    for (let i = 0; i < 2_000; i++) {
      const value = Math.floor(random() * 2 ** 32);
      const [a, b] = [value, value ^ (1 << (i % 32))].map((n) =>
        hash((key) => key.number(n))
          .split(' ')
          .map(Number),
      ) as [[number, number], [number, number]];
      flips += bits(`${a[0] ^ b[0]} ${a[1] ^ b[1]}`);
    }
    expect(flips / 2_000).toBeCloseTo(32, 0);
  });
});

describe('addresses', () => {
  it('of IPv6 are one key by their first 64 bits, unless told otherwise', () => {
    expect(address('2001:db8:1:2::1')).toBe(address('2001:db8:1:2:ffff::9'));
    expect(address('2001:db8:1:2::1')).not.toBe(address('2001:db8:1:3::1'));
    expect(address('2001:db8:1:2::1', 128)).not.toBe(address('2001:db8:1:2::2', 128));
    expect(address('2001:db8:1:2::1', 48)).toBe(address('2001:db8:1:fff::1', 48));
    expect(address('2001:db8:1:2::1', 56)).not.toBe(address('2001:db8:1:102::1', 56));
  });

  it('are one key however they are written', () => {
    expect(address('2001:DB8:0:0:0:0:0:1', 128)).toBe(address('2001:db8::1', 128));
    expect(address('fe80::1%eth0', 128)).toBe(address('fe80::1', 128));
    expect(address('::ffff:192.0.2.1')).toBe(address('192.0.2.1'));
    expect(address('::ffff:c000:201')).toBe(address('192.0.2.1'));
    expect(address('192.0.2.1')).not.toBe(address('192.0.2.2'));
  });

  it('are themselves again after others, and after what is none', () => {
    const bits = new AddressBits();
    const words = (text: string) => [bits.read(text), bits.words[0]];
    const four = words('192.0.2.1');
    expect(words('192.0.2.1')).toEqual(four);
    for (const other of ['192.0.2.2', '2001:db8::1', '::ffff:192.0.2.9', '1.2.3.4.5', 'unix', '']) {
      expect(words(other), other).not.toEqual(four);
      expect(words('192.0.2.1'), `after ${other}`).toEqual(four);
    }
    expect(words('')[0]).toBe(0);
  });

  it('that are none are texts', () => {
    expect(address('')).toBe(texts(''));
    expect(address('unix')).toBe(texts('unix'));
    expect(address('1.2.3.4.5')).toBe(texts('1.2.3.4.5'));
  });

  it('are understood as Node understands them', () => {
    const bits = new AddressBits();
    const random = chance(7);
    const group = () => (random() < 0.4 ? '0' : Math.floor(random() * 0x10000).toString(16));
    const four = () => Array.from({ length: 4 }, () => Math.floor(random() * 256)).join('.');
    for (let i = 0; i < 20_000; i++) {
      const groups = Array.from({ length: 1 + Math.floor(random() * 9) }, group);
      if (random() < 0.5) groups.splice(Math.floor(random() * (groups.length + 1)), 0, '');
      if (random() < 0.2) groups.unshift('');
      if (random() < 0.2) groups.push('');
      if (random() < 0.2) groups.push(four());
      const text = random() < 0.1 ? four() : groups.join(':');
      const family = isIP(text);
      const read = bits.read(text);
      if (family === 0) expect([text, read]).toEqual([text, 0]);
      else expect([text, read === 0]).toEqual([text, false]);
      if (family === 6 && read === 6) {
        const written = Array.from({ length: 8 }, (_, j) =>
          (((bits.words[j >> 1] as number) >>> (j % 2 === 0 ? 16 : 0)) & 0xffff).toString(16),
        ).join(':');
        const list = new BlockList();
        list.addAddress(text, 'ipv6');
        expect([text, list.check(written, 'ipv6')]).toEqual([text, true]);
      }
    }
  });
});
