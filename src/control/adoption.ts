import { NoAnswer } from '../bus/pending-calls.js';
import { type Supplies, WORKER_GONE, type WorkerLink } from '../bus.js';
import type { Config } from '../config/schema.js';
import type { Log } from '../observe/log.js';
import { BackOff } from './back-off.js';

/** A configuration and its number. Numbers grow and are never used twice. */
export interface InForce {
  readonly config: Config;
  readonly generation: number;
}

/** How a worker took a configuration. */
export interface ApplyOutcome {
  readonly worker: number;
  /**
   * `late`: no answer in time; it may still take it. `died`: its replacement begins with what is in force then.
   */
  readonly result: 'applied' | 'refused' | 'late' | 'died';
  /** Null when it was applied. */
  readonly error: string | null;
}

export interface AdoptionOptions {
  readonly worker: number;
  readonly link: WorkerLink;
  readonly log: Log;
  supplies(config: Config): Supplies;
  /** How long an answer may take, in milliseconds. */
  readonly withinMs: number;
}

/** Leads one life of a worker to the configuration it should run, however often it has to be asked. */
export class Adoption {
  readonly #options: AdoptionOptions;
  #wanted: InForce;
  #running: number;
  #underWay = 0;
  /** The last offer failed. */
  #behind = false;
  #retries = new BackOff();
  #retryAt = 0;

  /** `started`: what the worker began with. */
  constructor(options: AdoptionOptions, started: InForce) {
    this.#options = options;
    this.#wanted = started;
    this.#running = started.generation;
  }

  /** What the worker runs, by its own account. */
  get generation(): number {
    return this.#running;
  }

  /** Offers a configuration; null when the last offer was the same. Never rejects. */
  async take(next: InForce): Promise<ApplyOutcome | null> {
    if (next.generation === this.#wanted.generation) return null;
    this.#wanted = next;
    this.#behind = false;
    this.#retries = new BackOff();
    this.#retryAt = 0;
    return await this.#offer();
  }

  /** What the worker says it runs. When that is not what it should run, the offer is repeated, later each time. */
  heard(generation: number): void {
    this.#runs(generation);
    if (generation === this.#wanted.generation) return;
    if (this.#underWay === 0 && performance.now() >= this.#retryAt) void this.#retry();
  }

  async #retry(): Promise<void> {
    this.#retryAt = performance.now() + this.#retries.next(0);
    const { generation } = this.#wanted;
    const outcome = await this.#offer();
    if (outcome.result !== 'refused') return;
    this.#options.log.error({ ...outcome, generation }, 'worker refuses the configuration again');
  }

  async #offer(): Promise<ApplyOutcome> {
    const { worker, link, supplies, withinMs } = this.#options;
    const { config, generation } = this.#wanted;
    this.#underWay++;
    try {
      await link.call('apply', { config, generation, supplies: supplies(config) }, withinMs);
      this.#runs(generation);
      return { worker, result: 'applied', error: null };
    } catch (error) {
      this.#behind = true;
      return { worker, result: kindOf(error), error: (error as Error).message };
    } finally {
      this.#underWay--;
    }
  }

  #runs(generation: number): void {
    this.#running = generation;
    if (!this.#behind || generation !== this.#wanted.generation) return;
    this.#behind = false;
    this.#options.log.info({ worker: this.#options.worker, generation }, 'worker caught up');
  }
}

function kindOf(error: unknown): 'refused' | 'late' | 'died' {
  if (error === WORKER_GONE) return 'died';
  return error instanceof NoAnswer ? 'late' : 'refused';
}
