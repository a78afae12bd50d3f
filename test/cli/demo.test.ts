/** The demo with its gateway, on free ports. */
import { type ChildProcess, exec, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { MAIN } from './sluice.ts';

const running = new Set<ChildProcess>();

afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
});

function startDemo(port: number): { child: ChildProcess; output(): string; exited: Promise<unknown[]> } {
  const env = { ...process.env, SLUICE_DEMO_PORT: String(port), SLUICE_DEMO_ADMIN_PORT: '0' };
  const child = spawn(process.execPath, [MAIN, 'demo'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let text = '';
  child.stdout?.on('data', (chunk) => (text += chunk));
  child.stderr?.on('data', (chunk) => (text += chunk));
  return { child, output: () => text, exited: once(child, 'exit') };
}

it('the demo prints lines that work when pasted, and leaves with 0 when it is told to', async () => {
  const { child, output, exited } = startDemo(0);
  await expect.poll(output, { timeout: 15_000 }).toContain('Ctrl+C stops everything.');
  const lines = [...output().matchAll(/^ +(curl -f.*)$/gm)].map(([, line = '']) => line);
  expect(lines.length).toBeGreaterThanOrEqual(5);
  const printed = new Map<string, string>();
  for (const line of lines) printed.set(line, (await promisify(exec)(line, { timeout: 10_000 })).stdout);
  const [, events] = [...printed].find(([line]) => line.includes('/feed?')) ?? [];
  expect(events).toContain('"symbol":"ACME"');
  const begin = performance.now();
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  expect(performance.now() - begin).toBeLessThan(3_000);
});

it('the demo says so in one line when its port is taken', async () => {
  const squatter = createServer().listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  const { port } = squatter.address() as AddressInfo;
  const { output, exited } = startDemo(port);
  expect(await exited).toEqual([1, null]);
  squatter.close();
  expect(output().trim().split('\n')).toEqual([expect.stringContaining(`127.0.0.1:${port}`)]);
});
