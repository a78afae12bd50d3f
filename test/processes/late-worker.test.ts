/** A worker whose process stands still (SIGSTOP, swapping, a debugger) while others go on. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { superviseWorkers } from '../harness/supervised.ts';

const APPLY_MS = 400;

test('one that answers late takes what is in force, and is shown as it is', async () => {
  const workers = await superviseWorkers({ count: 2, body: 'one', patience: { applyMs: APPLY_MS } });
  const { pid } = workers.view(1);
  process.kill(pid, 'SIGSTOP');
  const late = await workers.say('two');
  expect(late).toMatchObject({
    result: 'partial',
    generation: 2,
    workers: [
      { worker: 1, result: 'late', error: `no answer to "apply" within ${APPLY_MS} ms` },
      { worker: 2, result: 'applied', error: null },
    ],
  });
  expect([workers.view(1).generation, workers.view(2).generation]).toEqual([1, 2]);

  process.kill(pid, 'SIGCONT');
  await eventually(() => workers.view(1).generation === 2);
  expect(workers.view(1)).toMatchObject({ pid, restarts: 0 });
  expect(await workers.answers()).toEqual(new Set(['two']));
  expect(workers.log).toContainEqual(
    expect.objectContaining({ level: 'info', msg: 'worker caught up', worker: 1, generation: 2 }),
  );
});

test('none answers in time: the old one stays in force, also for those that take the new one late', async () => {
  const workers = await superviseWorkers({ count: 2, body: 'one', patience: { applyMs: APPLY_MS } });
  const pids = [workers.view(1).pid, workers.view(2).pid];
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  expect(await workers.say('two')).toMatchObject({
    result: 'failed',
    generation: 1,
    workers: [{ result: 'late' }, { result: 'late' }],
  });
  for (const pid of pids) process.kill(pid, 'SIGCONT');
  await eventually(async () => (await workers.answers()).has('one'));
  expect(await workers.answers()).toEqual(new Set(['one']));
  await eventually(() => workers.view(1).generation === 1 && workers.view(2).generation === 1);

  expect(await workers.say('three')).toMatchObject({
    result: 'ok',
    generation: 3,
    workers: [
      { worker: 1, result: 'applied' },
      { worker: 2, result: 'applied' },
    ],
  });
  expect(await workers.answers()).toEqual(new Set(['three']));
});

test('one that is silent for too long is killed and replaced; the other lives on', async () => {
  const silenceMs = 2000;
  const workers = await superviseWorkers({ count: 2, body: 'one', patience: { silenceMs } });
  const [hung, other] = [workers.view(1).pid, workers.view(2).pid];
  process.kill(hung, 'SIGSTOP');
  const replacement = await eventually(() => {
    const view = workers.view(1);
    return view.state === 'ready' && view.pid !== hung ? view : undefined;
  });
  expect(replacement).toMatchObject({ restarts: 1, lastExit: 'signal SIGKILL', generation: 1 });
  expect(workers.view(2)).toMatchObject({ pid: other, restarts: 0 });
  const killed = workers.log.find(({ msg }) => msg.startsWith('worker hangs'));
  expect(killed).toMatchObject({ level: 'error', worker: 1, workerPid: hung });
  expect(killed!.silentMs).toBeGreaterThanOrEqual(silenceMs);
  expect(await workers.answers()).toEqual(new Set(['one']));
});

test('one that hangs through a reload begins its next life with what is in force', async () => {
  const workers = await superviseWorkers({
    count: 2,
    body: 'one',
    patience: { applyMs: APPLY_MS, silenceMs: 2000 },
  });
  const { pid } = workers.view(1);
  process.kill(pid, 'SIGSTOP');
  expect(await workers.say('two')).toMatchObject({ result: 'partial' });
  await eventually(() => workers.view(1).pid !== pid && workers.view(1).state === 'ready');
  expect(workers.view(1).generation).toBe(2);
  expect(await workers.answers()).toEqual(new Set(['two']));
});

test('a primary that stood still itself takes nobody for hung', async () => {
  const silenceMs = 2000;
  const workers = await superviseWorkers({ count: 2, body: 'one', patience: { silenceMs } });
  const pids = [workers.view(1).pid, workers.view(2).pid];
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, silenceMs + 500);
  await sleep(silenceMs / 2);
  expect([workers.view(1).pid, workers.view(2).pid]).toEqual(pids);
  expect(workers.log).toEqual([]);
});
