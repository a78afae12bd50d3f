/** Which slots have changed: every mark is found once, in pieces of a bounded size. */
import { expect, it } from 'vitest';
import { tableBytes } from '../../src/shared/bucket-table.ts';
import { marksBytes, SlotMarks } from '../../src/shared/slot-marks.ts';
import { GROUP_SLOTS, GROUP_WORDS } from '../../src/shared/slots.ts';

function marksFor(keys: number) {
  const bytes = marksBytes(tableBytes(keys));
  const region = { buffer: new ArrayBuffer(bytes), offset: 0, bytes };
  const slots = Math.floor(tableBytes(keys) / 4 / GROUP_WORDS) * GROUP_SLOTS;
  const slot = (n: number) => Math.floor(n / GROUP_SLOTS) * GROUP_WORDS + 2 * (n % GROUP_SLOTS);
  return { one: new SlotMarks(region, 0), other: new SlotMarks(region, 1), slots, slot };
}

it('finds each marked slot once, the first and the last too, and not those of the other kind', () => {
  const { one, other, slots, slot } = marksFor(1000);
  const marked = [0, 7, 8, 31, 32, 63, slots - 1].map(slot);
  for (const p of [...marked, ...marked]) one.mark(p);
  other.mark(slot(5));
  const taken: number[] = [];
  expect(one.take(0, 1000, taken)).toBe(one.words);
  expect(taken.sort((a, b) => a - b)).toEqual(marked);
  const again: number[] = [];
  one.take(0, 1000, again);
  expect(again).toEqual([]);
  other.take(0, 1000, again);
  expect(again).toEqual([slot(5)]);
});

it('takes a million changes in bounded pieces, and looks at a table without any in no time', () => {
  const { one, slots, slot } = marksFor(1_000_000);
  for (let i = 0; i < slots; i++) one.mark(slot(i));
  let found = 0;
  let largest = 0;
  for (let word = 0; word < one.words; ) {
    const taken: number[] = [];
    word = one.take(word, 512, taken);
    found += taken.length;
    largest = Math.max(largest, taken.length);
  }
  expect(found).toBe(slots);
  expect(slots).toBeGreaterThan(1_000_000);
  expect(largest).toBeLessThan(512 + 32);
  const startedAt = performance.now();
  one.take(0, 512, []);
  const tookMs = performance.now() - startedAt;
  process.stdout.write(`a look at ${slots} slots without changes: ${tookMs.toFixed(2)} ms\n`);
  expect(tookMs).toBeLessThan(50);
});
