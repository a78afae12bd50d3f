/** A process of a test that works with a shared segment, as a worker does; what it does is said in its first argument. */
import { Concurrency } from '../../../src/services/limits/algorithms/concurrency.ts';
import { TokenBucket } from '../../../src/services/limits/algorithms/token-bucket.ts';
import { type Decider, LimitEngine } from '../../../src/services/limits/engine.ts';
import { LimitMemory } from '../../../src/services/limits/memory.ts';
import { wordsOf } from '../../../src/shared/directory.ts';
import { openSegment } from '../../../src/shared/segment.ts';
import { type Asked, hashesOf, START, type Task } from './worker-task.ts';

const task = JSON.parse(process.argv[2] as string) as Task;
const segment = openSegment(task.path);
const memory = new LimitMemory(segment, task.worker, 'reject-new');
const engine = new LimitEngine(memory.table, memory.holds);
const { clock } = memory;
const costs = Float64Array.of(1);
const hashes = Array.from({ length: task.keys }, (_, key) => hashesOf(key));

if (task.holds === undefined) process.send?.(ask());
else process.send?.(hold(task.holds));

/** Asks as fast as it can, key by key; what is admitted is also counted in the region `tally`. */
function ask(): Asked {
  const bucket = new TokenBucket(memory.table, task.count, task.periodMs, task.burst);
  const limits: Decider[] = [{ algorithm: bucket, shadow: false }];
  const tally = wordsOf(segment.region('tally'));
  const result: Asked = { ready: false, asked: 0, admitted: 0, first: 0, last: 0 };
  // Code that is not compiled yet asks slower than a fast bucket fills, and what runs over is nobody's fault.
  const others = hashesOf(1_000 + task.worker);
  for (let i = 0; i < 100_000; i++) engine.decide(limits, others, costs, clock.now());
  process.send?.({ ...result, ready: true });
  while (Atomics.load(tally, START) === 0 || clock.now() < Atomics.load(tally, START));
  const until = Atomics.load(tally, START) + task.ms;
  for (let now = clock.now(); now < until; now = clock.now()) {
    const key = result.asked % task.keys;
    if (result.asked++ === 0) result.first = now;
    result.last = now;
    if (!engine.decide(limits, hashes[key] as Int32Array, costs, now).admitted) continue;
    result.admitted++;
    Atomics.add(tally, key, 1);
  }
  return result;
}

/** Takes holds of one key and keeps them until it dies. How many it got. */
function hold(count: number): number {
  const limits: Decider[] = [
    { algorithm: new Concurrency(memory.table, memory.holds, count), shadow: false },
  ];
  let held = 0;
  while (engine.decide(limits, hashesOf(0), costs, clock.now()).admitted) held++;
  setInterval(() => {}, 1_000);
  return held;
}
