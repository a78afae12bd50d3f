import { describe, expect, it } from 'vitest';
import { LatestQueue } from '../../../src/websocket/outbound/latest-queue.ts';

/** `K1` is state of K, `K!1` a protected message of K, `!1` one about nothing in particular. */
function queueOf(...words: string[]) {
  const queue = new LatestQueue();
  let replaced = 0;
  for (const word of words) {
    const [, key, mark] = /^([A-Z]?)(!?)/.exec(word) as RegExpExecArray;
    if (mark === '!') queue.putProtected(key || null, Buffer.from(word), false);
    else if (queue.putState(key as string, Buffer.from(word), false)) replaced++;
  }
  return { queue, replaced };
}

function drain(queue: LatestQueue): string[] {
  const out: string[] = [];
  for (let next = queue.peek(); next !== null; next = queue.peek()) {
    out.push(next.message.toString());
    queue.shift();
  }
  return out;
}

describe('what waits', () => {
  it.each([
    ['nothing is replaced that has no newer one', ['A1', 'B1', 'C1'], ['A1', 'B1', 'C1'], 0],
    ['a newer one takes the place of the older', ['A1', 'B1', 'A2', 'C1', 'A3'], ['A3', 'B1', 'C1'], 2],
    [
      'protected ones are all kept, in order',
      ['!1', 'A!2', 'B!3', 'A!4', '!5'],
      ['!1', 'A!2', 'B!3', 'A!4', '!5'],
      0,
    ],
    ['a newer one does not pass what is protected of its key', ['A1', 'A!2', 'A3'], ['A1', 'A!2', 'A3'], 0],
    ['nor what may be about everything', ['A1', '!2', 'A3'], ['A1', '!2', 'A3'], 0],
    ['but it does pass what is protected of others', ['A1', 'B!2', 'A3'], ['A3', 'B!2'], 1],
    ['behind it the latest is replaced again', ['A1', 'A!2', 'A3', 'B1', 'A4'], ['A1', 'A!2', 'A4', 'B1'], 1],
    [
      'between two protected ones nothing of the key stays but the first and the last',
      ['A1', 'A!2', 'A3', 'A!4', 'A5', 'A!6', 'A7'],
      ['A1', 'A!2', 'A!4', 'A!6', 'A7'],
      2,
    ],
  ])('%s', (_name, words, left, replacedThen) => {
    const { queue, replaced } = queueOf(...words);
    expect(queue.length).toBe(left.length);
    expect(drain(queue)).toEqual(left);
    expect(replaced).toBe(replacedThen);
    expect([queue.length, queue.bytes]).toEqual([0, 0]);
  });

  it('is told apart by the kind of its key, too', () => {
    const queue = new LatestQueue();
    queue.putState(1, Buffer.from('number'), false);
    queue.putState('1', Buffer.from('text'), false);
    queue.putState(true, Buffer.from('boolean'), false);
    expect(drain(queue)).toEqual(['number', 'text', 'boolean']);
  });

  it('takes no more memory than a message for each key, however long it waits', () => {
    const queue = new LatestQueue();
    const message = Buffer.alloc(100);
    for (let i = 0; i < 100_000; i++) queue.putState(i % 50, message.subarray(0, 80 + (i % 20)), true);
    expect(queue.length).toBe(50);
    expect(queue.bytes).toBeLessThanOrEqual(50 * (100 + 256));
  });

  it('is a copy: what it was read from may be used again', () => {
    const queue = new LatestQueue();
    const message = Buffer.from('A1');
    queue.putState('A', message, false);
    message.fill(0);
    expect(drain(queue)).toEqual(['A1']);
  });
});

describe('what waits, taken while more comes', () => {
  /** A simple generator of numbers that look random, the same each time. */
  function dice(seed: number) {
    let state = seed;
    return (most: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * most);
    };
  }

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('keeps its promises (%i)', (seed) => {
    const roll = dice(seed);
    const queue = new LatestQueue();
    const sent: { key: string | null; isProtected: boolean }[] = [];
    const got: number[] = [];
    const take = () => {
      const next = queue.peek();
      if (next !== null) got.push(Number(next.message.toString()));
      queue.shift();
    };
    for (let i = 0; i < 4_000; i++) {
      const key = roll(20) === 0 ? null : String.fromCharCode(65 + roll(6));
      const isProtected = key === null || roll(8) === 0;
      sent.push({ key, isProtected });
      const message = Buffer.from(`${i}`);
      if (isProtected) queue.putProtected(key, message, false);
      else queue.putState(key as string, message, false);
      if (roll(3) === 0) take();
    }
    while (queue.peek() !== null) take();

    const indexes = sent.map((_, i) => i);
    expect(got.filter((i) => sent[i]!.isProtected)).toEqual(indexes.filter((i) => sent[i]!.isProtected));
    for (const key of ['A', 'B', 'C', 'D', 'E', 'F']) {
      const about = (i: number) => sent[i]!.key === key || sent[i]!.key === null;
      const ofKey = got.filter(about);
      expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b)); // nothing passes anything of its key
      const last = (list: number[]) => list.findLast((i) => sent[i]!.key === key);
      expect(last(got)).toBe(last(indexes));
    }
  });
});
