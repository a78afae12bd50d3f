import { fork } from 'node:child_process';
import {
  linkInProcess,
  linkToWorker,
  type NewsListener,
  type PrimaryHandlers,
  WORKER_ID_VARIABLE,
  type WorkerLink,
} from '../bus.js';
import type { LineSink } from '../observe/line-sink.js';

/** One life of a worker. */
export interface WorkerProcess {
  readonly pid: number;
  readonly link: WorkerLink;
  /** Resolves when it takes calls. Never rejects: see `exited`. */
  readonly greeted: Promise<void>;
  /** Resolves with how it ended: "exit code 1", "signal SIGKILL". */
  readonly exited: Promise<string>;
  kill(): void;
}

/** Brings a worker to life. `id` is from 1, and the same for a replacement. */
export type SpawnWorker = (id: number, listener: NewsListener) => Promise<WorkerProcess>;

/**
 * A process of its own, which runs the program `main`. It inherits standard output and error, and Node's flags but
 * those of the inspector.
 */
export function forkWorker(main: URL, handlers: PrimaryHandlers): SpawnWorker {
  return async (id, listener) => {
    const child = fork(main, {
      env: { ...process.env, [WORKER_ID_VARIABLE]: String(id) },
      execArgv: process.execArgv.filter((flag) => !flag.startsWith('--inspect')),
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const greeting = Promise.withResolvers<void>();
    const end = Promise.withResolvers<string>();
    child.once('error', (error) => end.resolve(error.message));
    child.once('exit', (code, signal) =>
      end.resolve(signal === null ? `exit code ${code}` : `signal ${signal}`),
    );
    const hello = () => {
      greeting.resolve();
      listener.hello(null);
    };
    const link = linkToWorker(child, { ...listener, hello }, handlers);
    const kill = () => void child.kill('SIGKILL');
    return { pid: child.pid ?? 0, link, greeted: greeting.promise, exited: end.promise, kill };
  };
}

/** A worker in this process: the smallest memory, when there is only one. It cannot be killed and does not exit. */
export function hostWorker(lines: LineSink, handlers: PrimaryHandlers): SpawnWorker {
  return async (id, listener) => {
    // Only here: a primary with forked workers carries neither listener nor upstream client.
    const { GatewayWorker } = await import('../worker.js');
    const link = linkInProcess((primary) => new GatewayWorker(id, lines, primary), listener, handlers);
    const never = new Promise<string>(() => {});
    return { pid: process.pid, link, greeted: Promise.resolve(), exited: never, kill: () => {} };
  };
}
