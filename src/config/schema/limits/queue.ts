/** What a limit does with requests that are over it. */
import { z } from 'zod';
import { text } from '../../fields.js';
import { duration } from '../../units.js';

const MOST_WAITING = 100_000;
const LONGEST_MS = 300_000;
const MOST_WEIGHT = 100;

/** `reject`, `queue`, or a queue with options. Output: `reject` or the latter. */
export function over<K extends z.ZodType<string, string>>(key: K) {
  const queue = z.strictObject({
    max: count(1, MOST_WAITING)
      .prefault(100)
      .meta({
        description:
          'Most requests that wait in a worker, for all keys of the limit together. When it is full, the last one of the key with the most makes room for one of a key with fewer.',
        examples: [1_000],
      }),
    perKey: count(1, MOST_WAITING)
      .optional()
      .meta({
        description: 'Most of these for one key: of `fairBy`, else of `by`. Absent: `max`.',
        examples: [20],
      }),
    deadline: duration({ min: 1, max: LONGEST_MS })
      .prefault('1s')
      .meta({ description: 'Longest wait; after it 429.', examples: ['2s'] }),
    fairBy: z
      .array(key, { error: 'a list of keys' })
      .min(1, { error: 'at least one key' })
      .optional()
      .meta({
        description:
          'Keys that take turns when several wait for one bucket, as in `by`. Absent: first come, first served.',
        examples: [['user']],
      }),
    weights: z
      .record(text(), count(1, MOST_WEIGHT))
      .optional()
      .meta({
        description:
          'Turns that a key gets for one of another, by role, by `plan:NAME`, and `default` (1); the highest counts. With `fairBy`.',
        examples: [{ trader: 2, 'plan:gold': 4, default: 1 }],
      }),
  });
  return z.union(
    [
      z.literal('reject'),
      z.literal('queue').transform(() => ({ queue: queue.parse({}) })),
      z.strictObject({
        queue: queue.meta({
          description: 'Requests over the limit wait: how many, how long, in what order.',
        }),
      }),
    ],
    { error: 'reject, queue, or a mapping with queue' },
  );
}

export interface QueueConfig {
  readonly max: number;
  readonly perKey?: number | undefined;
  /** Milliseconds. */
  readonly deadline: number;
  readonly fairBy?: string[] | undefined;
  readonly weights?: Record<string, number> | undefined;
}

interface Unchecked {
  readonly by: readonly string[];
  readonly algorithm: string;
  readonly over: 'reject' | { queue: QueueConfig };
}

/** What makes no sense together. */
export function overContradictions(
  { by, algorithm, over }: Unchecked,
  refuse: (path: string, message: string, expected?: string) => void,
): void {
  if (over === 'reject') return;
  const { max, perKey, fairBy, weights } = over.queue;
  if (algorithm === 'quota')
    refuse('over', 'a quota has no queue: nobody waits for tomorrow', 'over: reject');
  if (algorithm === 'adaptive')
    refuse('over', 'an adaptive limit has no queue: who waits would be counted again', 'over: reject');
  if (weights !== undefined && fairBy === undefined)
    refuse('over', 'weights need fairBy: without it all wait in one row', 'fairBy: [user]');
  if (perKey !== undefined && perKey > max)
    refuse('over', `perKey ${perKey} is more than max ${max}`, `at most ${max}`);
  if (fairBy?.length && fairBy.every((key) => by.includes(key)))
    refuse('over', 'all who wait for one bucket agree in what fairBy names', 'a key that `by` does not have');
}

function count(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}
