/**
 * The control plane: starts the workers and keeps them alive, swaps configurations, answers operators, and leaves in
 * order. It never touches what clients send, but for `workers: 1`, where the one worker lives in this process.
 */
import { availableParallelism, constants } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadResult } from './config/load.js';
import { formatMistake } from './config/mistakes.js';
import type { ConfigReader } from './config/reader/reader.js';
import type { Config } from './config/schema.js';
import type { ControlPlane, Phase } from './control/admin/endpoint.js';
import { AdminServer } from './control/admin/server.js';
import { Departments } from './control/departments.js';
import { findFreePort, urlOf } from './control/free-port.js';
import { packageVersion } from './control/package-version.js';
import { Reloader } from './control/reloader.js';
import { SocketControl } from './control/sockets/socket-control.js';
import { Supervisor } from './control/supervisor.js';
import { FileWatch, watchedFiles } from './control/watch.js';
import { forkWorker, hostWorker } from './control/worker-process.js';
import type { EarlySignals } from './early-signals.js';
import { endStartup } from './memory.js';
import type { LineSink } from './observe/line-sink.js';
import { createLog, isoTime, type Log, openStdout } from './observe/log.js';
import { Totals } from './observe/totals.js';

const COLLECT_WITHIN_MS = 250;
/** One reload is seldom alone. */
const READER_LINGERS_MS = 5_000;
const FLUSH_WITHIN_MS = 1000;
const LEAVE_SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** `timeout`, npm and others signal the process and then its group: within this time, the same again is a copy. */
const COPY_WITHIN_MS = 200;

export interface PrimaryOptions {
  /** The configuration file. */
  file: string;
  reader: ConfigReader;
  /** What is in the file, as it is being read: that has begun before this module was loaded. */
  first: Promise<LoadResult>;
  early: EarlySignals;
  /** Instead of the configuration's `workers`. */
  workers?: number;
  /** Other gateways listen on the port, or will. */
  join?: boolean;
  /** Reload when the file, or a certificate it names, changes. */
  watch: boolean;
  /** For `${NAME}` in the file. Default: the process's own. */
  env?: NodeJS.ProcessEnv;
  onReady?: (info: ReadyInfo) => void;
}

/** The members of the line on standard output that says `"msg":"ready"`. */
export interface ReadyInfo {
  /** Where clients connect from this machine. */
  url: string;
  /** Null when the admin API is off. */
  admin: string | null;
  pid: number;
  workers: number;
  generation: number;
}

/**
 * Runs a gateway until it is told to leave. Resolves with the exit code of the process: 0 after a drain (SIGTERM,
 * SIGINT), 1 when it cannot start or fails by an error nobody caught, 128 + the signal's number when a second signal, or one during the start, cut it
 * short. Mistakes in the file and what prevents the start are written to standard error, one line each.
 */
export async function startPrimary(options: PrimaryOptions): Promise<number> {
  const loaded = await Promise.race([options.first, options.early.leave]);
  if (typeof loaded === 'string') return 128 + constants.signals[loaded];
  if (!loaded.ok) {
    for (const mistake of loaded.mistakes) complain(formatMistake(mistake));
    return 1;
  }
  const lines = openStdout();
  const primary = new Primary(options, loaded.config, lines);
  for (const warning of loaded.warnings)
    primary.log.warn({ warning: formatMistake(warning) }, 'configuration warning');
  const code = await primary.run();
  await Promise.race([lines.flush(), sleep(FLUSH_WITHIN_MS)]);
  return code;
}

class Primary implements ControlPlane {
  readonly version = packageVersion();
  readonly startedAt = new Date();
  readonly file: string;
  readonly totals = new Totals();
  readonly log: Log;
  readonly #options: PrimaryOptions;
  readonly #lines: LineSink;
  readonly #workerCount: number;
  readonly #supervisor: Supervisor;
  readonly #reloader: Reloader;
  readonly #departments: Departments;
  readonly #admin: AdminServer | null;
  readonly #end = Promise.withResolvers<number>();
  #watch: FileWatch | null = null;
  #phase: Phase = 'starting';
  /** SIGHUP came before everything ran. */
  #reloadDue = false;
  /** What the drain began with. */
  #asked: { signal: NodeJS.Signals; at: number } | null = null;

  constructor(options: PrimaryOptions, config: Config, lines: LineSink) {
    this.#options = options;
    this.#lines = lines;
    this.file = resolve(options.file);
    this.log = createLog(lines, config.log.level, { pid: process.pid });
    this.#workerCount =
      options.workers ?? (config.workers === 'auto' ? availableParallelism() : config.workers);
    this.#departments = new Departments({
      config,
      workers: this.#workerCount,
      log: this.log,
      lines,
      onKeys: (set) => this.#supervisor.takeKeys(set),
      onRoster: (roster) => this.#supervisor.takeRoster(roster),
      callWorker: (id, name, argument) => this.#supervisor.call(id, name, argument),
    });
    const { handlers, supplies, workerGone, reported } = this.#departments;
    this.#supervisor = new Supervisor({
      count: this.#workerCount,
      spawn:
        this.#workerCount === 1
          ? hostWorker(lines, handlers)
          : forkWorker(new URL('./main.js', import.meta.url), handlers),
      log: this.log,
      totals: this.totals,
      inForce: () => this.#reloader.inForce,
      supplies,
      onGone: workerGone,
      onReport: reported,
      onChannelAsks: this.#departments.channels.asked,
    });
    this.#reloader = new Reloader({
      read: () => options.reader.read(options.file, options.env ?? process.env, READER_LINGERS_MS),
      log: this.log,
      first: { config, generation: 1 },
      apply: async (next) => {
        const refusal = await this.#departments.follow(next.config).catch((error: Error) => error.message);
        if (refusal !== undefined) return [{ worker: 0, result: 'refused', error: refusal }];
        return await this.#supervisor.apply(next);
      },
      onChange: ({ config }) => this.#adopted(config),
    });
    this.#admin = config.admin === null ? null : new AdminServer(this, this.log);
  }

  async run(): Promise<number> {
    const { early, reader } = this.#options;
    this.#reloadDue = early.hungUp;
    const onLeave = (signal: NodeJS.Signals) => this.#leave(signal);
    const onHangUp = () => this.#hangUp();
    for (const signal of LEAVE_SIGNALS) process.on(signal, onLeave);
    process.on('SIGHUP', onHangUp);
    const onCrash = (error: unknown) => this.#crash(error);
    process.on('uncaughtException', onCrash);
    early.end();
    this.#start().catch((error: Error) => this.#fail(error));
    const code = await this.#end.promise;
    for (const signal of LEAVE_SIGNALS) process.off(signal, onLeave);
    process.off('SIGHUP', onHangUp);
    process.off('uncaughtException', onCrash);
    this.#watch?.close();
    reader.close();
    this.#admin?.close();
    await this.#departments.close();
    return code;
  }

  // what the admin API asks for ----------------------------------------------------------------------------------

  phase = () => this.#phase;
  inForce = () => this.#reloader.inForce;
  workers = () => this.#supervisor.views();
  collect = () => this.#supervisor.collect(COLLECT_WITHIN_MS);
  reload = (reason: string) => this.#reloader.reload(reason);
  restarts = () => this.#supervisor.restarts;
  records = () => this.#departments.access.records();
  audit = (event: Readonly<Record<string, unknown>>) => this.#departments.access.audit(event);
  revokeUser = (provider: string, user: string) => this.#departments.access.revokeUser(provider, user);
  keyAges = () => this.#departments.access.keyAges();
  idempotency = () => this.#departments.idempotency;
  registry = () => this.#departments.discovery.registry();
  discovery = () => this.#departments.discovery.facts();
  quotas = () => this.#departments.limits.quotas();
  endpoints = () => this.#departments.endpoints.facts();
  drain = (service: string, endpoint: string, drained: boolean) =>
    this.#departments.endpoints.drain(service, endpoint, drained);
  services = () => this.#departments.endpoints.services();
  channels = () => this.#departments.channels;
  readonly sockets = new SocketControl(() => this.#supervisor);
  presence = () => this.#departments.presence;
  limitSync = () => this.#departments.limits.syncCounts();

  get reloads() {
    return this.#reloader.counts;
  }

  // beginning and end --------------------------------------------------------------------------------------------

  async #start(): Promise<void> {
    const { config, generation } = this.inForce();
    const { admin, listen } = config;
    const adminPort = admin && (await this.#admin?.listen(admin.host, admin.port));
    const isShared = this.#options.join && listen.port > 0;
    const port = isShared ? listen.port : await findFreePort(listen.host, listen.port);
    await this.#departments.follow(config);
    this.#departments.adopted(config);
    await this.#supervisor.start(port);
    if (this.#workerCount > 1) endStartup(); // a lone worker has done it for both
    if (this.#phase !== 'starting') return;

    this.#phase = 'running';
    if (this.#options.watch) {
      this.#watch = new FileWatch(watchedFiles(this.file, config), () => void this.reload('file changed'));
    }
    const info: ReadyInfo = {
      url: urlOf(listen.tls === null ? 'http' : 'https', listen.host, port),
      admin: admin && urlOf('http', admin.host, adminPort as number),
      pid: process.pid,
      workers: this.#workerCount,
      generation,
    };
    // Not through the log: scripts wait for this line whatever `log.level` says.
    this.#lines.write(`${JSON.stringify({ level: 'info', time: isoTime(), msg: 'ready', ...info })}\n`);
    void this.#lines.flush();
    this.#options.onReady?.(info);
    if (this.#reloadDue) void this.reload('SIGHUP');
  }

  #fail(error: Error): void {
    if (this.#phase === 'draining') return;
    complain(`sluice: ${error.message}`);
    this.#supervisor.kill();
    this.#end.resolve(1);
  }

  /** Forked workers notice that the primary is gone, and drain by themselves. */
  #crash(error: unknown): void {
    this.log.fatal({ err: error }, 'the primary ends: uncaught error');
    this.#end.resolve(1);
  }

  /** The first signal drains, if there is anything to drain; the next one leaves at once. */
  #leave(signal: NodeJS.Signals): void {
    const now = performance.now();
    if (this.#phase === 'running') {
      this.#asked = { signal, at: now };
      void this.#drain(signal);
      return;
    }
    if (this.#asked?.signal === signal && now - this.#asked.at < COPY_WITHIN_MS) return;
    this.log.warn({ signal }, 'leaving at once');
    this.#phase = 'draining';
    this.#supervisor.kill();
    this.#end.resolve(128 + constants.signals[signal]);
  }

  async #drain(signal: string): Promise<void> {
    this.#phase = 'draining'; // /readyz answers 503 from here on
    this.#watch?.close();
    this.#watch = null;
    const { delay, timeout } = this.inForce().config.drain;
    this.log.info({ signal, delayMs: delay, timeoutMs: timeout }, 'draining');
    await sleep(delay);
    const cut = await this.#supervisor.drain(timeout, this.#options.join);
    this.log.info({ cut }, 'drained');
    this.#end.resolve(0);
  }

  /** What is read during the start may be older than what the signal is about. */
  #hangUp(): void {
    if (this.#phase === 'starting') this.#reloadDue = true;
    else if (this.#phase === 'running') void this.reload('SIGHUP');
    else this.log.warn({ phase: this.#phase }, 'SIGHUP ignored');
  }

  #adopted(config: Config): void {
    this.log.level = config.log.level;
    this.#departments.adopted(config);
    this.totals.retain(new Set(config.routes.map((route) => route.name)));
    this.#watch?.follow(watchedFiles(this.file, config));
  }
}

/** For people at a terminal, before there is a log, or when there will not be one. */
function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}
