/**
 * One listener process: a gateway behind a listener, told what to do by the primary. With one worker it lives in the
 * primary's own process; else this file is what each forked process runs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkerReport } from './bus/report.js';
import {
  linkToPrimary,
  type PrimaryLink,
  WORKER_ID_VARIABLE,
  type WorkerCalls,
  type WorkerHandlers,
} from './bus.js';
import type { Config } from './config/schema.js';
import { Gateway } from './gateway.js';
import { Listener } from './listen/server.js';
import { endStartup } from './memory.js';
import { createExchangeAudit } from './observe/audit.js';
import type { LineSink } from './observe/line-sink.js';
import { createLog, type Log, openStdout } from './observe/log.js';
import { LoopDelay } from './observe/loop-delay.js';
import { WorkerMetrics } from './observe/metrics.js';
import { OverloadKeeper } from './overload/keeper.js';
import { AccessKeeper } from './services/access-keeper.js';
import { IdempotencyKeeper } from './services/idempotency/keeper.js';
import { LimitKeeper } from './services/limit-keeper.js';
import type { KeySet } from './services/primary-answers.js';
import type { ChangeListener } from './services/store/store-watch.js';
import { EndpointTable, endpointTableBytes } from './shared/endpoint-table.js';
import { trimHeap } from './shared/mapping.js';
import { createInProcess, openSegment } from './shared/segment.js';
import type { Roster } from './upstream/balance/roster.js';
import { createCaller } from './upstream/call/call.js';
import { WorkerChannels } from './websocket/channels/worker-channels.js';
import { WorkerSockets } from './websocket/worker-sockets.js';

const REPORT_EVERY_MS = 1000;
/** For this long after the last accept, an idle connection may still send a request: it was on its way. */
const LINGER_MS = 1000;
const DRAIN_POLL_MS = 20;
/** For the close frame of a WebSocket to be answered: until then, cutting the connection could overtake it. */
const CLOSE_FRAME_MS = 300;
const LAST_WORDS_MS = 200;

export class GatewayWorker implements WorkerHandlers {
  readonly #id: number;
  readonly #lines: LineSink;
  readonly #primary: PrimaryLink;
  readonly #metrics = new WorkerMetrics();
  readonly #loopDelay = new LoopDelay();
  readonly #access: AccessKeeper;
  readonly #limits: LimitKeeper;
  readonly #idempotency: IdempotencyKeeper;
  readonly #sockets: WorkerSockets;
  readonly #channels: WorkerChannels;
  readonly #overload = new OverloadKeeper();
  #running: {
    config: Config;
    log: Log;
    gateway: Gateway;
    listener: Listener;
    reports: NodeJS.Timeout;
  } | null = null;
  /** The last `apply`. */
  #applied: Promise<void> = Promise.resolve();
  #drained: Promise<{ cut: number }> | null = null;

  constructor(id: number, lines: LineSink, primary: PrimaryLink) {
    this.#id = id;
    this.#lines = lines;
    this.#primary = primary;
    this.#sockets = new WorkerSockets(id);
    this.#limits = new LimitKeeper(id);
    this.#idempotency = new IdempotencyKeeper(primary, id);
    this.#channels = new WorkerChannels(id, primary, (topic, text) =>
      this.#running?.listener.publish(topic, text),
    );
    const audit = createExchangeAudit(lines, id);
    const onRecords: ChangeListener = (changes) => this.#sockets.owners?.guard.changed(changes);
    this.#access = new AccessKeeper({ primary, audit, call: createCaller, onRecords });
  }

  start = async ({ config, generation, supplies, port }: WorkerCalls['start'][0]) => {
    const log = createLog(this.#lines, config.log.level, { pid: process.pid, worker: this.#id });
    const gateway = new Gateway({
      log,
      accessLog: this.#lines,
      metrics: this.#metrics,
      workerId: this.#id,
      table: openEndpointTable(supplies.endpoints, this.#id),
    });
    const forSockets = this.#sockets.needs(config);
    await this.#put(gateway, { config, generation, supplies }, log);
    const listener = await Listener.open({ listen: config.listen, port, ...forSockets }, gateway);
    endStartup(); // before the first connection is accepted: nobody waits for it
    trimHeap();
    const reports = setInterval(() => this.#primary.tell('report', this.#report()), REPORT_EVERY_MS);
    this.#running = { config, log, gateway, listener, reports };
    this.#loopDelay.start();
  };

  apply = (next: WorkerCalls['apply'][0]) => this.#inTurn(() => this.#apply(next));

  /** The endpoints of a service have changed: told after a configuration, it is taken after it. */
  roster = (roster: Roster) => this.#inTurn(() => this.#mustRun().gateway.takeRoster(roster));

  /** One after the other, as they came: a certificate takes a moment to be swapped. */
  #inTurn(work: () => void | Promise<void>): Promise<void> {
    const turn = this.#applied.then(work);
    this.#applied = turn.catch(() => {});
    return turn;
  }

  collect = () => this.#report();

  listSockets = (query: WorkerCalls['listSockets'][0]) => this.#sockets.owners?.desk.list(query) ?? [];
  closeSockets = (query: WorkerCalls['closeSockets'][0]) => this.#sockets.owners?.desk.close(query) ?? 0;

  /** The keys of an issuer have changed. */
  keys = (set: KeySet) => this.#access.takeKeys(set);

  channelNews = (news: WorkerCalls['channelNews'][0]) => this.#channels.take(news);
  broadcast = (broadcast: WorkerCalls['broadcast'][0]) => this.#channels.broadcast(broadcast);
  attend = (call: WorkerCalls['attend'][0]) => this.#channels.attend(call);

  /** A second call joins the first. */
  drain = ({ timeoutMs, handOver }: WorkerCalls['drain'][0]) => {
    this.#drained ??= this.#drain(timeoutMs, handOver);
    return this.#drained;
  };

  /** The primary has vanished: nobody will say when to leave, so leave as it would have asked. */
  async orphaned(): Promise<{ cut: number }> {
    if (this.#running === null) return { cut: 0 };
    const { config, log } = this.#running;
    log.error('the primary is gone: draining');
    const failed = (error: Error) =>
      log.error({ err: error.message }, 'the last counts of quotas are not written');
    await this.#limits.rescue(config, failed);
    const drained = await this.drain({ timeoutMs: config.drain.timeout, handOver: false });
    await this.#limits.rescue(config, failed);
    return drained;
  }

  /** The last line of a process that is about to end by an error nobody caught. */
  lastWords(error: unknown): void {
    const log = this.#running?.log ?? createLog(this.#lines, 'info', { pid: process.pid, worker: this.#id });
    log.fatal({ err: error }, 'the worker ends: uncaught error');
    this.#primary.tell('fatal', {
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }

  async #apply(next: WorkerCalls['apply'][0]): Promise<void> {
    const { config } = next;
    const running = this.#mustRun();
    if (this.#drained !== null) throw new Error('the worker is draining');
    // Certificates first: they can fail for reasons outside of the configuration, and do no harm alone.
    await running.listener.update(config.listen);
    await this.#put(running.gateway, next, running.log);
    running.config = config;
    running.log.level = config.log.level;
  }

  /** Prepares what filters ask for, and swaps the snapshot. */
  async #put(
    gateway: Gateway,
    { config, generation, supplies }: WorkerCalls['apply'][0],
    log: Log,
  ): Promise<void> {
    const limits = await this.#limits.prepare(config, supplies.limits, log);
    const overload = await this.#overload.prepare(config, gateway, log);
    const sockets = await this.#sockets.prepare(config, gateway);
    const idempotency = await this.#idempotency.prepare(config);
    const channels = await this.#channels.prepare(config, sockets?.owners ?? null);
    const prepared = await this.#access.prepare(config);
    try {
      const services = { access: prepared.access, limits, overload, idempotency, channels };
      gateway.apply(config, generation, services, supplies.rosters, sockets);
    } catch (error) {
      this.#access.abandon(prepared);
      throw error;
    }
    this.#access.adopt(prepared);
    channels?.adopt();
    await this.#overload.adopt(config);
  }

  async #drain(timeoutMs: number, handOver: boolean): Promise<{ cut: number }> {
    if (this.#running === null) return { cut: 0 };
    const { gateway, listener, reports } = this.#running;
    gateway.drain(timeoutMs);
    this.#channels.leave();
    const startedAt = performance.now();
    await listener.stopAccepting(handOver);
    const elapsedMs = () => performance.now() - startedAt;
    const lastClose = () => performance.now() - (this.#sockets.owners?.lastEndAt ?? Number.NEGATIVE_INFINITY);
    const isDone = () =>
      listener.connections() === 0 ||
      (gateway.inFlight === 0 && elapsedMs() >= LINGER_MS && lastClose() >= CLOSE_FRAME_MS);
    while (!isDone() && elapsedMs() < timeoutMs) await sleep(DRAIN_POLL_MS);
    const cut = gateway.inFlight;
    listener.close();
    // What clients have left behind, and what the last ones were answered.
    await this.#idempotency.settled(Math.max(LAST_WORDS_MS, timeoutMs - elapsedMs()));
    clearInterval(reports);
    this.#loopDelay.stop();
    this.#overload.close();
    await this.#access.close();
    return { cut };
  }

  #report(): WorkerReport {
    const { gateway, listener } = this.#mustRun();
    const memory = process.memoryUsage();
    return {
      routes: this.#metrics.flush(),
      resilience: this.#metrics.resilience.flush(),
      connections: listener.connections(),
      inFlight: gateway.inFlight,
      generation: gateway.generation,
      residentBytes: memory.rss,
      heapUsedBytes: memory.heapUsed,
      ...this.#access.report(),
      limits: this.#limits.report(),
      sockets: this.#sockets.keeper?.report() ?? null,
      channels: this.#channels.report(),
      waits: this.#limits.reportWaits(),
      adaptive: this.#limits.reportAdaptive(),
      overload: this.#overload.report(),
      quotas: this.#limits.takeQuotaNotes(),
      droppedLogLines: this.#lines.dropped,
      eventLoopDelayMs: this.#loopDelay.read(),
    };
  }

  #mustRun() {
    if (this.#running === null) throw new Error('the worker has not started');
    return this.#running;
  }
}

/** The primary's, or one of this worker alone where memory cannot be shared. */
function openEndpointTable(path: string | null, worker: number): EndpointTable {
  const segment =
    path === null ? createInProcess({ endpoints: endpointTableBytes(worker) }) : openSegment(path);
  return new EndpointTable(segment.region('endpoints'), worker);
}

/** What a forked process does. Resolves with its exit code: 0 after a drain, 1 after an error nobody caught. */
export function runWorker(): Promise<number> {
  const id = Number(process.env[WORKER_ID_VARIABLE]);
  delete process.env[WORKER_ID_VARIABLE];
  process.title = `sluice: worker ${id}`;
  // They reach the whole process group (Ctrl-C, systemd's KillMode=control-group), but the primary leads.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

  const lines = openStdout();
  return new Promise((resolve) => {
    const primary = linkToPrimary({
      start: (argument) => worker.start(argument),
      apply: (argument) => worker.apply(argument),
      keys: (set) => worker.keys(set),
      roster: (roster) => worker.roster(roster),
      channelNews: (news) => worker.channelNews(news),
      broadcast: (broadcast) => worker.broadcast(broadcast),
      listSockets: (query) => worker.listSockets(query),
      closeSockets: (query) => worker.closeSockets(query),
      attend: (call) => worker.attend(call),
      collect: () => worker.collect(),
      drain: async (argument) => {
        const outcome = await worker.drain(argument);
        setImmediate(leave, 0);
        return outcome;
      },
    });
    const worker = new GatewayWorker(id, lines, primary);

    async function leave(code: number) {
      await Promise.race([Promise.all([primary.flushed(), lines.flush()]), sleep(LAST_WORDS_MS)]);
      resolve(code);
    }

    process.once('disconnect', () => worker.orphaned().then(() => leave(0)));
    process.once('uncaughtException', (error) => {
      worker.lastWords(error);
      leave(1);
    });
    primary.tell('hello', null);
  });
}
