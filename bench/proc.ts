/** Child processes of the bench: started on a chosen core, found again by nobody else, gone when the bench is gone. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** What is measured runs here, alone. */
export const GATEWAY_CORE = 0;
/** Load and service share this one. */
export const LOAD_CORE = 1;

const READY_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 5_000;
const OUTPUT_TAIL_CHARS = 4_000;

const running = new Set<Launched>();
const workspaces = new Set<string>();

process.on('exit', () => {
  for (const child of running) child.kill();
  for (const dir of workspaces) rmSync(dir, { recursive: true, force: true });
});
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.once(signal, () => process.exit(code));
}

/** What a command prints on either stream, or null when there is no such command. */
export function probe(command: string, ...args: string[]): string | null {
  try {
    return execFileSync('sh', ['-c', 'exec "$@" 2>&1', 'sh', command, ...args], { encoding: 'utf8' }).trim();
  } catch (error) {
    // wrk leaves with 1 after printing its version; a missing command with 127.
    const { status, stdout } = error as { status: number | null; stdout: string };
    return status === 126 || status === 127 ? null : String(stdout).trim();
  }
}

export const canPin = availableParallelism() > 1 && probe('taskset', '--version') !== null;

/** A folder that disappears with the bench. */
export function workspace(): string {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  workspaces.add(dir);
  return dir;
}

/** A port that was free a moment ago, for programs that cannot be told to take any. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface Ready {
  url: string;
  admin?: string | null;
}

export class Launched {
  readonly pid: number;
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;
  #stdout = '';
  #tail = '';

  /** Starts `command` in a process group of its own, so that its children can be ended with it. */
  constructor(name: string, command: readonly string[], core: number) {
    const [file, ...args] = canPin ? ['taskset', '-c', String(core), ...command] : command;
    this.#name = name;
    this.#child = spawn(file as string, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#gone = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#tail += error.message;
        resolve();
      });
      this.#child.once('exit', () => resolve());
    });
    this.pid = this.#child.pid ?? -1;
    running.add(this);
    this.#gone.then(() => this.kill());
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (this.#stdout.length < 1_000_000) this.#stdout += text;
      this.#keep(text);
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#keep(text));
  }

  #keep(text: string): void {
    this.#tail = (this.#tail + text).slice(-OUTPUT_TAIL_CHARS);
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.pid > 0;
  }

  /** The JSON line by which our own programs say that they listen. Rejects when the program ends or is late. */
  ready(withinMs = READY_TIMEOUT_MS): Promise<Ready> {
    return this.#until('say that it is ready', withinMs, () => {
      const line = this.#stdout
        .split('\n')
        .find((text) => text.includes('"msg":"ready"') && text.endsWith('}'));
      return line === undefined ? null : (JSON.parse(line) as Ready);
    });
  }

  /** Waits for a TCP port of a program that says nothing. */
  listening(port: number): Promise<true> {
    return this.#until(`listen on ${port}`, READY_TIMEOUT_MS, async () => {
      const socket = connect(port, '127.0.0.1');
      const open = await new Promise<boolean>((resolve) => {
        socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      });
      socket.destroy();
      return open || null;
    });
  }

  /** Everything it printed on stdout, once it has ended by itself. Rejects on a failure. */
  async finished(): Promise<string> {
    await this.#gone;
    if (this.#child.exitCode !== 0) throw this.#failure('failed');
    return this.#stdout;
  }

  async #until<T>(what: string, withinMs: number, attempt: () => T | null | Promise<T | null>): Promise<T> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const result = await attempt();
      if (result !== null) return result;
      if (!this.alive) throw this.#failure(`ended before it could ${what}`);
      if (performance.now() > deadline) throw this.#failure(`did not ${what} in ${withinMs} ms`);
      await sleep(20);
    }
  }

  #failure(what: string): Error {
    return new Error(`${this.#name} ${what}\n${this.#tail.trim()}`);
  }

  /** Asks it to end, insists after 5 s. */
  async stop(): Promise<void> {
    if (this.alive) this.#child.kill('SIGTERM');
    await Promise.race([this.#gone, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })]);
    this.kill();
    await this.#gone;
  }

  /** Ends it and whatever it has forked, now. */
  kill(): void {
    if (!running.delete(this) || this.pid <= 0) return;
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // The whole group has gone already.
    }
  }
}

/** Starts one of the bench's own TypeScript programs. */
export function launchNode(name: string, script: URL, args: readonly string[], core: number): Launched {
  return new Launched(name, [process.execPath, script.pathname, ...args], core);
}
