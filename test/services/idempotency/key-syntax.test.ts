import { describe, expect, it } from 'vitest';
import { Exchange } from '../../../src/exchange.ts';
import { keyField, LONGEST_KEY, parseKey } from '../../../src/services/idempotency/key-syntax.ts';

describe('a key', () => {
  it.each([
    ['"8e03978e-40d5-43dd-bc93-6894a57f9324"', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['"a b"', 'a b'],
    [String.raw`"a\"b\\c"`, String.raw`a"b\c`],
    ['"a";v=1', 'a'],
    ['"a"; x="y;z";q=0.5;b=?1;t=to/ken', 'a'],
    ['  "a"  ', 'a'],
    ['8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['dGVzdA==', 'dGVzdA=='],
  ])('is what %s means', (field, key) => {
    expect(parseKey(field, false)).toBe(key);
  });

  it.each([
    '',
    '""',
    '"',
    '"a',
    'a"',
    '"a" b',
    '"a", "b"',
    'a, b',
    String.raw`"a\b"`,
    '"a\tb"',
    '"a";',
    '"a";=1',
    '"a";X=1',
    'a b',
    '(a)',
    '{"a":1}',
    '"\u00e4"',
  ])('is not in %s', (field) => {
    expect(parseKey(field, false)).toBeNull();
  });

  it('must be in quotes where that is asked for', () => {
    expect(parseKey('abc', true)).toBeNull();
    expect(parseKey('"abc"', true)).toBe('abc');
  });

  it('has a longest length, without quotes and escapes', () => {
    expect(parseKey(`"${'k'.repeat(LONGEST_KEY)}"`, true)).toHaveLength(LONGEST_KEY);
    expect(parseKey(`"${'\\\\'.repeat(LONGEST_KEY)}"`, true)).toHaveLength(LONGEST_KEY);
    expect(parseKey(`"${'k'.repeat(LONGEST_KEY + 1)}"`, true)).toBeNull();
    expect(parseKey('k'.repeat(LONGEST_KEY + 1), false)).toBeNull();
  });

  it('is judged in no time, whatever it is', () => {
    const startedAt = performance.now();
    for (const bad of [
      `"${'\\'.repeat(1020)}`,
      `"a"${';a="'.repeat(250)}`,
      `"a"${'; '.repeat(500)}`,
      `"a"${';a'.repeat(500)}=`,
    ]) {
      for (let i = 0; i < 100; i++) parseKey(bad, false);
    }
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  it('is given once', () => {
    const x = (...headers: string[]) => Object.assign(new Exchange(0), { headers });
    expect(keyField(x('a', 'k'), 'k')).toBeUndefined();
    expect(keyField(x('a', 'b', 'k', '1'), 'k')).toBe('1');
    expect(keyField(x('k', '1', 'a', 'b', 'k', '1'), 'k')).toBeNull();
  });
});
