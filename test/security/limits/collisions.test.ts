/**
 * Keys crafted to collide: whoever could choose keys that fall into one group of the table, or onto one slot, could push out or
 * use up another one's bucket. The hash has a secret seed, so nobody can; here the seed is known, and even then a
 * group that is full of crafted keys costs its victim nothing.
 */
import { describe, expect, it } from 'vitest';
import { type LimitConfig, limit } from '../../../src/config/schema/limits/limits.ts';
import { LimitEngine } from '../../../src/services/limits/engine.ts';
import { Limit } from '../../../src/services/limits/limit.ts';
import { LimitMemory, limitLayout, prepareLimits } from '../../../src/services/limits/memory.ts';
import { createSegment } from '../../../src/shared/segment.ts';

const OPTIONS = { keys: 20_000, workers: 1, holdsPerWorker: 16 };
const NOW = 10_000;
const SEED = [0x0123_4567, 0x89ab_cdef, 1, 2];

function open(seed: number[], policy: 'reject-new' | 'evict-oldest' = 'evict-oldest') {
  const segment = createSegment(limitLayout(OPTIONS), { folders: [] });
  prepareLimits(segment, OPTIONS);
  new LimitMemory(segment, 0, policy).table.setSeeds(Int32Array.from(seed));
  const memory = new LimitMemory(segment, 1, policy);
  const config = limit.parse({ by: ['header:x-key'], rate: '5/min' }) as LimitConfig;
  const variant = new Limit('victims', config, memory).variant([]);
  const engine = new LimitEngine(memory.table, memory.holds);
  const hashOf = (key: string) => {
    const hashes = new Int32Array(2);
    variant.hasher.begin(variant.salt);
    variant.hasher.text(key);
    variant.hasher.end(hashes, 0);
    return hashes;
  };
  const ask = (key: string) => engine.decide([variant], hashOf(key), Float64Array.of(1), NOW).admitted;
  /** The group a key comes to first: where an empty table puts it. */
  const groupOf = (key: string) => {
    const [h1 = 0] = hashOf(key);
    return Math.floor((((h1 << 29) | (h1 >>> 3)) >>> 0) * (memory.table.groups / 2 ** 32));
  };
  return { memory, ask, groupOf, hashOf };
}

/** Keys that with this seed all come to the group of `victim` first. */
function crafted(seed: number[], victim: string, count: number): string[] {
  const { groupOf } = open(seed);
  const group = groupOf(victim);
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++) if (groupOf(`crafted-${i}`) === group) keys.push(`crafted-${i}`);
  return keys;
}

const keys = crafted(SEED, 'victim', 200);

describe.each(['evict-oldest', 'reject-new'] as const)(
  'two hundred keys that come to one group (%s)',
  (policy) => {
    it("neither push out nor use up the bucket of their victim, nor one another's", () => {
      const { memory, ask } = open(SEED, policy);
      for (let i = 0; i < 4; i++) expect(ask('victim')).toBe(true);
      for (let i = 0; i < 5; i++) for (const key of keys) expect(ask(key)).toBe(true);
      for (const key of keys) expect(ask(key)).toBe(false);
      expect(ask('victim')).toBe(true);
      expect(ask('victim')).toBe(false);
      // A victim that comes after them, too: the other group of each key differs.
      expect(memory.table.counts()).toMatchObject({ evicted: 0, rejected: 0 });
    });

    it('find the victim as full as it was when it comes last', () => {
      const { ask } = open(SEED, policy);
      for (const key of keys) ask(key);
      const admitted = Array.from({ length: 10 }, () => ask('victim')).filter(Boolean);
      expect(admitted).toHaveLength(5);
    });
  },
);

it('crafted for one seed they are scattered by any other', () => {
  const { groupOf } = open([7, 8, 9, 10]);
  const counts = new Map<number, number>();
  for (const key of keys) counts.set(groupOf(key), (counts.get(groupOf(key)) ?? 0) + 1);
  // 200 among 3,760 groups by chance.
  expect(counts.size).toBeGreaterThan(180);
  expect(Math.max(...counts.values())).toBeLessThan(5);
});

it('each start has a seed of its own', () => {
  const seeds = Array.from({ length: 3 }, () => {
    const segment = createSegment(limitLayout(OPTIONS), { folders: [] });
    prepareLimits(segment, OPTIONS);
    return new LimitMemory(segment, 1, 'reject-new').table.seeds().start.join();
  });
  expect(new Set(seeds).size).toBe(3);
});
