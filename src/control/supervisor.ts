import type { WorkerReport } from '../bus/report.js';
import type { Supplies, WorkerCalls, WorkerNews } from '../bus.js';
import type { Config } from '../config/schema.js';
import type { Log } from '../observe/log.js';
import type { Totals } from '../observe/totals.js';
import type { KeySet } from '../services/primary-answers.js';
import type { Roster } from '../upstream/balance/roster.js';
import type { ApplyOutcome, InForce } from './adoption.js';
import type { SpawnWorker } from './worker-process.js';
import { PATIENCE, type Patience, WorkerSlot, type WorkerView } from './worker-slot.js';

/** How often it is looked whether a worker hangs, within the time that one may be silent. */
const LOOKS_PER_SILENCE = 6;
/** Room for a worker to leave after its drain, and for its messages to arrive. */
const GRACE_MS = 2000;

export interface SupervisorOptions {
  readonly count: number;
  readonly spawn: SpawnWorker;
  readonly log: Log;
  readonly totals: Totals;
  /** Default: `PATIENCE`. */
  readonly patience?: Patience;
  inForce(): InForce;
  /** What workers get with a configuration. */
  supplies(config: Config): Supplies;
  /** A worker has died, and is about to be replaced. */
  onGone?(id: number): void;
  /** What a worker wants to know of channels. */
  onChannelAsks?(id: number, asks: WorkerNews['channelAsks']): void;
  /** Beside the totals. */
  onReport?(report: WorkerReport): void;
}

/** Keeps `count` workers alive. */
export class Supervisor {
  readonly #slots: readonly WorkerSlot[];
  readonly #lookEveryMs: number;
  #watch: NodeJS.Timeout | undefined;

  constructor(options: SupervisorOptions) {
    const { count, totals, patience = PATIENCE, onReport, onGone, onChannelAsks, ...rest } = options;
    this.#lookEveryMs = patience.silenceMs / LOOKS_PER_SILENCE;
    this.#slots = Array.from(
      { length: count },
      (_, i) =>
        new WorkerSlot({
          ...rest,
          patience,
          id: i + 1,
          onReport: (id, report) => {
            totals.merge(id, report);
            onReport?.(report);
          },
          onGone: (id) => {
            totals.workerGone(id);
            onGone?.(id);
          },
          onChannelAsks: (id, asks) => onChannelAsks?.(id, asks),
        }),
    );
  }

  /** Resolves when all workers listen on `port`; rejects with the reason of the first that cannot. */
  async start(port: number): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.start(port)));
    this.#watchForHanging();
  }

  /** Offers a configuration to every worker that is ready and has not been offered it last. */
  async apply(next: InForce): Promise<ApplyOutcome[]> {
    const outcomes = await Promise.all(this.#slots.map((slot) => slot.apply(next)));
    return outcomes.filter((outcome) => outcome !== null);
  }

  /** The keys of an issuer have changed. */
  takeKeys(set: KeySet): void {
    for (const slot of this.#slots) slot.takeKeys(set);
  }

  /** The endpoints of a service have changed. */
  takeRoster(roster: Roster): void {
    for (const slot of this.#slots) slot.takeRoster(roster);
  }

  /** Rejects when the worker is gone, or does not answer. */
  async call<Name extends keyof WorkerCalls>(
    id: number,
    name: Name,
    argument: WorkerCalls[Name][0],
  ): Promise<WorkerCalls[Name][1]> {
    return await this.#slots[id - 1].call(name, argument);
  }

  /** What a worker says; null: it is not ready, or does not answer in time. */
  async ask<Name extends keyof WorkerCalls>(
    worker: number,
    name: Name,
    argument: WorkerCalls[Name][0],
    withinMs: number,
  ): Promise<WorkerCalls[Name][1] | null> {
    return (await this.#slots[worker - 1]?.ask(name, argument, withinMs)) ?? null;
  }

  /** Asks all workers for what they have counted since their last report, and waits for it, but not for long. */
  async collect(withinMs: number): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.collect(withinMs)));
  }

  /** Resolves with the number of exchanges that were cut, when all workers have left. */
  async drain(timeoutMs: number, handOver = false): Promise<number> {
    clearInterval(this.#watch);
    const cuts = await Promise.all(this.#slots.map((slot) => slot.drain(timeoutMs, GRACE_MS, handOver)));
    return cuts.reduce((sum, cut) => sum + cut, 0);
  }

  kill(): void {
    clearInterval(this.#watch);
    for (const slot of this.#slots) slot.kill();
  }

  views(): WorkerView[] {
    return this.#slots.map((slot) => slot.view());
  }

  get restarts(): number {
    return this.views().reduce((sum, { restarts }) => sum + restarts, 0);
  }

  #watchForHanging(): void {
    let lastLook = performance.now();
    this.#watch = setInterval(() => {
      const now = performance.now();
      // When this process itself stood still (SIGSTOP, a suspended machine), the reports still wait to be read.
      if (now - lastLook < 2 * this.#lookEveryMs) for (const slot of this.#slots) slot.killIfHung(now);
      lastLook = now;
    }, this.#lookEveryMs).unref();
  }
}
