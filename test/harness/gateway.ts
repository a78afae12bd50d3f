/**
 * Runs the built gateway as its users do: `dist/main.js start`, in processes of its own, on ports of its own.
 *
 *   const gateway = await startGateway({ routes: [{ name: 'hi', match: { path: '/hi' }, respond: { body: 'hi' } }] });
 *   const answer = await fetch(`${gateway.url}/hi`);
 *
 * It is ended when the test that started it ends; one that a hook started is the hook's to `stop()`. `SLUICE_MAIN` names
 * another build than the one in dist/.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { eventually } from './eventually.ts';

/** The program under test. */
export const MAIN = process.env.SLUICE_MAIN ?? fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const READY_WITHIN_MS = 15_000;

/** Loopback, any ports, one process, no waiting at the end, no access log. */
const DEFAULTS = {
  listen: '127.0.0.1:0',
  admin: '127.0.0.1:0',
  workers: 1,
  drain: { delay: 0, timeout: '5s' },
  accessLog: 'off',
};

/** YAML as it is, or an object that is laid over the defaults above; null leaves the file as the test wrote it. */
export type GatewayConfig = string | Record<string, unknown> | null;

export interface GatewayOptions {
  /** More arguments of `start`: `--watch`. */
  args?: string[];
  env?: Record<string, string>;
  /** Where the configuration is written; a folder of its own if not given. */
  file?: string;
}

/** What the admin API answered. Its shape is what the tests assert. */
export interface AdminAnswer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: see above
  body: any;
}

export interface LogLine {
  level: string;
  msg: string;
  [field: string]: unknown;
}

export class RunningGateway {
  /** Where clients connect. */
  url = '';
  /** The admin API; empty when it is off. */
  admin = '';
  readonly file: string;
  readonly process: ChildProcess;
  /** All lines on standard output so far. */
  readonly log: LogLine[] = [];
  /** Lines on standard output that are not JSON: there should be none. */
  readonly garbage: string[] = [];
  /** Standard error so far. */
  stderr = '';
  /** How it ended: its exit code, or the signal that killed it. */
  readonly exited: Promise<number | NodeJS.Signals>;

  constructor(child: ChildProcess, file: string) {
    this.process = child;
    this.file = file;
    const lines = createInterface({ input: child.stdout! }).on('line', (line) => this.#read(line));
    const allRead = new Promise<void>((resolve) => lines.once('close', resolve));
    child.stderr!.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
    });
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => void allRead.then(() => resolve(signal ?? code ?? 0)));
    });
  }

  get pid(): number {
    return this.process.pid!;
  }

  /** Replaces the file, without telling the gateway. */
  write(config: GatewayConfig): void {
    writeConfig(this.file, config);
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Drains it; kills it when that takes longer than eight seconds. */
  async stop(): Promise<number | NodeJS.Signals> {
    this.process.kill('SIGTERM');
    return await this.#ended(8000);
  }

  /** Ends it without waiting for anything: what a second signal does. */
  async end(): Promise<number | NodeJS.Signals> {
    this.process.kill('SIGTERM');
    this.process.kill('SIGINT');
    return await this.#ended(2000);
  }

  /** A log line that has been or will be written. */
  async logged(matches: (line: LogLine) => boolean, withinMs = 5000): Promise<LogLine> {
    return await eventually(() => this.log.find(matches), { what: 'the log line', withinMs });
  }

  /** GET on the admin API; JSON if it is JSON, else the text. */
  async ask(path: string, init?: RequestInit): Promise<AdminAnswer> {
    const answer = await fetch(this.admin + path, init);
    const text = await answer.text();
    const isJson = answer.headers.get('content-type')?.includes('json') ?? false;
    return {
      status: answer.status,
      headers: answer.headers,
      body: isJson && text !== '' ? JSON.parse(text) : text,
    };
  }

  async reload(): Promise<AdminAnswer> {
    return await this.ask('/config/reload', { method: 'POST' });
  }

  /** The processes of its workers. */
  async workerPids(): Promise<number[]> {
    const { body } = await this.ask('/workers');
    return body.workers.map((worker: { pid: number }) => worker.pid);
  }

  async #ended(withinMs: number): Promise<number | NodeJS.Signals> {
    const timer = setTimeout(() => this.process.kill('SIGKILL'), withinMs);
    const how = await this.exited;
    clearTimeout(timer);
    return how;
  }

  #read(line: string): void {
    try {
      this.log.push(JSON.parse(line));
    } catch {
      this.garbage.push(line);
    }
  }
}

/** Starts a gateway and waits until all its workers listen. Rejects with what it says when it does not start. */
export async function startGateway(
  config: GatewayConfig,
  options: GatewayOptions = {},
): Promise<RunningGateway> {
  const gateway = launchGateway(config, options);
  const ended = gateway.exited.then((how) => {
    throw new Error(`the gateway ended with ${how}: ${gateway.stderr}`);
  });
  ended.catch(() => {});
  const ready = gateway.logged((line) => line.msg === 'ready', READY_WITHIN_MS);
  const { url, admin } = await Promise.race([ready, ended]);
  gateway.url = url as string;
  gateway.admin = (admin as string | null) ?? '';
  return gateway;
}

/** The same without waiting: for those that are not meant to start. */
export function launchGateway(
  config: GatewayConfig,
  { args = [], env = {}, file }: GatewayOptions = {},
): RunningGateway {
  const folder = file === undefined ? mkdtempSync(join(tmpdir(), 'sluice-test-')) : null;
  const path = file ?? join(folder!, 'sluice.yaml');
  writeConfig(path, config);
  const child = spawn(process.execPath, [MAIN, 'start', '-c', path, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gateway = new RunningGateway(child, path);
  const killOnExit = () => void child.kill('SIGKILL');
  process.once('exit', killOnExit);
  void gateway.exited.then(() => {
    process.off('exit', killOnExit);
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
  });
  try {
    onTestFinished(async () => void (await gateway.end()));
  } catch {
    // Started in a hook.
  }
  return gateway;
}

function writeConfig(file: string, config: GatewayConfig): void {
  if (config === null) return;
  // JSON is YAML.
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify({ ...DEFAULTS, ...config }));
}
