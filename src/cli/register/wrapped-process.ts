/** The process of an instance: its signals come through us, and its exit code is ours. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';

/** Those that ask a process to end. */
const ENDING = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;
/** Those that mean something else to many programs. */
const OTHERS = ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

export interface WrapOptions {
  /** Before a signal that ends the process is passed on. A second one is passed on at once. */
  beforeEnd(): Promise<void>;
  complain(text: string): void;
}

export interface WrappedProcess {
  readonly running: boolean;
  /** The exit code; 128 + n when it was ended by signal n, 127 or 126 when it could not be started, as shells have it. */
  readonly ended: Promise<number>;
}

export function wrapProcess(
  [command = '', ...args]: readonly string[],
  { beforeEnd, complain }: WrapOptions,
): WrappedProcess {
  const child = spawn(command, args, { stdio: 'inherit' });
  let running = true;
  const handlers = new Map<NodeJS.Signals, () => void>(
    OTHERS.map((signal) => [signal, () => child.kill(signal)]),
  );
  let leaving = false;
  for (const signal of ENDING) {
    handlers.set(signal, () => {
      const pass = () => passOn(child, signal);
      if (leaving) return pass();
      leaving = true;
      void beforeEnd().then(pass);
    });
  }
  for (const [signal, handler] of handlers) process.on(signal, handler);
  const ended = new Promise<number>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return; // a signal could not be delivered
      complain(`${command} cannot be started: ${error.code ?? error.message}`);
      resolve(error.code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE);
    });
    child.once('exit', (code, signal) =>
      resolve(signal === null ? (code ?? 0) : 128 + constants.signals[signal]),
    );
  }).finally(() => {
    running = false;
    for (const [signal, handler] of handlers) process.off(signal, handler);
  });
  return {
    get running() {
      return running;
    },
    ended,
  };
}

/** Ctrl-C reaches all processes of a terminal by itself: it would come twice. */
function passOn(child: ChildProcess, signal: NodeJS.Signals): void {
  if (signal === 'SIGINT' && process.stdin.isTTY) return;
  child.kill(signal);
}
