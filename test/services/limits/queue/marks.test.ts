/** Numbers that workers leave for each other, whatever happens to the one who writes them. */
import { describe, expect, it } from 'vitest';
import { Marks } from '../../../../src/services/limits/queue/marks.ts';
import { killedAt, stoppedAt } from '../../../shared/interruption.ts';
import { duplicates, keyIn, open, plainSegment } from '../../../shared/memory.ts';

const KEY = keyIn(2, 0);
const NOW = 10_000;
const FOR_MS = 2_000;

function writers() {
  const segment = plainSegment();
  const memories = [open(segment, 1), open(segment, 2)];
  const [mine, others] = memories.map(({ table }) => new Marks(table)) as [Marks, Marks];
  const value = (now = NOW) => (mine.read(...KEY, now) ? mine.value : null);
  return { mine, others, value, memory: memories[0]! };
}

describe('a mark', () => {
  it('is read by others until some time after it was last written', () => {
    const { others, value } = writers();
    expect(value()).toBe(null);
    others.put(...KEY, 7, FOR_MS, NOW);
    expect([value(), value(NOW + FOR_MS), value(NOW + FOR_MS + 600)]).toEqual([7, 7, null]);
    others.put(...KEY, 0, FOR_MS, NOW + 10_000);
    expect(value(NOW + 10_000)).toBe(0);
  });

  it('that is raised goes on and never back, also where numbers come round', () => {
    const { others, value } = writers();
    const top = 0x7fff_fff0;
    others.raise(...KEY, top, FOR_MS, NOW);
    others.raise(...KEY, top - 8, FOR_MS, NOW);
    expect(value()).toBe(top);
    others.raise(...KEY, (top + 32) | 0, FOR_MS, NOW);
    expect(value()).toBe((top + 32) | 0);
    // Forgotten: any number is news.
    others.raise(...KEY, 5, FOR_MS, NOW + 10_000);
    expect(value(NOW + 10_000)).toBe(5);
  });

  it('takes nothing when the table has no room, and says that there is none', () => {
    const { mine, value, memory } = writers();
    for (let i = 1; i <= 16; i++) new Marks(memory.table).put(...keyIn(2, i), i, FOR_MS, NOW);
    mine.put(...KEY, 7, FOR_MS, NOW);
    expect(value()).toBe(null);
  });
});

describe.each([
  ['nothing before', () => {}],
  ['one that is in force', (marks: Marks) => marks.put(...KEY, 10, FOR_MS, NOW)],
  ['one that is forgotten', (marks: Marks) => marks.put(...KEY, 10, 10, NOW - 5_000)],
] as [string, (marks: Marks) => void][])('two who write at once, with %s', (_, prepare) => {
  it('leave the later one, wherever the first was stopped', () => {
    let n = 1;
    for (; ; n++) {
      const { mine, others, value, memory } = writers();
      prepare(mine);
      const ran = stoppedAt(
        n,
        () => mine.raise(...KEY, 20, FOR_MS, NOW),
        () => others.raise(...KEY, 30, FOR_MS, NOW),
      );
      if (!ran) break;
      expect([n, value()]).toEqual([n, 30]);
      expect(duplicates(memory)).toEqual([]);
    }
    expect(n).toBeGreaterThan(5);
  });

  it('one that is killed leaves what can be read and written', () => {
    let n = 1;
    for (; ; n++) {
      const { mine, others, value } = writers();
      prepare(others);
      const before = value();
      if (!killedAt(n, () => mine.raise(...KEY, 20, FOR_MS, NOW))) break;
      expect([before, 20]).toContain(value());
      // A claim that was left half-done is free after a second or two.
      others.raise(...KEY, 30, FOR_MS, NOW + 3_000);
      expect([n, value(NOW + 3_000)]).toEqual([n, 30]);
    }
    expect(n).toBeGreaterThan(5);
  });
});
