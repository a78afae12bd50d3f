/** Threads that take turns at every access to shared memory, in an order drawn by lot; some are killed on the way. */
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { limitLayout } from '../../src/services/limits/memory.ts';
import { segmentBytes } from '../../src/shared/directory.ts';
import type { Lockstep } from './lockstep-thread.ts';
import { SMALL } from './memory.ts';

const SCRIPT = new URL('./lockstep-thread.ts', import.meta.url);
const RESOLVE = new URL('./resolve-ts.ts', import.meta.url);
const SEED = Number(process.env.LOCKSTEP_SEED ?? 1);
const ROUNDS = Number(process.env.LOCKSTEP_ROUNDS ?? 400);

async function run(threads: number, options: Pick<Lockstep, 'kills' | 'what' | 'policy'>): Promise<string[]> {
  const control = new SharedArrayBuffer(256);
  const memory = new SharedArrayBuffer(segmentBytes(limitLayout(SMALL)));
  const failures = await Promise.all(
    Array.from({ length: threads }, (_, me) => {
      const workerData: Lockstep = { me, threads, rounds: ROUNDS, seed: SEED, control, memory, ...options };
      const thread = new Worker(SCRIPT, { workerData, execArgv: ['--import', RESOLVE.href] });
      return new Promise<string[]>((resolve, reject) => {
        thread.once('message', resolve);
        thread.once('error', reject);
      });
    }),
  );
  return failures.flat();
}

it.each([2, 3])(
  '%i threads never admit more than a bucket holds, and never give a key two slots',
  async (threads) => {
    expect(await run(threads, { kills: 0, what: 'buckets', policy: 'reject-new' })).toEqual([]);
  },
  60_000,
);

it('nor do they where a full table would evict, which they never do while there is room', async () => {
  expect(await run(3, { kills: 0, what: 'buckets', policy: 'evict-oldest' })).toEqual([]);
}, 60_000);

it('nor do they when some are killed anywhere', async () => {
  expect(await run(3, { kills: 40, what: 'buckets', policy: 'reject-new' })).toEqual([]);
}, 60_000);

it('what is counted as held is held by somebody, once the dead are released', async () => {
  expect(await run(3, { kills: 0, what: 'holds', policy: 'reject-new' })).toEqual([]);
  expect(await run(3, { kills: 50, what: 'holds', policy: 'reject-new' })).toEqual([]);
}, 60_000);
