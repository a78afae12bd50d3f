/** Shared memory for tests, in one process or for several, and several "processes" over one memory. */
import {
  LimitMemory,
  limitLayout,
  type MemoryOptions,
  prepareLimits,
} from '../../src/services/limits/memory.ts';
import type { FullPolicy } from '../../src/shared/bucket-table.ts';
import { createSegment, type Segment } from '../../src/shared/segment.ts';
import { BUCKET, CHECK, GROUP_SLOTS, GROUP_WORDS, STATUS } from '../../src/shared/slots.ts';

export const SMALL: MemoryOptions = { keys: 40, workers: 8, holdsPerWorker: 64 };

export function plainSegment(options: MemoryOptions = SMALL, wall = 1_700_000_000_000): Segment {
  const segment = createSegment(limitLayout(options), { folders: [] });
  prepareLimits(segment, options, wall);
  return segment;
}

export function sharedSegment(options: MemoryOptions): Segment {
  const segment = createSegment(limitLayout(options));
  prepareLimits(segment, options);
  return segment;
}

/** What a process with this id sees of a segment. */
export function open(segment: Segment, worker = 1, policy: FullPolicy = 'reject-new'): LimitMemory {
  return new LimitMemory(segment, worker, policy);
}

/** In a table of 16 groups: the n-th key that may lie in the two groups of this eighth. */
export function keyIn(eighth: number, n: number): [h1: number, h2: number] {
  return [((n + 1) << 3) | eighth, n + 1];
}

/** Slots in use, as `tag/check`, each of which must be there once. */
export function keysInUse({ table }: LimitMemory): string[] {
  const keys: string[] = [];
  for (let group = 0; group < table.groups; group++) {
    for (let i = 0; i < GROUP_SLOTS; i++) {
      const p = group * GROUP_WORDS + 2 * i;
      const tag = Atomics.load(table.words, p);
      if ((tag & STATUS) >= BUCKET) keys.push(`${tag >>> 3}/${Atomics.load(table.words, p + CHECK)}`);
    }
  }
  return keys;
}

export function duplicates(memory: LimitMemory): string[] {
  const keys = keysInUse(memory).sort();
  return keys.filter((key, i) => key === keys[i + 1]);
}
