import { describe, expect, it } from 'vitest';
import { didYouMean } from '../../src/config/did-you-mean.ts';
import { duration, formatDuration, formatSize, ratio, size } from '../../src/config/units.ts';

describe('a duration', () => {
  it.each([
    ['250ms', 250],
    ['5s', 5_000],
    ['1.5s', 1_500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['0', 0],
    [0, 0],
  ])('of %s is %i ms', (written, ms) => {
    expect(duration().parse(written)).toBe(ms);
  });

  it('may be off where that makes sense', () => {
    expect(duration({ off: true }).parse('off')).toBe(0);
    expect(duration().safeParse('off').success).toBe(false);
  });

  it.each([5, '5', 's', '', '5 minutes', '-1s', '1e3s', '0.1ms', null])('is not %s', (written) => {
    expect(duration().safeParse(written).success).toBe(false);
  });

  it('is written back with the largest unit that fits', () => {
    expect([0, 250, 1_000, 1_500, 90_000, 3_600_000, 1_234].map(formatDuration)).toEqual([
      '0',
      '250ms',
      '1s',
      '1.5s',
      '1.5m',
      '1h',
      '1234ms',
    ]);
  });
});

describe('a size', () => {
  it.each([
    ['64KiB', 65_536],
    ['1MiB', 1_048_576],
    ['10MB', 10_000_000],
    ['2GiB', 2_147_483_648],
    ['1kB', 1_000],
    ['512B', 512],
    ['512', 512],
    [512, 512],
  ])('of %s is %i bytes', (written, bytes) => {
    expect(size().parse(written)).toBe(bytes);
  });

  it.each([-1, '-1', '1K', '1 MiBs', '', true])('is not %s', (written) => {
    expect(size().safeParse(written).success).toBe(false);
  });

  it('is written back', () => {
    expect([0, 512, 65_536, 1_572_864].map(formatSize)).toEqual(['0B', '512B', '64KiB', '1.5MiB']);
  });
});

describe('a share', () => {
  it.each([
    ['10%', 0.1],
    ['100%', 1],
    ['0.5%', 0.005],
    [0.25, 0.25],
    ['0.25', 0.25],
    [0, 0],
  ])('of %s is %f', (written, share) => {
    expect(ratio().parse(written)).toBe(share);
  });

  it.each(['101%', 1.1, -0.1, 'half', '', '%'])('is not %s', (written) => {
    expect(ratio().safeParse(written).success).toBe(false);
  });
});

describe('what was probably meant', () => {
  const candidates = ['listen', 'services', 'routes', 'redis'];

  it.each([
    ['lisen', 'listen'],
    ['litsen', 'listen'],
    ['Routes', 'routes'],
    ['servises', 'services'],
  ])('by %s is %s', (written, meant) => {
    expect(didYouMean(written, candidates)).toBe(meant);
  });

  it('is nothing when nothing is near', () => {
    expect(didYouMean('upstreams', candidates)).toBeUndefined();
    expect(didYouMean('x', candidates)).toBeUndefined();
    expect(didYouMean('', candidates)).toBeUndefined();
  });
});
