/** What workers and the primary tell each other about shared limits. */
import { describe, expect, it } from 'vitest';
import { GROUP_SLOTS, GROUP_WORDS } from '../../src/shared/slots.ts';
import {
  boardBytes,
  type Figures,
  firstHalf,
  LIMIT_ID,
  SHARED_BUCKET,
  SyncBoard,
  slotNumber,
  wishBetween,
  wishFor,
  wishOf,
} from '../../src/shared/sync-board.ts';
import { open, plainSegment } from './memory.ts';

const GROUPS = 1024;
const region = () => ({ buffer: new ArrayBuffer(boardBytes(GROUPS)), offset: 0, bytes: boardBytes(GROUPS) });
const figures: Figures = { kind: SHARED_BUCKET, count: 100, periodMs: 1000, burst: 200 };

/** The index of a slot's tag. */
const at = (slot: number) => Math.floor(slot / GROUP_SLOTS) * GROUP_WORDS + 2 * (slot % GROUP_SLOTS);

function taken(board: SyncBoard, everywhere = false): number[] {
  const slots: number[] = [];
  board.takeMarks((p) => slots.push(slotNumber(p)), everywhere);
  return slots;
}

describe('a mark', () => {
  it('is found once, whatever slot it is of', () => {
    const board = new SyncBoard(region(), GROUPS);
    const slots = [0, 1, 31, 32, 33, 1023, 1024, 5000, GROUPS * GROUP_SLOTS - 1];
    for (const slot of [...slots, ...slots]) board.mark(at(slot));
    expect(taken(board)).toEqual(slots);
    expect(taken(board)).toEqual([]);
    board.mark(at(33));
    expect(taken(board)).toEqual([33]);
  });

  it('that is set while marks are taken is found the next time', () => {
    const board = new SyncBoard(region(), GROUPS);
    board.mark(at(7));
    board.takeMarks((p) => board.mark(p), false);
    expect(taken(board)).toEqual([7]);
  });

  it('whose worker was killed before it could say so is found by looking everywhere', () => {
    const own = region();
    const board = new SyncBoard(own, GROUPS);
    board.mark(at(4711));
    // Everything above the mark itself is as before.
    const words = new Int32Array(own.buffer);
    const marks = Math.ceil((GROUPS * GROUP_SLOTS) / 32);
    const summaryAt = words.length - 2 * Math.ceil(Math.ceil(marks / 32) / 2);
    words.fill(0, summaryAt);
    words[0] = 0;
    board.mark(at(4711)); // found to be marked already
    expect(taken(board)).toEqual([]);
    expect(taken(board, true)).toEqual([4711]);
  });
});

describe('figures', () => {
  it('have one number for all processes, and are found by it', () => {
    const own = region();
    const [one, other] = [new SyncBoard(own, GROUPS), new SyncBoard(own, GROUPS)];
    const id = one.register(figures);
    expect(other.register({ ...figures })).toBe(id);
    expect(other.register({ ...figures, burst: 201 })).not.toBe(id);
    expect(other.figures(id)).toEqual(figures);
    expect([other.figures(0), other.figures(99)]).toEqual([null, null]);
  });

  it('are refused when there are too many', () => {
    const board = new SyncBoard(region(), GROUPS);
    for (let count = 1; count <= LIMIT_ID; count += 1) board.register({ ...figures, count });
    expect(() => board.register({ ...figures, count: LIMIT_ID + 1 })).toThrow(RangeError);
    expect(board.register({ ...figures, count: 5 })).toBe(5);
  });
});

it('what was refused is counted above the number of the limit, and comes round', () => {
  let word = 17;
  for (let i = 0; i < 5000; i++) {
    const before = word;
    word = (word + wishFor(1000)) | 0;
    expect(word & LIMIT_ID).toBe(17);
    expect(wishBetween(wishOf(before), wishOf(word))).toBe(1000);
  }
});

it('the first half of a hash is known by tag and place', () => {
  const { table } = open(plainSegment({ keys: 1000, workers: 1, holdsPerWorker: 16 }));
  for (let i = 0; i < 500; i++) {
    const h1 = Math.imul(i + 1, 0x9e3779b1) | 0;
    const p = table.obtain(h1, i, 3, 0, 0);
    expect(firstHalf(p, Atomics.load(table.words, p), table.groups)).toBe(h1);
  }
});
