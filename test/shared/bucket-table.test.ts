import { expect, it } from 'vitest';
import { TokenBucket } from '../../src/services/limits/algorithms/token-bucket.ts';
import { Decision } from '../../src/services/limits/decision.ts';
import { KeyHasher } from '../../src/services/limits/key-hash.ts';
import type { LimitMemory } from '../../src/services/limits/memory.ts';
import { tableBytes } from '../../src/shared/bucket-table.ts';
import { duplicates, keyIn, open, plainSegment } from './memory.ts';

const NOW = 10_000;

function asker(memory: LimitMemory, burst = 1, perSecond = 10) {
  const bucket = new TokenBucket(memory.table, perSecond, 1000, burst);
  const d = new Decision();
  return ([h1, h2]: readonly [number, number], now = NOW, cost = 1) => {
    d.begin(1);
    const admitted = bucket.take(d, 0, h1, h2, cost, now);
    return admitted ? 'admitted' : d.noRoom ? 'no room' : 'refused';
  };
}

it('keys whose hashes differ in a single bit are different keys', () => {
  const memory = open(plainSegment());
  const ask = asker(memory);
  const [h1, h2] = [0x12345678, 0x0bcdef01];
  expect(ask([h1, h2])).toBe('admitted');
  for (let bit = 0; bit < 32; bit++) {
    // The refused key stays as it is; each other one has a bucket of its own, and is past due for the next.
    const now = NOW + bit * 5_000;
    ask([h1, h2], now);
    expect(ask([h1, h2], now)).toBe('refused');
    expect(ask([h1 ^ (1 << bit), h2], now)).toBe('admitted');
    expect(ask([h1, h2 ^ (1 << bit)], now)).toBe('admitted');
  }
});

it('keys that all fall into the same two groups are kept apart, 16 of them', () => {
  const memory = open(plainSegment());
  const ask = asker(memory);
  for (let i = 0; i < 16; i++) expect(ask(keyIn(3, i))).toBe('admitted');
  for (let i = 0; i < 16; i++) expect(ask(keyIn(3, i))).toBe('refused');
  expect(duplicates(memory)).toEqual([]);
});

it('keys whose hashes agree but for what the tag leaves out are kept apart', () => {
  const memory = open(plainSegment());
  const ask = asker(memory);
  for (let low = 0; low < 8; low++) expect(ask([(77 << 3) | low, 4711])).toBe('admitted');
  for (let low = 0; low < 8; low++) expect(ask([(77 << 3) | low, 4711])).toBe('refused');
});

it('reject-new refuses the key that finds no room, counts that, and lets the others be', () => {
  const memory = open(plainSegment());
  const ask = asker(memory);
  for (let i = 0; i < 16; i++) ask(keyIn(3, i));
  expect(ask(keyIn(3, 16))).toBe('no room');
  expect(ask(keyIn(3, 0))).toBe('refused');
  expect(memory.table.counts()).toEqual({ claimed: 16, evicted: 0, rejected: 1 });
});

it('evict-oldest drops the bucket that would have been full soonest, and counts that', () => {
  const memory = open(plainSegment(), 1, 'evict-oldest');
  const slow = asker(memory, 1, 1);
  const fast = asker(memory, 1, 2);
  for (let i = 0; i < 15; i++) slow(keyIn(3, i));
  fast(keyIn(3, 15));
  expect(slow(keyIn(3, 16))).toBe('admitted');
  expect(memory.table.counts()).toEqual({ claimed: 17, evicted: 1, rejected: 0 });
  for (let i = 0; i < 15; i++) expect(slow(keyIn(3, i))).toBe('refused');
});

it('a bucket that is full again makes room without being swept away', () => {
  const memory = open(plainSegment());
  const ask = asker(memory);
  for (let round = 0; round < 50; round++) {
    const now = NOW + round * 1_000;
    for (let i = 0; i < 16; i++) expect(ask(keyIn(3, round * 16 + i), now)).toBe('admitted');
  }
  expect(memory.table.counts()).toEqual({ claimed: 800, evicted: 0, rejected: 0 });
});

it('a table has room for as many random keys as it was made for', () => {
  const options = { keys: 50_000, workers: 1, holdsPerWorker: 1 };
  const memory = open(plainSegment(options));
  const ask = asker(memory, 1, 1);
  const hasher = new KeyHasher(Int32Array.of(1, 2));
  const salt = hasher.salt('room');
  const hash = new Int32Array(2);
  const keys = Array.from({ length: options.keys }, (_, i) => {
    hasher.begin(salt);
    hasher.number(i);
    hasher.end(hash, 0);
    return [hash[0] as number, hash[1] as number] as const;
  });
  for (const key of keys) ask(key);
  for (const key of keys) expect(ask(key)).toBe('refused');
  expect(memory.table.counts().rejected).toBe(0);
  expect(memory.table.occupancy(NOW)).toBeGreaterThan(0.6);
  expect(memory.table.occupancy(NOW + 5_000)).toBe(0);
});

it('a table has a size that memory can have', () => {
  expect(tableBytes(1_000_000)).toBeLessThan(48 * 1024 * 1024);
  expect(() => tableBytes(10 ** 9)).toThrow(RangeError);
});
