import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import type { ApplyOutcome, InForce } from '../../src/control/adoption.ts';
import { Reloader } from '../../src/control/reloader.ts';
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

test('a file with mistakes takes no generation', async () => {
  const { reloader, write } = create({});
  write('broken');
  expect(await reloader.reload('test')).toMatchObject({ result: 'refused', generation: 1 });
  write('2s');
  expect(await reloader.reload('test')).toMatchObject({ result: 'ok', generation: 2, mistakes: [] });
  expect(reloader.counts).toEqual({ ok: 1, refused: 1, failed: 0, partial: 0 });
});

test('refused by all workers: nothing has changed, and its generation is not used again', async () => {
  const { reloader, changes, applied, outcomes } = create({ outcomes: [refuses(1), refuses(2)] });
  expect(await reloader.reload('test')).toMatchObject({
    result: 'refused',
    generation: 1,
    workers: [refuses(1), refuses(2)],
  });
  expect(changes).toEqual([]);
  outcomes.length = 0;
  expect(await reloader.reload('test')).toMatchObject({ result: 'ok', generation: 3 });
  // In between, the one in force: whoever took the other after all is led back.
  expect(applied).toEqual([2, 1, 3, 3]);
});

test.each(['late', 'died'] as const)(
  'no worker took it, one %s: not in force, and not called refused',
  async (result) => {
    const { reloader, changes, applied } = create({
      outcomes: [refuses(1), { worker: 2, result, error: 'no answer' }],
    });
    expect(await reloader.reload('test')).toMatchObject({ result: 'failed', generation: 1 });
    expect(changes).toEqual([]);
    expect(applied).toEqual([2, 1]);
    expect(reloader.counts).toEqual({ ok: 0, refused: 0, failed: 1, partial: 0 });
  },
);

test('one worker of two died: its replacement begins with it, so that is no partial reload', async () => {
  const { reloader } = create({ outcomes: [takes(1), { worker: 2, result: 'died', error: 'gone' }] });
  expect(await reloader.reload('test')).toMatchObject({ result: 'ok', generation: 2 });
});

test('refused by one worker of two: in force, and reported', async () => {
  const { reloader, changes } = create({ outcomes: [takes(1), refuses(2)] });
  expect(await reloader.reload('test')).toMatchObject({ result: 'partial', generation: 2 });
  expect(changes).toEqual([2]);
  expect(reloader.counts.partial).toBe(1);
});

test('who became ready meanwhile is asked as well, once it is in force', async () => {
  const { reloader, applied } = create({});
  await reloader.reload('test');
  expect(applied).toEqual([2, 2]);
});

function takes(worker: number): ApplyOutcome {
  return { worker, result: 'applied', error: null };
}

function refuses(worker: number): ApplyOutcome {
  return { worker, result: 'refused', error: 'no memory' };
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
    read: async () => loadConfig(file, {}),
    log: createLog({ write() {} }, 'silent', {}),
    first: { config: loaded.config, generation: 1 },
    async apply({ generation }: InForce) {
      const isFirstOffer = !applied.includes(generation);
      applied.push(generation);
      if (hold) await held.promise;
      return isFirstOffer ? [...outcomes] : [];
    },
    onChange: ({ generation }) => changes.push(generation),
  });
  return { reloader, applied, outcomes, changes, write, release: held.resolve };
}
