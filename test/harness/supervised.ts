/**
 * Workers in processes of their own with the supervisor and the reloader in the test's: for what takes a gateway half a
 * minute, because here the test says how long a worker is waited for.
 *
 *   const workers = await superviseWorkers({ count: 2, body: 'one', patience: { applyMs: 300 } });
 *   process.kill(workers.view(1).pid, 'SIGSTOP');
 *
 * `/` answers with `body`. All ends when the test that started it ends.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';
import type { PrimaryHandlers } from '../../src/bus.ts';
import { loadConfig } from '../../src/config/load.ts';
import { findFreePort } from '../../src/control/free-port.ts';
import { Reloader, type ReloadResult } from '../../src/control/reloader.ts';
import { Supervisor } from '../../src/control/supervisor.ts';
import { forkWorker } from '../../src/control/worker-process.ts';
import { PATIENCE, type Patience, type WorkerView } from '../../src/control/worker-slot.ts';
import { createLog } from '../../src/observe/log.ts';
import { Totals } from '../../src/observe/totals.ts';
import { type LogLine, MAIN } from './gateway.ts';

/** These workers have nobody to ask about callers: their configuration has no `auth`. */
const nobodyAsks = new Proxy({} as PrimaryHandlers, {
  get: (_, name) => () => Promise.reject(new Error(`nobody answers "${String(name)}" here`)),
});

export interface SupervisedOptions {
  count: number;
  body: string;
  patience: Partial<Patience>;
}

export interface SupervisedWorkers {
  /** What supervisor and reloader have logged. */
  readonly log: LogLine[];
  view(id: number): WorkerView;
  /** Changes what `/` answers in the file, and reloads it. */
  say(body: string): Promise<ReloadResult>;
  /** The bodies that new connections get: sixteen of them meet every worker, almost surely. */
  answers(): Promise<Set<string>>;
}

export async function superviseWorkers({
  count,
  body,
  patience,
}: SupervisedOptions): Promise<SupervisedWorkers> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  const file = join(folder, 'sluice.yaml');
  const write = (text: string) => writeFileSync(file, JSON.stringify(saying(text)));
  write(body);
  const loaded = loadConfig(file, {});
  if (!loaded.ok) throw new Error('the test has a bad configuration');

  const lines: LogLine[] = [];
  const log = createLog({ write: (line) => void lines.push(JSON.parse(line)) }, 'info', {});
  const supervisor: Supervisor = new Supervisor({
    count,
    spawn: forkWorker(pathToFileURL(MAIN), nobodyAsks),
    log,
    totals: new Totals(),
    patience: { ...PATIENCE, ...patience },
    supplies: () => ({ limits: null, endpoints: null, rosters: [] }),
    inForce: () => reloader.inForce,
  });
  const reloader = new Reloader({
    read: async () => loadConfig(file, {}),
    log,
    first: { config: loaded.config, generation: 1 },
    apply: (next) => supervisor.apply(next),
    onChange() {},
  });
  onTestFinished(() => {
    supervisor.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  const port = await findFreePort('127.0.0.1', 0);
  await supervisor.start(port);

  return {
    log: lines,
    view: (id) => supervisor.views()[id - 1]!,
    say(text) {
      write(text);
      return reloader.reload('test');
    },
    async answers() {
      const ask = async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
        return await answer.text();
      };
      return new Set(await Promise.all(Array.from({ length: 16 }, ask)));
    },
  };
}

/** The workers inherit the test's standard output: they keep quiet. */
function saying(body: string) {
  return {
    listen: '127.0.0.1:0',
    admin: 'off',
    log: { level: 'silent' },
    accessLog: 'off',
    routes: [{ name: 'all', match: { path: '/' }, respond: { body } }],
  };
}
