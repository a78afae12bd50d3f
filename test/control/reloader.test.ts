import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { Reloader } from '../../src/control/reloader.ts';
import type { ApplyOutcome, InForce } from '../../src/control/worker-slot.ts';
import { createLog } from '../../src/observe/log.ts';

test('reloads asked for while one runs are answered together by the next, which reads the file after the last', async () => {
  const { reloader, applied, release, write } = create({ hold: true });
  const first = reloader.reload('first');
  await expect.poll(() => applied.length).toBe(1);
  const others = [reloader.reload('second'), reloader.reload('third'), reloader.reload('fourth')];
  write('4s');
  release();
  expect(await first).toMatchObject({ result: 'ok', generation: 2 });
  const results = await Promise.all(others);
  expect(new Set(results).size).toBe(1);
  expect(results[0]).toMatchObject({ result: 'ok', generation: 3 });
  expect(reloader.inForce.config.drain.delay).toBe(4000);
});

test('generations only count what came into force', async () => {
  const { reloader, write } = create({});
  write('broken');
  expect(await reloader.reload('test')).toMatchObject({ result: 'refused', generation: 1 });
  write('2s');
  expect(await reloader.reload('test')).toMatchObject({ result: 'ok', generation: 2, mistakes: [] });
  expect(reloader.counts).toEqual({ ok: 1, refused: 1, partial: 0 });
});

test('refused by all workers: nothing has changed', async () => {
  const { reloader, changes } = create({ outcomes: [refuses(1), refuses(2)] });
  expect(await reloader.reload('test')).toMatchObject({
    result: 'refused',
    generation: 1,
    workers: [refuses(1), refuses(2)],
  });
  expect(changes).toEqual([]);
});

test('refused by one worker of two: in force, and reported', async () => {
  const { reloader, changes } = create({ outcomes: [{ worker: 1, error: null }, refuses(2)] });
  expect(await reloader.reload('test')).toMatchObject({ result: 'partial', generation: 2 });
  expect(changes).toEqual([2]);
  expect(reloader.counts.partial).toBe(1);
});

test('who became ready meanwhile is asked as well, once it is in force', async () => {
  const { reloader, applied } = create({});
  await reloader.reload('test');
  expect(applied).toEqual([2, 2]);
});

function refuses(worker: number): ApplyOutcome {
  return { worker, error: 'no memory' };
}

function create({ hold = false, outcomes = [] }: { hold?: boolean; outcomes?: ApplyOutcome[] }) {
  const file = join(mkdtempSync(join(tmpdir(), 'sluice-test-')), 'sluice.yaml');
  const write = (delay: string) => writeFileSync(file, `routes: []\ndrain: { delay: ${delay} }\n`);
  write('1s');
  const loaded = loadConfig(file, {});
  if (!loaded.ok) throw new Error('the test has a bad configuration');
  const applied: number[] = [];
  const held = Promise.withResolvers<void>();
  const changes: number[] = [];
  const reloader = new Reloader({
    file,
    env: {},
    log: createLog({ write() {} }, 'silent', {}),
    first: { config: loaded.config, generation: 1 },
    async apply({ generation }: InForce) {
      const isFirstOffer = !applied.includes(generation);
      applied.push(generation);
      if (hold) await held.promise;
      return isFirstOffer ? outcomes : [];
    },
    onChange: ({ generation }) => changes.push(generation),
  });
  return { reloader, applied, changes, write, release: held.resolve };
}
