import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { FileWatch } from '../../src/control/watch.ts';
import { eventually } from '../harness/eventually.ts';

/** Longer than the time in which several events become one. */
const QUIET_MS = 300;

test('tells once of a file that is written in several steps', async () => {
  const { folder, changes } = watchFolder(['a']);
  for (let i = 0; i < 5; i++) {
    writeFileSync(join(folder, 'a'), `step ${i}`);
    await sleep(10);
  }
  await eventually(() => changes() > 0);
  await sleep(QUIET_MS);
  expect(changes()).toBe(1);
});

test('is silent about other files, and about a file written again with the same content', async () => {
  const { folder, changes } = watchFolder(['a']);
  writeFileSync(join(folder, 'b'), 'other');
  writeFileSync(join(folder, 'a'), 'a');
  await sleep(QUIET_MS);
  expect(changes()).toBe(0);
});

test('tells of a file that another one replaces, again and again', async () => {
  const { folder, changes } = watchFolder(['a']);
  for (let i = 1; i <= 3; i++) {
    writeFileSync(join(folder, 'draft'), `version ${i}`);
    renameSync(join(folder, 'draft'), join(folder, 'a'));
    await eventually(() => changes() === i);
  }
});

test('tells of a change where a link leads, before and after the link is swapped', async () => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  for (const version of ['1', '2']) {
    mkdirSync(join(elsewhere, version));
    writeFileSync(join(elsewhere, version, 'a'), version);
  }
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  symlinkSync(join(elsewhere, '1', 'a'), join(folder, 'a'));
  const { changes } = watchFolder(['a'], folder);
  writeFileSync(join(elsewhere, '1', 'a'), '1 changed');
  await eventually(() => changes() === 1);
  symlinkSync(join(elsewhere, '2', 'a'), join(folder, 'draft'));
  renameSync(join(folder, 'draft'), join(folder, 'a'));
  await eventually(() => changes() === 2);
  writeFileSync(join(elsewhere, '2', 'a'), '2 changed');
  await eventually(() => changes() === 3);
});

test('tells of a file that goes and comes back', async () => {
  const { folder, changes } = watchFolder(['a']);
  rmSync(join(folder, 'a'));
  await eventually(() => changes() === 1);
  writeFileSync(join(folder, 'a'), 'back');
  await eventually(() => changes() === 2);
});

test('a change is not lost between two lists of files', async () => {
  const { folder, changes, watch } = watchFolder(['a']);
  writeFileSync(join(folder, 'a'), 'changed');
  watch.follow([join(folder, 'a'), join(folder, 'b')]);
  await eventually(() => changes() === 1);
  writeFileSync(join(folder, 'b'), 'new');
  await eventually(() => changes() === 2);
});

function watchFolder(names: string[], folder = mkdtempSync(join(tmpdir(), 'sluice-test-'))) {
  for (const name of names) {
    try {
      writeFileSync(join(folder, name), name, { flag: 'wx' });
    } catch {
      // A link that the test has made.
    }
  }
  let changes = 0;
  const watch = new FileWatch(
    names.map((name) => join(folder, name)),
    () => changes++,
  );
  onTestFinished(() => watch.close());
  return { folder, watch, changes: () => changes };
}
