import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { wordsOf } from '../../src/shared/directory.ts';
import { createSegment, openSegment } from '../../src/shared/segment.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-segment-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const RESOLVE = new URL('./resolve-ts.ts', import.meta.url).href;
const SEGMENT = fileURLToPath(new URL('../../src/shared/segment.ts', import.meta.url));
const LAYOUT = { one: 64, two: 1000 };

/** Runs in a process of its own, which has `createSegment` and `openSegment`. */
const script = (body: string) => [
  '--import',
  RESOLVE,
  '--input-type=module',
  '-e',
  `import { createSegment, openSegment } from ${JSON.stringify(SEGMENT)}; ${body}`,
];

it('is seen by another process that knows its path, region by region', () => {
  const segment = createSegment(LAYOUT, { folders: [folder] });
  expect(segment).toMatchObject({ shared: true, reason: null });
  wordsOf(segment.region('two'))[3] = 42;
  execFileSync(
    process.execPath,
    script(`const { buffer, offset } = openSegment(${JSON.stringify(segment.path)}).region('two');
      const words = new Int32Array(buffer, offset, 4);
      Atomics.add(words, 3, 1);`),
  );
  expect(Atomics.load(wordsOf(segment.region('two')), 3)).toBe(43);
  expect(Atomics.load(wordsOf(segment.region('one')), 3)).toBe(0);
  segment.close();
});

it('is for its own user alone, and gone from the folder once closed, while those who opened it go on', () => {
  const segment = createSegment(LAYOUT, { folders: [folder] });
  const path = segment.path as string;
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const opened = openSegment(path);
  segment.close();
  segment.close();
  expect(existsSync(path)).toBe(false);
  wordsOf(opened.region('one'))[0] = 7;
  expect(wordsOf(segment.region('one'))[0]).toBe(7);
});

it('of a gateway that was killed is removed by the next start, that of a living one is not', async () => {
  const living = createSegment(LAYOUT, { folders: [folder] });
  const child = spawn(
    process.execPath,
    script(`console.log(createSegment({ a: 64 }, { folders: [${JSON.stringify(folder)}] }).path);
      setInterval(() => {}, 1000);`),
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const left = line.toString().trim();
  createSegment(LAYOUT, { folders: [folder] }).close();
  expect(existsSync(left)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  writeFileSync(join(folder, 'sluice-1-somebody-elses.segment'), '');
  createSegment(LAYOUT, { folders: [folder] }).close();
  expect(readdirSync(folder).sort()).toEqual(
    ['sluice-1-somebody-elses.segment', (living.path as string).slice(folder.length + 1)].sort(),
  );
  living.close();
});

it('is plain memory, and says why, where nothing can be mapped', () => {
  const noMapping = () => {
    throw new Error('no such library');
  };
  const segment = createSegment(LAYOUT, { folders: [folder], mapping: noMapping });
  expect(segment).toMatchObject({ shared: false, path: null, reason: 'no such library' });
  wordsOf(segment.region('one'))[0] = 1;
  const nowhere = createSegment(LAYOUT, { folders: [join(folder, 'missing')] });
  expect(nowhere.shared).toBe(false);
  expect(nowhere.reason).toMatch(/missing: ENOENT/);
});

it('tries the next folder when one has no room', () => {
  const segment = createSegment(LAYOUT, { folders: [join(folder, 'missing'), folder] });
  expect(segment.shared).toBe(true);
  segment.close();
});

it('refuses a file that is none, and a region that it has not', () => {
  const path = join(folder, 'other');
  writeFileSync(path, Buffer.alloc(8192));
  expect(() => openSegment(path)).toThrow('this is not a segment of Sluice');
  const segment = createSegment(LAYOUT, { folders: [folder] });
  expect(() => segment.region('three')).toThrow('no region "three"');
  segment.close();
});
