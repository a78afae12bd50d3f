import { describe, expect, it } from 'vitest';
import { isRequestId, newRequestId } from '../../src/listen/request-id.ts';

describe('a new request id', () => {
  it('is a UUID of version 7 (RFC 9562 §5.7) that holds the time', () => {
    const before = Date.now();
    const id = newRequestId();
    const after = Date.now();
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const at = Number.parseInt(id.replace('-', '').slice(0, 12), 16);
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(after);
  });

  it('is not given twice', () => {
    const ids = new Set(Array.from({ length: 20_000 }, newRequestId));
    expect(ids.size).toBe(20_000);
  });

  it('sorts behind those of earlier milliseconds', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) {
      ids.push(newRequestId());
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect([...ids].sort()).toEqual(ids);
  });

  it('sorts behind those of the same millisecond, as long as a millisecond can count them', () => {
    for (let tries = 0; tries < 100; tries++) {
      const ids = Array.from({ length: 50 }, newRequestId);
      if (ids[0]?.slice(0, 13) !== ids[49]?.slice(0, 13) || ids[0]?.slice(19) !== ids[49]?.slice(19))
        continue;
      expect([...ids].sort()).toEqual(ids);
      return;
    }
    expect.unreachable('fifty ids never fell into one millisecond');
  });

  it('uses all of its random bits', () => {
    let everSet = 0n;
    let alwaysSet = -1n;
    // The random part is new each millisecond: enough of them that no bit stays the same by chance.
    for (const end = performance.now() + 100; performance.now() < end; ) {
      const id = BigInt(`0x${newRequestId().replaceAll('-', '')}`);
      everSet |= id;
      alwaysSet &= id;
    }
    const random = (1n << 62n) - 1n;
    expect(everSet & random).toBe(random);
    expect(alwaysSet & random).toBe(0n);
    expect((everSet >> 64n) & 0xfffn).toBe(0xfffn);
    expect((alwaysSet >> 64n) & 0xfffn).toBe(0n);
  });
});

describe('an id that is taken over', () => {
  it.each([
    'a',
    '0190b6a0-0000-7000-8000-000000000000',
    'Root=1-5759e988-bd862e3fe1be46a994272793',
    'a:b/c+d@e._-',
    'x'.repeat(128),
  ])('may be %s', (id) => {
    expect(isRequestId(id)).toBe(true);
  });

  it.each(['', ' ', 'a b', 'a\tb', 'a\n', 'a"', "a'", 'a<b', 'a\\', 'a,b', 'é', 'a;b', 'x'.repeat(129)])(
    'may not be %j',
    (id) => {
      expect(isRequestId(id)).toBe(false);
    },
  );
});
