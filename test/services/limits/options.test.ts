/** The options of a limit, as the schema takes and refuses them. */
import { describe, expect, it } from 'vitest';
import { limit, rate } from '../../../src/config/schema/limits/limits.ts';

describe('a rate', () => {
  it.each([
    ['100/s', 100, 1_000],
    ['5/min', 5, 60_000],
    ['1000/h', 1_000, 3_600_000],
    ['10 / d', 10, 86_400_000],
  ])('of %s is %i in %i ms', (written, count, periodMs) => {
    expect(rate().parse(written)).toEqual({ count, periodMs });
  });

  it.each([
    ['0/s', 'would admit nothing'],
    ['-1/s', 'is not a rate'],
    ['1.5/s', 'is not a rate'],
    ['100', 'is not a rate'],
    ['10000001/s', 'is too large'],
    ['9999999999999/d', 'is too large'],
    ['', 'is not a rate'],
    [5, 'a rate such as'],
  ])('is not %s: %s', (written, message) => {
    expect(rate().safeParse(written).error?.issues[0]?.message).toContain(message);
  });

  it.each([
    ['5/m', '5/min'],
    ['5/minute', '5/min'],
    ['100/second', '100/s'],
    ['7/hours', '7/h'],
  ])('written as %s is understood as a mistake for %s', (written, meant) => {
    const issue = rate().safeParse(written).error?.issues[0] as unknown as { params: { suggestion: string } };
    expect(issue.params.suggestion).toBe(meant);
  });
});

describe('a limit', () => {
  it.each([
    [{ by: ['user'], rate: '100/s', burst: 200 }],
    [{ by: ['ip'], rate: '5/min', algorithm: 'sliding-window' }],
    [{ by: ['apiKey', 'route'], rate: '50/s', cost: { header: 'x-cost', default: 1 } }],
    [{ by: ['ip'], algorithm: 'concurrency', max: 5 }],
    [{ by: ['role'], rate: { trader: '500/s', viewer: '20/s', default: '10/s' } }],
    [{ by: ['header:X-Tenant', 'claim:org.id', 'param:id'], rate: '1/s' }],
  ])('may be %j', (written) => {
    expect(limit.safeParse(written).error).toBeUndefined();
  });

  it('is spelt out', () => {
    expect(limit.parse({ by: ['header:X-Tenant', 'claim:Org'], rate: '5/min' })).toEqual({
      by: ['header:x-tenant', 'claim:Org'],
      algorithm: 'token-bucket',
      rate: { count: 5, periodMs: 60_000 },
      over: 'reject',
      ipv6Prefix: 64,
    });
  });

  it.each([
    [{ rate: '1/s' }, 'by', 'a list of keys'],
    [{ by: [], rate: '1/s' }, 'by', 'at least one key'],
    [{ by: ['usr'], rate: '1/s' }, 'by.0', 'nothing to limit by'],
    [{ by: ['header:'], rate: '1/s' }, 'by.0', 'names nothing'],
    [{ by: ['header:a b'], rate: '1/s' }, 'by.0', 'cannot be the name of a header'],
    [{ by: ['ip'] }, 'algorithm', 'token-bucket needs rate'],
    [{ by: ['ip'], algorithm: 'concurrency' }, 'algorithm', 'concurrency needs max'],

    [{ by: ['ip'], algorithm: 'sliding-window', rate: '5/s', burst: 5 }, 'burst', 'has no burst'],

    [{ by: ['ip'], algorithm: 'concurrency', max: 20_000 }, 'max', 'a whole number from 1 to 16383'],
    [{ by: ['ip'], rate: '5/s', max: 5 }, 'max', 'token-bucket has no max'],
    [{ by: ['ip'], rate: '5/s', burst: 0 }, 'burst', 'a whole number from 1'],
    [{ by: ['ip'], rate: '5/s', cost: { value: 6 } }, 'cost', 'would never be admitted'],
    [{ by: ['ip'], rate: '5/s', cost: { header: 'x', value: 2 } }, 'cost.value', 'exclude each other'],
    [{ by: ['ip'], rate: '5/s', cost: { header: 'x', default: 0 } }, 'cost.default', 'less than min'],
    [{ by: ['ip'], rate: '5/s', cost: { header: 'x', min: 4, max: 3 } }, 'cost.min', 'more than max'],
    [{ by: ['ip', 'ip'], rate: '5/s' }, 'by', 'each key once'],
    [{ by: ['role'], rate: { trader: '5/s' } }, 'rate', 'need a default'],

    [{ by: ['ip'], rate: '5/s', ipv6Prefix: 0 }, 'ipv6Prefix', 'a whole number from 1 to 128'],
    [{ by: ['ip'], algorithm: 'concurrency', max: 5, rate: '1/s' }, 'rate', 'concurrency has no rate'],
    [{ by: ['ip'], algorithm: 'leaky', rate: '1/s' }, 'algorithm', 'Invalid option'],
    [{ by: ['ip'], rate: '5/s', rates: '5/s' }, '', 'rates'],
  ])('is not %j: at "%s", %s', (written, path, message) => {
    const issues = limit.safeParse(written).error?.issues ?? [];
    expect(issues.map((issue) => issue.path.join('.'))).toContain(path);
    expect(issues.map((issue) => issue.message).join('\n')).toContain(message);
  });

  it('describes each option with an example', () => {
    for (const [name, option] of Object.entries(limit.shape)) {
      const { description, examples } = option.meta() ?? {};
      expect([name, typeof description, Array.isArray(examples)]).toEqual([name, 'string', true]);
    }
  });
});
