/**
 * Reads configurations in a process that ends with it. The schema, its texts and the libraries behind it weigh 8 MiB, and a
 * gateway that runs needs none of them. docs/decisions/0027.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { LoadResult } from '../load.js';
import type { Environment } from '../yaml/environment.js';

/** What the process is asked. */
export interface Reading {
  readonly file: string;
  readonly environment: Environment;
}

const PROGRAM = new URL('./process.js', import.meta.url);

export class ConfigReader {
  #child: ChildProcess | null = null;
  #rest: NodeJS.Timeout | undefined;

  /**
   * As `loadConfig`, one at a time. Never rejects: what befalls the process is a mistake as well. For `lingerMs` it stays for
   * the next time, which is ten times as fast then.
   */
  async read(file: string, environment: Environment, lingerMs = 0): Promise<LoadResult> {
    clearTimeout(this.#rest);
    this.#child ??= this.#start();
    try {
      return await ask(this.#child, { file, environment: { ...environment } });
    } catch (error) {
      const message = `the file cannot be read: ${(error as Error).message}`;
      return { ok: false, mistakes: [{ file, line: 0, col: 0, path: '', message }], warnings: [] };
    } finally {
      this.#rest = setTimeout(() => this.close(), lingerMs).unref();
    }
  }

  close(): void {
    clearTimeout(this.#rest);
    this.#child?.kill('SIGKILL');
    this.#child = null;
  }

  #start(): ChildProcess {
    const child = fork(PROGRAM, {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    // The file may be a pipe that nobody writes to.
    const end = () => child.kill('SIGKILL');
    process.once('exit', end);
    child.on('error', () => {});
    child.once('exit', () => {
      process.off('exit', end);
      if (this.#child === child) this.#child = null;
    });
    return child;
  }
}

async function ask(child: ChildProcess, reading: Reading): Promise<LoadResult> {
  const { promise, resolve, reject } = Promise.withResolvers<LoadResult>();
  const onExit = (code: number | null, signal: string | null) =>
    reject(new Error(`the process that reads it ended with ${signal ?? code}`));
  child.once('message', resolve).once('error', reject).once('exit', onExit);
  child.send(reading, (error) => {
    if (error !== null) reject(error);
  });
  try {
    return await promise;
  } finally {
    child.off('message', resolve).off('error', reject).off('exit', onExit);
  }
}
