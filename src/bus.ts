/**
 * What primary and workers say to each other. A forked worker is reached over Node's IPC channel (serialization
 * 'advanced', so typed arrays travel as they are), one in the primary's own process directly.
 */
import type { ChildProcess } from 'node:child_process';
import type { AttendanceAsks } from './bus/attendance-calls.js';
import type { ChannelAsks, ChannelCalls } from './bus/channel-calls.js';
import { type AnswerMessage, type CallMessage, PendingCalls } from './bus/pending-calls.js';
import type { WorkerReport } from './bus/report.js';
import type { SocketCalls } from './bus/socket-calls.js';
import type { Config } from './config/schema.js';
import type { KeyCalls } from './services/idempotency/claims.js';
import type {
  CallbackCall,
  Introspection,
  KeySet,
  LoginCall,
  LoginEnd,
  LoginStart,
  MissingKey,
  SessionRefresh,
} from './services/primary-answers.js';
import type { Roster } from './upstream/balance/roster.js';

/** The environment variable that tells a forked process which worker it is: from 1, and the same for a replacement. */
export const WORKER_ID_VARIABLE = 'SLUICE_WORKER_ID';

/** What comes with each configuration. Memory goes by the path it is opened by; null: it cannot be shared. */
export interface Supplies {
  readonly limits: string | null;
  readonly endpoints: string | null;
  readonly rosters: readonly Roster[];
}

/** What the primary asks of a worker: the argument and the answer of each call. */
export interface WorkerCalls extends ChannelCalls, SocketCalls {
  /**
   * The first call: build the configuration and listen. `port` is never 0: all workers share it.
   */
  start: [{ config: Config; generation: number; supplies: Supplies; port: number }, void];
  /** Take another configuration. Rejects, and changes nothing, when it cannot be built. */
  apply: [{ config: Config; generation: number; supplies: Supplies }, void];
  /** The endpoints of a service have changed. */
  roster: [Roster, void];
  /** The keys of an issuer have changed. */
  keys: [KeySet, void];
  /** What was counted since the last report. */
  collect: [null, WorkerReport];
  /** Stop accepting, let what runs end for at most `timeoutMs`, cut the rest. The worker leaves after its answer. */
  /** `handOver`: others listen on the port, and get the connections from now on. */
  drain: [{ timeoutMs: number; handOver: boolean }, { cut: number }];
}

/** What a worker asks of the primary: the argument and the answer of each question. All of it is off the usual path. */
export interface PrimaryCalls extends KeyCalls, AttendanceAsks {
  /** The keys of a provider; the worker's lack one: the issuer is asked again, if that is due. */
  keys: [{ provider: string; missing: MissingKey }, KeySet];
  /** What the authorisation server says of a token. */
  introspect: [{ provider: string; token: string }, Introspection];
  /** Begins a login: where to send the browser, and with which cookie. */
  login: [LoginCall, LoginStart];
  /** Ends a login: the browser is back with a code. */
  callback: [CallbackCall, LoginEnd];
  /** A session that this machine does not know: other machines may. */
  findSession: [{ provider: string; sid: string }, { found: boolean }];
  /** Renews the tokens of a session, once for all who ask. `rotate`: the session gets another id. */
  refreshSession: [{ provider: string; sid: string; rotate: boolean }, SessionRefresh];
  logout: [{ provider: string; sid: string; origin: string }, { location: string }];
}

/** What a worker says by itself. */
export interface WorkerNews extends ChannelAsks {
  /** Its process runs and takes calls. */
  hello: null;
  /** Once per second. */
  report: WorkerReport;
  /** It is about to die of this. */
  fatal: { error: string };
}

/** Answers the primary's calls. What it throws, the caller gets as an Error with the same message. */
export type WorkerHandlers = {
  [Name in keyof WorkerCalls]: (
    argument: WorkerCalls[Name][0],
  ) => WorkerCalls[Name][1] | Promise<WorkerCalls[Name][1]>;
};

/** Answers the workers' questions. What it throws, the worker gets as an Error with the same message. */
export type PrimaryHandlers = {
  [Name in keyof PrimaryCalls]: (argument: PrimaryCalls[Name][0]) => Promise<PrimaryCalls[Name][1]>;
};

/** The primary's end. */
export interface WorkerLink {
  /** Rejects with what the worker threw, with `NoAnswer` after `timeoutMs` (0: no limit), or with `WORKER_GONE`. */
  call<Name extends keyof WorkerCalls>(
    name: Name,
    argument: WorkerCalls[Name][0],
    timeoutMs: number,
  ): Promise<WorkerCalls[Name][1]>;
}

/** The worker's end. */
export interface PrimaryLink {
  tell<Name extends keyof WorkerNews>(name: Name, news: WorkerNews[Name]): void;
  /** Rejects with what the primary threw, with `NoAnswer` after `timeoutMs`, or with `PRIMARY_GONE`. */
  ask<Name extends keyof PrimaryCalls>(
    name: Name,
    argument: PrimaryCalls[Name][0],
    timeoutMs: number,
  ): Promise<PrimaryCalls[Name][1]>;
  /** Resolves when everything told and answered so far has been handed to the operating system. */
  flushed(): Promise<void>;
}

export type NewsListener = {
  [Name in keyof WorkerNews]: (news: WorkerNews[Name]) => void;
};

type NewsMessage = {
  [Name in keyof WorkerNews]: { news: Name; content: WorkerNews[Name] };
}[keyof WorkerNews];

type ToWorker = CallMessage | AnswerMessage;
type ToPrimary = CallMessage | AnswerMessage | NewsMessage;

/** Why a call failed whose worker is no longer there. */
export const WORKER_GONE = new Error('the worker is gone');

/** Why a question failed whose primary is no longer there. */
export const PRIMARY_GONE = new Error('the primary is gone');

/** Connects the primary to a forked worker. Calls under way are rejected when the channel closes. */
export function linkToWorker(
  child: ChildProcess,
  listener: NewsListener,
  handlers: PrimaryHandlers,
): WorkerLink {
  const send = (message: ToWorker): boolean => {
    // The channel of a process that has just died: 'disconnect' and 'exit' follow.
    if (child.connected) child.send(message, () => {});
    return child.connected;
  };
  const calls = new PendingCalls((message) => {
    if (!send(message)) calls.failAll(WORKER_GONE);
  });
  child.on('message', (message: ToPrimary) => {
    if ('call' in message) void answer(message, handlers).then(send);
    else receive(message, calls, listener);
  });
  child.once('disconnect', () => calls.failAll(WORKER_GONE));
  return { call: calls.call as WorkerLink['call'] };
}

/** Connects a forked worker to its primary. */
export function linkToPrimary(handlers: WorkerHandlers): PrimaryLink {
  let lastSend: Promise<void> = Promise.resolve();
  function send(message: ToPrimary): void {
    if (!process.connected) return;
    // A primary that has just gone is no error here: 'disconnect' follows, and the worker drains.
    lastSend = new Promise((resolve) => process.send?.(message, undefined, undefined, () => resolve()));
  }
  const calls = new PendingCalls((message) => {
    if (process.connected) send(message);
    else calls.failAll(PRIMARY_GONE);
  });
  process.on('message', (message: ToWorker) => {
    if ('call' in message) void answer(message, handlers).then(send);
    else calls.settle(message);
  });
  process.once('disconnect', () => calls.failAll(PRIMARY_GONE));
  return {
    tell: (news, content) => send({ news, content } as NewsMessage),
    ask: calls.call as PrimaryLink['ask'],
    flushed: () => lastSend,
  };
}

/** Both ends for a worker in the primary's own process. Asynchronous like the other, but nothing is copied. */
export function linkInProcess(
  createWorker: (primary: PrimaryLink) => WorkerHandlers,
  listener: NewsListener,
  primaryHandlers: PrimaryHandlers,
): WorkerLink {
  const toWorker = new PendingCalls((message) => {
    void answer(message, handlers).then((reply) => toWorker.settle(reply));
  });
  const toPrimary = new PendingCalls((message) => {
    void answer(message, primaryHandlers).then((reply) => toPrimary.settle(reply));
  });
  const handlers = createWorker({
    tell: (news, content) =>
      queueMicrotask(() => receive({ news, content } as NewsMessage, toWorker, listener)),
    ask: toPrimary.call as PrimaryLink['ask'],
    flushed: () => Promise.resolve(),
  });
  return { call: toWorker.call as WorkerLink['call'] };
}

async function answer(
  { id, call, argument }: CallMessage,
  handlers: WorkerHandlers | PrimaryHandlers,
): Promise<AnswerMessage> {
  try {
    const handler = (handlers as Record<string, (argument: unknown) => unknown>)[call];
    return { id, result: await handler(argument) };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}

function receive(message: AnswerMessage | NewsMessage, calls: PendingCalls, listener: NewsListener): void {
  if ('news' in message) (listener[message.news] as (content: unknown) => void)(message.content);
  else calls.settle(message);
}
