import type { Log } from '../observe/log.js';
import type { Totals } from '../observe/totals.js';
import type { SpawnWorker } from './worker-process.js';
import { type ApplyOutcome, type InForce, WorkerSlot, type WorkerView } from './worker-slot.js';

const WATCH_EVERY_MS = 5000;
/** Room for a worker to leave after its drain, and for its messages to arrive. */
const GRACE_MS = 2000;

export interface SupervisorOptions {
  readonly count: number;
  readonly spawn: SpawnWorker;
  readonly log: Log;
  readonly totals: Totals;
  inForce(): InForce;
}

/** Keeps `count` workers alive. */
export class Supervisor {
  readonly #slots: readonly WorkerSlot[];
  #watch: NodeJS.Timeout | undefined;

  constructor({ count, totals, ...rest }: SupervisorOptions) {
    this.#slots = Array.from(
      { length: count },
      (_, i) =>
        new WorkerSlot({
          ...rest,
          id: i + 1,
          onReport: (id, report) => totals.merge(id, report),
          onGone: (id) => totals.workerGone(id),
        }),
    );
  }

  /** Resolves when all workers listen on `port`; rejects with the reason of the first that cannot. */
  async start(port: number): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.start(port)));
    this.#watchForHanging();
  }

  /** Offers a configuration to every worker that is ready and has not been offered it before. */
  async apply(next: InForce): Promise<ApplyOutcome[]> {
    const outcomes = await Promise.all(this.#slots.map((slot) => slot.apply(next)));
    return outcomes.filter((outcome) => outcome !== null);
  }

  /** Asks all workers for what they have counted since their last report, and waits for it, but not for long. */
  async collect(withinMs: number): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.collect(withinMs)));
  }

  /** Resolves with the number of exchanges that were cut, when all workers have left. */
  async drain(timeoutMs: number): Promise<number> {
    clearInterval(this.#watch);
    const cuts = await Promise.all(this.#slots.map((slot) => slot.drain(timeoutMs, GRACE_MS)));
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
      if (now - lastLook < 2 * WATCH_EVERY_MS) for (const slot of this.#slots) slot.killIfHung(now);
      lastLook = now;
    }, WATCH_EVERY_MS).unref();
  }
}
