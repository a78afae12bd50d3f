import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkerReport } from '../bus/report.js';
import { type Supplies, WORKER_GONE, type WorkerCalls, type WorkerNews } from '../bus.js';
import type { Config } from '../config/schema.js';
import type { Log } from '../observe/log.js';
import type { KeySet } from '../services/primary-answers.js';
import type { Roster } from '../upstream/balance/roster.js';
import { Adoption, type ApplyOutcome, type InForce } from './adoption.js';
import { BackOff } from './back-off.js';
import type { SpawnWorker, WorkerProcess } from './worker-process.js';

/** How long a worker is waited for, in milliseconds. */
export interface Patience {
  readonly startMs: number;
  readonly applyMs: number;
  /** A worker that has not reported for this long, where one report a second is due, serves nobody. */
  readonly silenceMs: number;
}

export const PATIENCE: Patience = { startMs: 30_000, applyMs: 10_000, silenceMs: 30_000 };

export type WorkerState = 'starting' | 'ready' | 'waiting' | 'draining' | 'stopped';

/** A worker as operators see it. */
export interface WorkerView {
  readonly id: number;
  readonly pid: number;
  /** `waiting`: it died and is about to be replaced, after a pause if it died quickly before. */
  readonly state: WorkerState;
  /** What it runs, by its own account; 0 when nothing yet. */
  readonly generation: number;
  readonly restarts: number;
  readonly upSeconds: number;
  /** Why its predecessor died. */
  readonly lastExit: string | null;
}

export interface SlotOptions {
  readonly id: number;
  readonly spawn: SpawnWorker;
  readonly log: Log;
  readonly patience: Patience;
  inForce(): InForce;
  supplies(config: Config): Supplies;
  onReport(id: number, report: WorkerReport): void;
  onGone(id: number): void;
  onChannelAsks(id: number, asks: WorkerNews['channelAsks']): void;
}

/** The place of one worker: whoever dies in it is replaced, until it is drained. */
export class WorkerSlot {
  readonly #options: SlotOptions;
  readonly #backOff = new BackOff();
  readonly #stopping = new AbortController();
  #process: WorkerProcess | null = null;
  #state: WorkerState = 'starting';
  /** Of the present life, once it has started. */
  #adoption: Adoption | null = null;
  #restarts = 0;
  #bornAt = 0;
  #heardAt = 0;
  #lastError: string | null = null;
  #lastExit: string | null = null;

  constructor(options: SlotOptions) {
    this.#options = options;
  }

  /** The first life. Rejects with the worker's own reason when it cannot start; nothing is tried again then. */
  async start(port: number): Promise<void> {
    await this.#launch(port);
    void this.#keepAlive(port);
  }

  /**
   * Offers a configuration to a worker that is ready and has not been offered it last. Null when there was nobody to
   * offer it to: who is not ready yet begins with what is in force then.
   */
  async apply(next: InForce): Promise<ApplyOutcome | null> {
    if (this.#state !== 'ready' || this.#adoption === null) return null;
    return await this.#adoption.take(next);
  }

  /** Tells a worker that is ready; one that is not asks when it needs them. */
  takeKeys(set: KeySet): void {
    if (this.#state !== 'ready') return;
    this.#process?.link.call('keys', set, this.#options.patience.applyMs).catch(() => {});
  }

  /** Tells a worker that is ready; one that starts is told when it is. */
  takeRoster(roster: Roster): void {
    if (this.#state !== 'ready') return;
    this.#process?.link.call('roster', roster, this.#options.patience.applyMs).catch(() => {});
  }

  /** Calls the worker that lives now. Rejects when there is none, or it does not answer. */
  async call<Name extends keyof WorkerCalls>(
    name: Name,
    argument: WorkerCalls[Name][0],
  ): Promise<WorkerCalls[Name][1]> {
    if (this.#process === null) throw WORKER_GONE;
    return await this.#process.link.call(name, argument, this.#options.patience.applyMs);
  }

  async collect(withinMs: number): Promise<void> {
    const report = await this.ask('collect', null, withinMs);
    if (report !== null) this.#heard(report);
  }

  /** null: the worker is not ready, or does not answer in time. */
  async ask<Name extends keyof WorkerCalls>(
    name: Name,
    argument: WorkerCalls[Name][0],
    withinMs: number,
  ): Promise<WorkerCalls[Name][1] | null> {
    if (this.#state !== 'ready' || this.#process === null) return null;
    return await this.#process.link.call(name, argument, withinMs).catch(() => null);
  }

  /** Resolves with the number of exchanges that had to be cut, when the worker has left. */
  async drain(timeoutMs: number, graceMs: number, handOver: boolean): Promise<number> {
    this.#stopping.abort();
    const life = this.#process;
    const wasReady = this.#state === 'ready';
    this.#state = 'draining';
    let cut = 0;
    if (life !== null && wasReady) {
      const wish = { timeoutMs, handOver };
      const outcome = await life.link.call('drain', wish, timeoutMs + graceMs).catch(() => null);
      cut = outcome?.cut ?? 0;
    }
    if (life !== null && life.pid !== process.pid) {
      const left = await Promise.race([life.exited, sleep(wasReady ? graceMs : 0, null, { ref: false })]);
      if (left === null) life.kill();
    }
    this.#state = 'stopped';
    return cut;
  }

  /** Ends the worker at once, and for good. */
  kill(): void {
    this.#stopping.abort();
    this.#process?.kill();
    this.#state = 'stopped';
  }

  /** Kills a worker whose event loop has stood still for too long; its replacement follows. */
  killIfHung(nowMs: number): void {
    const { id, log, patience } = this.#options;
    if (this.#state !== 'ready' || nowMs - this.#heardAt < patience.silenceMs) return;
    log.error(
      { worker: id, workerPid: this.#process?.pid, silentMs: Math.round(nowMs - this.#heardAt) },
      'worker hangs: killing it',
    );
    this.#process?.kill();
    this.#heardAt = nowMs;
  }

  view(): WorkerView {
    return {
      id: this.#options.id,
      pid: this.#process?.pid ?? 0,
      state: this.#state,
      generation: this.#adoption?.generation ?? 0,
      restarts: this.#restarts,
      upSeconds: this.#state === 'ready' ? Math.floor((performance.now() - this.#bornAt) / 1000) : 0,
      lastExit: this.#lastExit,
    };
  }

  async #keepAlive(port: number): Promise<void> {
    for (;;) {
      const reason = await this.#process!.exited;
      this.#buried(reason);
      if (!(await this.#replace(port))) return;
    }
  }

  /** True when there is a worker again, false when none is wanted any more. */
  async #replace(port: number): Promise<boolean> {
    const { signal } = this.#stopping;
    const { id, log } = this.#options;
    let livedMs = performance.now() - this.#bornAt;
    while (!signal.aborted) {
      const waitMs = this.#backOff.next(livedMs);
      log.error(
        {
          worker: id,
          reason: this.#lastExit,
          error: this.#lastError === null ? undefined : firstLine(this.#lastError),
          restartInMs: waitMs,
        },
        'worker died',
      );
      this.#state = 'waiting';
      this.#restarts++;
      try {
        if (waitMs > 0) await sleep(waitMs, undefined, { signal });
        await this.#launch(port);
        log.info({ worker: id, workerPid: this.#process?.pid }, 'worker replaced');
        return true;
      } catch (error) {
        this.#lastExit = (error as Error).message;
        livedMs = 0;
      }
    }
    return false;
  }

  async #launch(port: number): Promise<void> {
    const { id, spawn, log, supplies, patience } = this.#options;
    this.#state = 'starting';
    this.#lastError = null;
    this.#bornAt = performance.now();
    const life = await spawn(id, {
      hello: () => {},
      report: (report) => this.#heard(report),
      channelAsks: (asks) => this.#options.onChannelAsks(id, asks),
      fatal: ({ error }) => {
        this.#lastError = error;
      },
    });
    this.#process = life;
    try {
      await Promise.race([life.greeted, life.exited]);
      const inForce = this.#options.inForce();
      await life.link.call(
        'start',
        { ...inForce, supplies: supplies(inForce.config), port },
        patience.startMs,
      );
      this.#state = 'ready';
      this.#heardAt = performance.now();
      this.#adoption = new Adoption(
        { worker: id, link: life.link, log, supplies, withinMs: patience.applyMs },
        inForce,
      );
      await this.#catchUp();
    } catch (error) {
      life.kill();
      throw error === WORKER_GONE ? new Error(this.#diedEarly(await life.exited)) : error;
    }
  }

  /** Another configuration may have come into force while it started, and endpoints may have changed. */
  async #catchUp(): Promise<void> {
    const { inForce, supplies } = this.#options;
    for (const roster of supplies(inForce().config).rosters) this.takeRoster(roster);
    const outcome = await this.apply(inForce());
    if (outcome?.error) this.#options.log.error(outcome, 'the new worker refuses the configuration in force');
  }

  #diedEarly(reason: string): string {
    const error = this.#lastError === null ? '' : `, ${firstLine(this.#lastError)}`;
    return `worker ${this.#options.id} died while it started: ${reason}${error}`;
  }

  #heard(report: WorkerReport): void {
    this.#heardAt = performance.now();
    this.#options.onReport(this.#options.id, report);
    if (this.#state === 'ready') this.#adoption?.heard(report.generation);
  }

  #buried(reason: string): void {
    this.#lastExit = reason;
    this.#adoption = null;
    this.#options.onGone(this.#options.id);
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!;
}
