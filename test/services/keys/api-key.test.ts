import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { hashOf, hasRightChecksum, keyIdIn, newKey, newKeyId } from '../../../src/services/keys/api-key.ts';

describe('an API key', () => {
  it('is readable: prefix, what it is for, id, secret', () => {
    const id = newKeyId();
    expect(id).toMatch(/^[0-9A-Za-z]{12}$/);
    const key = newKey('live', id);
    expect(key).toMatch(new RegExp(`^sluice_live_${id}_[0-9A-Za-z]{32}$`));
    expect(keyIdIn(key)).toBe(id);
  });

  it('ends with the CRC-32 of what precedes, in six digits of base 62', () => {
    const key = newKey('test', 'abcdefABCDEF');
    const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    const value = [...key.slice(-6)].reduce((sum, digit) => sum * 62 + digits.indexOf(digit), 0);
    expect(value).toBe(crc32(key.slice(0, -6)));
  });

  it('with one character changed anywhere is told from a right one', () => {
    const key = newKey('live', newKeyId());
    expect(hasRightChecksum(key)).toBe(true);
    for (let i = 0; i < key.length; i++) {
      const other = key[i] === 'x' ? 'y' : 'x';
      const changed = key.slice(0, i) + other + key.slice(i + 1);
      expect(keyIdIn(changed) !== null && hasRightChecksum(changed), changed).toBe(false);
    }
  });

  it.each([
    '',
    'sluice',
    'sluice_live_abc_def',
    `sluice_LIVE_abcdefABCDEF_${'a'.repeat(32)}`,
    `sluice_live_abcdefABCDEF_${'a'.repeat(31)}`,
    `sluice_live_abcdefABCDEF_${'a'.repeat(33)}`,
    `sluice_live_abcdefABCDE_${'a'.repeat(32)}`,
    `sluice_live_abcdefABCDEF_${'a'.repeat(31)}\n`,
    `sluice_live_abcdefABCDEF_${'a'.repeat(31)}é`,
    ` sluice_live_abcdefABCDEF_${'a'.repeat(32)}`,
    `sluice_${'e'.repeat(17)}_abcdefABCDEF_${'a'.repeat(32)}`,
    `sluice_live_abcdefABCDEF_${'a'.repeat(100_000)}`,
  ])('is not %j', (text) => {
    expect(keyIdIn(text)).toBeNull();
  });

  it('is made of digits that are all equally likely', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 5000; i++) {
      for (const digit of newKeyId()) counts.set(digit, (counts.get(digit) ?? 0) + 1);
    }
    expect(counts.size).toBe(62);
    // 60,000 digits: 968 of each, with a standard deviation of 31. The bias of `byte % 62` would give eight of them 1172.
    for (const [digit, count] of counts) expect(Math.abs(count - 60_000 / 62), digit).toBeLessThan(165);
  });

  it('is never made twice, and only its SHA-256 is kept', () => {
    const keys = Array.from({ length: 1000 }, () => newKey('live', 'abcdefABCDEF'));
    expect(new Set(keys).size).toBe(1000);
    expect(hashOf('abc').toString('hex')).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });
});
