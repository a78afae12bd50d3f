import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LineSink } from '../../src/observe/line-sink.ts';

const SINK = new URL('../../src/observe/line-sink.ts', import.meta.url).href;

test('writes whole lines in their order', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'sluice-test-')), 'log');
  const fd = openSync(file, 'w');
  const sink = new LineSink(fd);
  const lines = Array.from({ length: 5000 }, (_, i) => `${i} ${'ü'.repeat(i % 90)}\n`);
  for (const [i, line] of lines.entries()) {
    sink.write(line);
    if (i % 1000 === 0) await sink.flush();
  }
  sink.write(`${'x'.repeat(100_000)}\n`);
  sink.write('last\n');
  await sink.flush();
  closeSync(fd);
  expect(readFileSync(file, 'utf8')).toBe(`${lines.join('')}${'x'.repeat(100_000)}\nlast\n`);
});

test('lines of several processes on one pipe are not torn', async () => {
  const writer = `
    const { LineSink } = await import(${JSON.stringify(SINK)});
    const sink = new LineSink(1);
    for (let i = 0; i < 4000; i++) {
      sink.write(JSON.stringify({ pid: process.pid, i, filler: 'x'.repeat((i * 37) % 900) }) + '\\n');
      if (i % 200 === 0) await new Promise(setImmediate);
    }
    await sink.flush();`;
  const shell = `${[1, 2, 3].map(() => '"$0" --input-type=module -e "$1" &').join(' ')} wait`;
  const { output } = await run('sh', ['-c', shell, process.execPath, writer]);
  const lines = output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toHaveLength(12_000);
  const perProcess = Map.groupBy(lines, ({ pid }) => pid);
  expect(perProcess.size).toBe(3);
  for (const own of perProcess.values()) expect(own.map(({ i }) => i)).toEqual(own.map((_, i) => i));
});

test('what was written last is not lost when the process exits at once', async () => {
  const writer = `
    const { LineSink } = await import(${JSON.stringify(SINK)});
    const sink = new LineSink(1);
    process.once('exit', () => sink.flushSync());
    for (let i = 0; i < 20; i++) sink.write('line ' + i + '\\n');
    process.exit(0);`;
  const { output } = await run(process.execPath, ['--input-type=module', '-e', writer]);
  expect(output.trimEnd().split('\n')).toHaveLength(20);
});

test('a reader that stalls costs bounded memory and no time; one that leaves, nothing', async () => {
  const writer = `
    const { LineSink } = await import(${JSON.stringify(SINK)});
    const sink = new LineSink(1);
    const line = 'x'.repeat(999) + '\\n';
    const startedAt = performance.now();
    for (let i = 0; i < 30000; i++) sink.write(line);
    const tookMs = performance.now() - startedAt;
    process.stderr.write(JSON.stringify({ tookMs, dropped: sink.dropped }) + '\\n');
    process.on('message', () => {});
    process.stdin.once('data', async () => {
      await sink.flush();
      sink.write('after\\n');
      await sink.flush();
      process.stderr.write(sink.dropped + '\\n');
      process.stderr.write('alive\\n');
      process.exit(0);
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', writer], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdout.pause();
  const told = createReader(child.stderr);
  const { tookMs, dropped } = JSON.parse(await told());
  expect(dropped).toBeGreaterThan(20_000);
  expect(tookMs).toBeLessThan(2000);
  child.stdout.destroy();
  child.stdin.write('go');
  const said = [await told(), await told(), await told()].sort();
  const droppedInAll = Number(said[0]);
  // All but what the pipe itself has taken.
  expect(droppedInAll).toBeGreaterThan(29_500);
  expect(droppedInAll).toBeLessThanOrEqual(30_001);
  expect(said[1]).toBe('alive');
  expect(said[2]).toMatch(/^sluice: standard output: EPIPE.*: log lines are dropped$/);
});

test('a full disk holds lines up, and loses none that fit into memory', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'sluice-test-')), 'log');
  const writer = `
    const { closeSync, openSync } = await import('node:fs');
    const { LineSink } = await import(${JSON.stringify(SINK)});
    const fd = openSync('/dev/full', 'w');
    const sink = new LineSink(fd);
    sink.write('first\\n');
    setTimeout(() => {
      closeSync(fd);
      if (openSync(${JSON.stringify(file)}, 'w') !== fd) throw new Error('another number');
      sink.write('second\\n');
    }, 300);
    await sink.flush();
    process.stderr.write(sink.dropped + '\\n');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', writer], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const told = createReader(child.stderr);
  expect(await told()).toMatch(/^sluice: standard output: ENOSPC.*: log lines wait$/);
  expect(await told()).toBe('0');
  expect(readFileSync(file, 'utf8')).toBe('first\nsecond\n');
});

function createReader(stream: NodeJS.ReadableStream): () => Promise<string> {
  const lines: string[] = [];
  const waiting: ((line: string) => void)[] = [];
  let rest = '';
  stream.setEncoding('utf8').on('data', (text) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    for (const line of parts) waiting.length > 0 ? waiting.shift()!(line) : lines.push(line);
  });
  return () => new Promise((resolve) => (lines.length > 0 ? resolve(lines.shift()!) : waiting.push(resolve)));
}

function run(command: string, args: string[]): Promise<{ output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.once('error', reject);
    child.once('close', () => resolve({ output }));
  });
}
