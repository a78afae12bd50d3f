import { describe, expect, it } from 'vitest';
import {
  NO_PROFILE,
  PAST,
  ProfileTable,
  profileBytes,
  REQUESTS,
  UNTIL,
  WINDOW,
} from '../../src/shared/profile-table.ts';
import { createSegment } from '../../src/shared/segment.ts';

const region = (keys: number) =>
  createSegment({ profiles: profileBytes(keys) }, { folders: [] }).region('profiles');
/** All in the first group. */
const key = (n: number): [number, number] => [n + 10, n];

describe('a table of profiles', () => {
  it('finds what it has been given, also from another process', () => {
    const memory = region(100);
    const [one, other] = [new ProfileTable(memory), new ProfileTable(memory)];
    expect(one.find(...key(1))).toBe(NO_PROFILE);
    const p = one.obtain(...key(1), 7);
    expect(one.obtain(...key(1), 8)).toBe(p);
    expect(other.find(...key(1))).toBe(p);
    expect(other.words[p + WINDOW]).toBe(7);
    expect(other.find(key(1)[0], 999)).toBe(NO_PROFILE);
  });

  it('takes keys whose hash is one of its own marks', () => {
    const table = new ProfileTable(region(100));
    const [a, b] = [table.obtain(0, 5, 1), table.obtain(1, 5, 1)];
    expect([table.find(0, 5), table.find(1, 5)]).toEqual([a, b]);
    expect(a).not.toBe(b);
  });

  it('gives the slot of who was seen longest ago to a new key, all zero', () => {
    const table = new ProfileTable(region(1));
    for (let n = 0; n < 8; n++) {
      const p = table.obtain(...key(n), 100 + n);
      table.words[p + REQUESTS] = 9;
    }
    const p = table.obtain(...key(8), 200);
    expect(table.words[p + REQUESTS]).toBe(0);
    expect(table.find(...key(0))).toBe(NO_PROFILE);
    expect(table.find(...key(1))).not.toBe(NO_PROFILE);
    expect(table.counts()).toEqual({ evicted: 1, untracked: 0 });
  });

  it('keeps who is known for long, and whoever is throttled', () => {
    const table = new ProfileTable(region(1));
    for (let n = 0; n < 8; n++) table.obtain(...key(n), 100);
    table.numbers[table.find(...key(0)) + PAST] = 600;
    table.words[table.find(...key(1)) + UNTIL] = 1_000;
    for (let n = 8; n < 100; n++) table.obtain(...key(n), 101 + n);
    expect(table.find(...key(0))).not.toBe(NO_PROFILE);
    expect(table.find(...key(1))).not.toBe(NO_PROFILE);
  });

  it('has no room where all are throttled, and counts that', () => {
    const table = new ProfileTable(region(1));
    for (let n = 0; n < 8; n++) table.words[table.obtain(...key(n), 100) + UNTIL] = 1_000;
    expect(table.obtain(...key(8), 101)).toBe(NO_PROFILE);
    expect(table.counts().untracked).toBe(1);
  });

  it('takes back a slot that a process reserved and died over', () => {
    const memory = region(1);
    const table = new ProfileTable(memory);
    const tags = new Int32Array(memory.buffer, memory.offset + 64, 16);
    for (let i = 0; i < 8; i++) {
      tags[2 * i] = 1;
      tags[2 * i + 1] = 100;
    }
    expect(table.obtain(...key(1), 101)).toBe(NO_PROFILE);
    expect(table.obtain(...key(1), 103)).not.toBe(NO_PROFILE);
  });
});
