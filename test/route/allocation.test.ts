/**
 * The request path allocates nothing where the design says so: counted in the heap, as a collection would be
 * too late to see.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { canonicalPath } from '../../src/route/path.ts';
import { RouteTable } from '../../src/route/table.ts';
import { emptyMatch, request, route } from './requests.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const CALLS = 20_000;
/** The smallest object takes 12 bytes or more; below that it is the engine's own bookkeeping. */
const LESS_THAN_AN_OBJECT = 8;

/**
 * Bytes that one call leaves in the heap: the least of several rounds, as the engine's own compiling
 * allocates too.
 */
function bytesPerCall(call: () => void): number {
  for (let i = 0; i < CALLS; i++) call();
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    collect();
    const before = getHeapStatistics().used_heap_size;
    for (let i = 0; i < CALLS; i++) call();
    least = Math.min(least, getHeapStatistics().used_heap_size - before);
  }
  return least / CALLS;
}

const table = new RouteTable([
  route('exact', {
    path: '/api/v1/quotes',
    methods: ['GET'],
    headers: { 'x-a': { exact: '1' } },
    query: { q: { present: true } },
  }),
  route('host', { host: ['a.com'], path: '/api/v1/quotes', methods: ['PUT'] }),
  route('deep', { path: '/api/:version/quotes/:id' }),
  ...Array.from({ length: 20 }, (_, i) =>
    route(`t${i}`, { path: '/t', headers: { tenant: { exact: `${i}` } } }),
  ),
]);

it('finds a route without parameters and allocates nothing', () => {
  const match = emptyMatch();
  for (const asked of [
    request('GET', 'a.com/api/v1/quotes?p=1&q', { 'x-a': '1' }),
    request('PUT', 'a.com/api/v1/quotes'),
    request('GET', '/t', { tenant: '7' }),
  ]) {
    expect(table.find(asked, match)).not.toBe(null);
    expect(bytesPerCall(() => table.find(asked, match))).toBeLessThan(LESS_THAN_AN_OBJECT);
  }
});

it('takes a canonical path as it is and allocates nothing', () => {
  expect(bytesPerCall(() => canonicalPath('/api/v1/quotes/EURUSD.json'))).toBeLessThan(LESS_THAN_AN_OBJECT);
});

it('would see an allocation', () => {
  const kept: unknown[] = [];
  expect(bytesPerCall(() => kept.splice(0, 1, new Array(4)))).toBeGreaterThan(16);
});
