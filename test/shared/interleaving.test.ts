/** One process is stopped before each of its accesses in turn, while another works; and killed there. */
import { describe, expect, it } from 'vitest';
import { TokenBucket } from '../../src/services/limits/algorithms/token-bucket.ts';
import { Decision } from '../../src/services/limits/decision.ts';
import type { LimitMemory } from '../../src/services/limits/memory.ts';
import { killedAt, stoppedAt } from './interruption.ts';
import { duplicates, keyIn, open, plainSegment } from './memory.ts';

type Key = [number, number];

const A = keyIn(2, 0);
const B = keyIn(2, 1);
const NOW = 10_000;
/** Longer than any bucket here needs to be full again, and than a claim that has not moved counts. */
const LATER = NOW + 5_000;

/** Counts what is admitted. `n += ask()` would forget what happens while it asks. */
class Tally {
  admitted = 0;

  add(admitted: boolean | undefined): void {
    if (admitted) this.admitted++;
  }
}

/** Asks one process: one token, from a bucket of `burst` that gets one each 100 ms. */
function asker(memory: LimitMemory, burst = 1) {
  const bucket = new TokenBucket(memory.table, 10, 1000, burst);
  const d = new Decision();
  return ([h1, h2]: Key, now = NOW) => bucket.take(d, 0, h1, h2, 1, now);
}

/** What the 16 slots of the keys hold before, by scenario: nothing; one free among buckets in use; one past due. */
const SCENARIOS: Record<string, (ask: ReturnType<typeof asker>) => void> = {
  'an empty table': () => {},
  'one slot left': (ask) => {
    for (let i = 0; i < 15; i++) ask(keyIn(2, 100 + i), NOW - 1);
  },
  'slots that are past due': (ask) => {
    for (let i = 0; i < 16; i++) ask(keyIn(2, 100 + i), NOW - 5_000);
  },
  'their own slots past due': (ask) => {
    ask(A, NOW - 5_000);
    ask(B, NOW - 5_000);
    for (let i = 0; i < 14; i++) ask(keyIn(2, 100 + i), NOW - 1);
  },
};

function eachPoint(run: (n: number) => boolean): number {
  let n = 1;
  while (run(n)) n++;
  return n;
}

describe.each(Object.entries(SCENARIOS))('with %s', (title, prepare) => {
  const template = plainSegment();
  prepare(asker(open(template)));
  const prepared = new Uint8Array(template.region('buckets').buffer);

  function processes(count: number) {
    const segment = plainSegment();
    new Uint8Array(segment.region('buckets').buffer).set(prepared);
    const memories = Array.from({ length: count }, (_, i) => open(segment, i + 1));
    return { memories, ask: memories.map((memory) => asker(memory)) };
  }

  it('two processes that serve one key admit what one would', () => {
    const points = eachPoint((n) => {
      const { memories, ask } = processes(2);
      const tally = new Tally();
      const reached = stoppedAt(
        n,
        () => tally.add(ask[0]?.(A)),
        () => tally.add(ask[1]?.(A)),
      );
      tally.add(ask[0]?.(A));
      tally.add(ask[1]?.(A));
      const { admitted } = tally;
      expect({ n, admitted, twice: duplicates(memories[0] as LimitMemory) }).toEqual({
        n,
        admitted: 1,
        twice: [],
      });
      return reached;
    });
    expect(points).toBeGreaterThan(20);
  });

  // The two scenarios in which slots are contended for; it takes seconds.
  if (/left|that are/.test(title)) {
    it('three processes, each stopped while the next one works, admit what one would', () => {
      eachPoint((n) => {
        let reached = false;
        eachPoint((m) => {
          const { memories, ask } = processes(3);
          const tally = new Tally();
          let deeper = false;
          reached = stoppedAt(
            n,
            () => tally.add(ask[0]?.(A)),
            () => {
              deeper = stoppedAt(
                m,
                () => tally.add(ask[1]?.(A)),
                () => tally.add(ask[2]?.(A)),
              );
            },
          );
          for (const one of ask) tally.add(one(A));
          const { admitted } = tally;
          const twice = duplicates(memories[0] as LimitMemory);
          // Asked first: `expect` itself would take most of the time of ten thousand rounds.
          if (admitted !== 1 || twice.length > 0) expect({ n, m, admitted, twice }).toBe('one, in one slot');
          return deeper;
        });
        return reached;
      });
    }, 120_000);
  }

  it('two keys never share a slot', () => {
    eachPoint((n) => {
      const { memories, ask } = processes(2);
      const tallies = { a: new Tally(), b: new Tally() };
      const count = (key: 'a' | 'b', by: number) => tallies[key].add(ask[by]?.(key === 'a' ? A : B));
      const reached = stoppedAt(
        n,
        () => count('a', 0),
        () => count('b', 1),
      );
      for (const by of [0, 1]) {
        count('a', by);
        count('b', by);
      }
      const admitted = { a: tallies.a.admitted, b: tallies.b.admitted };
      // One slot left is for one of them.
      const wanted = { n, a: 1, b: 1, twice: [] as string[] };
      const room = memories[0]?.table.counts().rejected === 0;
      if (room) expect({ n, ...admitted, twice: duplicates(memories[0] as LimitMemory) }).toEqual(wanted);
      else expect(admitted.a + admitted.b).toBe(1);
      return reached;
    });
  });

  it('a process may be killed anywhere', () => {
    eachPoint((n) => {
      const { memories, ask } = processes(2);
      const other = asker(memories[1] as LimitMemory);
      const killed = killedAt(n, () => ask[0]?.(A));
      let admitted = 0;
      for (let i = 0; i < 3; i++) admitted += Number(other(A));
      expect(admitted).toBeLessThanOrEqual(1);
      expect(duplicates(memories[1] as LimitMemory)).toEqual([]);
      // Later there is room for 16 keys again: nothing is lost for good.
      for (let i = 0; i < 16; i++)
        expect({ n, i, ok: other(keyIn(2, 200 + i), LATER) }).toEqual({ n, i, ok: true });
      return killed;
    });
  });
});

it('a process that is stopped for an hour in the middle disturbs nobody when it wakes', () => {
  const HOUR = NOW + 3_600_000;
  eachPoint((n) => {
    const segment = plainSegment();
    const [sleeper, other] = [open(segment, 1), open(segment, 2)];
    let admitted = 0;
    // Not all 16 slots: a key that loses its slot must find another, and be seen to.
    const others = Array.from({ length: 12 }, (_, i) => keyIn(2, 300 + i));
    const reached = stoppedAt(
      n,
      () => asker(sleeper)(A),
      () => {
        for (const key of others) admitted += Number(asker(other)(key, HOUR));
      },
    );
    for (const key of others) admitted += Number(asker(other)(key, HOUR + 1));
    expect({ n, admitted, twice: duplicates(other) }).toEqual({ n, admitted: 12, twice: [] });
    return reached;
  });
});

it('evicting a bucket in use, too, leaves each key one slot', () => {
  eachPoint((n) => {
    const segment = plainSegment();
    const memories = [open(segment, 1, 'evict-oldest'), open(segment, 2, 'evict-oldest')];
    const ask = memories.map((memory) => asker(memory as LimitMemory));
    for (let i = 0; i < 16; i++) ask[0]?.(keyIn(2, 100 + i), NOW - 16 + i);
    const reached = stoppedAt(
      n,
      () => ask[0]?.(A),
      () => ask[1]?.(B),
    );
    if (!reached) return false;
    expect(duplicates(memories[0] as LimitMemory)).toEqual([]);
    const { evicted } = (memories[0] as LimitMemory).table.counts();
    expect(evicted).toBeGreaterThanOrEqual(2);
    expect(evicted).toBeLessThanOrEqual(3);
    return reached;
  });
});

it('a process that finds its free slot taken by a faster one evicts nothing while another is free', () => {
  eachPoint((n) => {
    const segment = plainSegment();
    const memories = [open(segment, 1, 'evict-oldest'), open(segment, 2, 'evict-oldest')];
    const ask = memories.map((memory) => asker(memory as LimitMemory));
    const tally = new Tally();
    const reached = stoppedAt(
      n,
      () => tally.add(ask[0]?.(A)),
      () => tally.add(ask[1]?.(B)),
    );
    if (!reached) return false;
    // Each has its one token, and nobody begins anew.
    for (const one of ask) for (const key of [A, B]) tally.add(one(key));
    const { evicted } = (memories[0] as LimitMemory).table.counts();
    expect({ n, evicted, admitted: tally.admitted }).toEqual({ n, evicted: 0, admitted: 2 });
    return true;
  });
});
