import { expect, it } from 'vitest';
import { Concurrency } from '../../src/services/limits/algorithms/concurrency.ts';
import { Decision } from '../../src/services/limits/decision.ts';
import type { LimitMemory } from '../../src/services/limits/memory.ts';
import { heldOf, STATE } from '../../src/shared/slots.ts';
import { killedAt } from './interruption.ts';
import { keyIn, open, plainSegment, SMALL } from './memory.ts';

const NOW = 10_000;
const [H1, H2] = keyIn(1, 7);

function taker(memory: LimitMemory, most = 5, [h1, h2] = [H1, H2]) {
  const limit = new Concurrency(memory.table, memory.holds, most);
  const d = new Decision();
  return (now = NOW) => (limit.take(d, 0, h1, h2, 1, now) ? (d.holds[0] as number) : null);
}

const held = ({ table }: LimitMemory, [h1, h2] = [H1, H2]) => {
  const p = table.find(h1, h2);
  return p < 0 ? 0 : heldOf(table.words[p + STATE] as number);
};

it('as many are held as the limit says, by whichever worker, and room comes back one by one', () => {
  const segment = plainSegment();
  const [first, second] = [open(segment, 1), open(segment, 2)];
  const tokens = [taker(first)(), taker(second)(), taker(first)(), taker(second)(), taker(second)()];
  expect(tokens).not.toContain(null);
  expect(taker(first)()).toBe(null);
  second.holds.give(second.table.words, tokens[1] as number);
  expect(taker(first)()).not.toBe(null);
  expect(taker(second)()).toBe(null);
});

it('a token that was given back is nothing any more', () => {
  const memory = open(plainSegment());
  const take = taker(memory);
  const token = take() as number;
  take();
  memory.holds.give(memory.table.words, token);
  memory.holds.give(memory.table.words, token);
  expect(held(memory)).toBe(1);
});

it('a worker holds no more than its list has room for, and refuses then', () => {
  const memory = open(plainSegment());
  const take = taker(memory, 1000);
  for (let i = 0; i < SMALL.holdsPerWorker; i++) expect(take()).not.toBe(null);
  expect(take()).toBe(null);
  expect(held(memory)).toBe(SMALL.holdsPerWorker);
});

it('the primary gives back what a dead worker held, and nothing of the others', () => {
  const segment = plainSegment();
  const [primary, dead, alive] = [open(segment, 0), open(segment, 1), open(segment, 2)];
  for (let i = 0; i < 3; i++) taker(dead)();
  taker(alive)();
  expect(primary.releaseWorker(1)).toBe(3);
  expect(held(primary)).toBe(1);
  expect(primary.releaseWorker(1)).toBe(0);
  expect(open(segment, 1).holds.room).toBe(SMALL.holdsPerWorker);
});

it.each([
  'nobody comes in between',
  'another worker takes one before the release',
  'the slot goes to another key before the release',
])('a worker killed anywhere while it takes or gives leaves no count behind, when %s', (between) => {
  let n = 1;
  for (let killed = true; killed; n++) {
    const segment = plainSegment();
    const [primary, worker, other] = [open(segment, 0), open(segment, 1), open(segment, 2)];
    const take = taker(worker);
    killed = killedAt(n, () => {
      const a = take() as number;
      const b = take() as number;
      worker.holds.give(worker.table.words, a);
      worker.holds.give(worker.table.words, b);
    });
    let expected = 0;
    if (between.startsWith('another')) expected = Number(taker(other)() !== null);
    if (between.startsWith('the slot')) {
      // All other slots of the two groups are in use, so this one is the only choice.
      const fill = Array.from({ length: 16 }, (_, i) => taker(other, 5, keyIn(1, 50 + i))(NOW + 2_000));
      expected = fill.filter((token) => token !== null).length;
    }
    primary.releaseWorker(1);
    let counted = held(primary);
    for (let i = 0; i < 16; i++) counted += held(primary, keyIn(1, 50 + i));
    expect({ n, counted }).toEqual({ n, counted: expected });
  }
  expect(n).toBeGreaterThan(60);
});

it('operations are told apart though their numbers come round', () => {
  const segment = plainSegment();
  const [primary, worker] = [open(segment, 0), open(segment, 1)];
  const take = taker(worker, 1);
  for (let i = 0; i < 1_000; i++) worker.holds.give(worker.table.words, take() as number);
  const kept = take();
  expect(kept).not.toBe(null);
  expect(held(primary)).toBe(1);
  expect(primary.releaseWorker(1)).toBe(1);
  expect(held(primary)).toBe(0);
});
