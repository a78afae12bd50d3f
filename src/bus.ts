/**
 * What primary and workers say to each other. A forked worker is reached over Node's IPC channel (serialization
 * 'advanced', so typed arrays travel as they are), one in the primary's own process directly.
 */
import type { ChildProcess } from 'node:child_process';
import type { Config } from './config/schema.js';
import type { MetricsDelta } from './observe/metrics.js';

/** The environment variable that tells a forked process which worker it is: from 1, and the same for a replacement. */
export const WORKER_ID_VARIABLE = 'SLUICE_WORKER_ID';

/** What the primary asks of a worker: the argument and the answer of each call. */
export interface WorkerCalls {
  /** The first call: build the configuration and listen. `port` is never 0: all workers share it. */
  start: [{ config: Config; generation: number; port: number }, void];
  /** Take another configuration. Rejects, and changes nothing, when it cannot be built. */
  apply: [{ config: Config; generation: number }, void];
  /** What was counted since the last report. */
  collect: [null, WorkerReport];
  /** Stop accepting, let what runs end for at most `timeoutMs`, cut the rest. The worker leaves after its answer. */
  drain: [{ timeoutMs: number }, { cut: number }];
}

/** What a worker says by itself. */
export interface WorkerNews {
  /** Its process runs and takes calls. */
  hello: null;
  /** Once per second. */
  report: WorkerReport;
  /** It is about to die of this. */
  fatal: { error: string };
}

/** A worker's counters since its report before, and its state now. */
export interface WorkerReport {
  routes: MetricsDelta;
  connections: number;
  inFlight: number;
  generation: number;
  residentBytes: number;
  heapUsedBytes: number;
  /** Log lines lost since the process began, because nobody took them from its standard output, or not fast enough. */
  droppedLogLines: number;
  /** How late the event loop's timers fired in the last 15 to 30 seconds. */
  eventLoopDelayMs: { p50: number; p99: number; max: number };
}

/** Answers the primary's calls. What it throws, the caller gets as an Error with the same message. */
export type WorkerHandlers = {
  [Name in keyof WorkerCalls]: (
    argument: WorkerCalls[Name][0],
  ) => WorkerCalls[Name][1] | Promise<WorkerCalls[Name][1]>;
};

/** The primary's end. */
export interface WorkerLink {
  /**
   * Rejects with what the worker threw, with `NoAnswer` after `timeoutMs` (0: no limit), or with `WORKER_GONE`.
   */
  call<Name extends keyof WorkerCalls>(
    name: Name,
    argument: WorkerCalls[Name][0],
    timeoutMs: number,
  ): Promise<WorkerCalls[Name][1]>;
}

/** The worker's end. */
export interface PrimaryLink {
  tell<Name extends keyof WorkerNews>(name: Name, news: WorkerNews[Name]): void;
  /** Resolves when everything told and answered so far has been handed to the operating system. */
  flushed(): Promise<void>;
}

export type NewsListener = {
  [Name in keyof WorkerNews]: (news: WorkerNews[Name]) => void;
};

type ToWorker = {
  [Name in keyof WorkerCalls]: { id: number; call: Name; argument: WorkerCalls[Name][0] };
}[keyof WorkerCalls];

type ToPrimary =
  | { id: number; result: unknown }
  | { id: number; error: string }
  | { [Name in keyof WorkerNews]: { news: Name; content: WorkerNews[Name] } }[keyof WorkerNews];

/** Why a call failed whose worker is no longer there. */
export const WORKER_GONE = new Error('the worker is gone');

/** Why a call failed that took too long. The worker may still carry it out. */
export class NoAnswer extends Error {}

interface PendingCall {
  resolve(result: never): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout | undefined;
}

/** Connects the primary to a forked worker. Calls under way are rejected when the channel closes. */
export function linkToWorker(child: ChildProcess, listener: NewsListener): WorkerLink {
  const calls: PendingCalls = new PendingCalls((message) => {
    // The channel of a process that has just died: 'disconnect' and 'exit' follow.
    if (child.connected) child.send(message, () => {});
    else calls.failAll(WORKER_GONE);
  });
  child.on('message', (message: ToPrimary) => receive(message, calls, listener));
  child.once('disconnect', () => calls.failAll(WORKER_GONE));
  return calls;
}

/** Connects a forked worker to its primary. */
export function linkToPrimary(handlers: WorkerHandlers): PrimaryLink {
  let lastSend: Promise<void> = Promise.resolve();
  function send(message: ToPrimary): void {
    if (!process.connected) return;
    // A primary that has just gone is no error here: 'disconnect' follows, and the worker drains.
    lastSend = new Promise((resolve) => process.send?.(message, undefined, undefined, () => resolve()));
  }
  process.on('message', (message: ToWorker) => answer(message, handlers).then(send));
  return {
    tell: (news, content) => send({ news, content } as ToPrimary),
    flushed: () => lastSend,
  };
}

/** Both ends for a worker in the primary's own process. Asynchronous like the other, but nothing is copied. */
export function linkInProcess(
  createWorker: (primary: PrimaryLink) => WorkerHandlers,
  listener: NewsListener,
): WorkerLink {
  const toPrimary = (message: ToPrimary) => queueMicrotask(() => receive(message, calls, listener));
  const calls: PendingCalls = new PendingCalls((message) => answer(message, handlers).then(toPrimary));
  const handlers = createWorker({
    tell: (news, content) => toPrimary({ news, content } as ToPrimary),
    flushed: () => Promise.resolve(),
  });
  return calls;
}

async function answer({ id, call, argument }: ToWorker, handlers: WorkerHandlers): Promise<ToPrimary> {
  try {
    const handler = handlers[call] as (argument: unknown) => unknown;
    return { id, result: await handler(argument) };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}

function receive(message: ToPrimary, calls: PendingCalls, listener: NewsListener): void {
  if ('news' in message) (listener[message.news] as (content: unknown) => void)(message.content);
  else calls.settle(message);
}

class PendingCalls implements WorkerLink {
  readonly #send: (message: ToWorker) => unknown;
  #pending = new Map<number, PendingCall>();
  #lastId = 0;

  constructor(send: (message: ToWorker) => unknown) {
    this.#send = send;
  }

  call<Name extends keyof WorkerCalls>(
    name: Name,
    argument: WorkerCalls[Name][0],
    timeoutMs: number,
  ): Promise<WorkerCalls[Name][1]> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const late = () =>
        this.#take(id)?.reject(new NoAnswer(`no answer to "${name}" within ${timeoutMs} ms`));
      const timer = timeoutMs > 0 ? setTimeout(late, timeoutMs) : undefined;
      this.#pending.set(id, { resolve, reject, timer });
      this.#send({ id, call: name, argument } as ToWorker);
    });
  }

  settle(message: { id: number; result: unknown } | { id: number; error: string }): void {
    const call = this.#take(message.id);
    if (call === undefined) return; // its time was over
    if ('error' in message) call.reject(new Error(message.error));
    else call.resolve(message.result as never);
  }

  failAll(error: Error): void {
    for (const id of [...this.#pending.keys()]) this.#take(id)?.reject(error);
  }

  #take(id: number): PendingCall | undefined {
    const call = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(call?.timer);
    return call;
  }
}
