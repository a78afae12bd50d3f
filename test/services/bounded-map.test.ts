import { describe, expect, it } from 'vitest';
import { BoundedMap } from '../../src/services/bounded-map.ts';

describe('a bounded map', () => {
  it('keeps so many at most, and those in use', () => {
    const keys = new BoundedMap<string, number>(100);
    keys.set('used', -1);
    for (let i = 0; i < 10_000; i++) {
      keys.set(`k${i}`, i);
      expect(keys.get('used')).toBe(-1);
    }
    const remembered = Array.from({ length: 10_000 }, (_, i) => keys.get(`k${i}`)).filter(
      (value) => value !== undefined,
    );
    expect(remembered.length).toBeLessThanOrEqual(100);
    expect(keys.get('k9999')).toBe(9999);
  });

  it('of none keeps none', () => {
    const keys = new BoundedMap<string, number>(0);
    keys.set('a', 1);
    expect(keys.get('a')).toBeUndefined();
  });

  it('drops entries by what they are, in both halves', () => {
    const keys = new BoundedMap<string, number>(4);
    for (let i = 0; i < 4; i++) keys.set(`k${i}`, i);
    keys.drop((value) => value % 2 === 0);
    expect([0, 1, 2, 3].map((i) => keys.get(`k${i}`))).toEqual([undefined, 1, undefined, 3]);
  });
});
