import type { LoadResult } from '../config/load.js';
import { formatMistake, type Mistake } from '../config/mistakes.js';
import type { Log } from '../observe/log.js';
import type { ApplyOutcome, InForce } from './adoption.js';
import { adoptable, type RestartNeeded } from './restart-needed.js';

/** What became of a reload. */
export interface ReloadResult {
  /**
   * `refused`: the file has mistakes, or every worker refused it. `failed`: no worker took it, and some did not even
   * answer. In both cases the old one stays in force. `partial`: in force, but not with all workers: those that
   * refused it or have not answered are asked again.
   */
  readonly result: 'ok' | 'refused' | 'failed' | 'partial';
  /** The generation in force now. */
  readonly generation: number;
  /** Why the file was refused. */
  readonly mistakes: readonly Mistake[];
  readonly warnings: readonly Mistake[];
  readonly restartNeeded: readonly RestartNeeded[];
  /** By worker; empty when the file itself was refused. */
  readonly workers: readonly ApplyOutcome[];
}

export interface ReloaderOptions {
  readonly log: Log;
  /** In force at the start. */
  readonly first: InForce;
  /** What the file says now. */
  read(): Promise<LoadResult>;
  /** Offers it to every worker that was not offered it last; also after this, until each of them runs it. */
  apply(next: InForce): Promise<ApplyOutcome[]>;
  /** After each change of what is in force. */
  onChange(now: InForce): void;
}

/**
 * Swaps configurations, one at a time. A request for a reload while one runs is answered by the next, together with all
 * others that come meanwhile: the file is read once for all of them, and after the last of them.
 */
export class Reloader {
  readonly counts = { ok: 0, refused: 0, failed: 0, partial: 0 };
  readonly #options: ReloaderOptions;
  #inForce: InForce;
  /** The last that workers were asked to take, in force or not. */
  #lastGeneration: number;
  #last: Promise<unknown> = Promise.resolve();
  /** The next reload, as long as it has not begun. */
  #waiting: Promise<ReloadResult> | null = null;

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#inForce = options.first;
    this.#lastGeneration = options.first.generation;
  }

  get inForce(): InForce {
    return this.#inForce;
  }

  /** `reason` is for the log: what asked for it. Never rejects. */
  reload(reason: string): Promise<ReloadResult> {
    if (this.#waiting === null) {
      this.#waiting = this.#last.then(() => {
        this.#waiting = null;
        return this.#reload(reason);
      });
      this.#last = this.#waiting;
    }
    return this.#waiting;
  }

  async #reload(reason: string): Promise<ReloadResult> {
    const { log } = this.#options;
    const loaded = await this.#options.read();
    const { warnings } = loaded;
    for (const warning of warnings) log.warn({ warning: formatMistake(warning) }, 'configuration warning');
    if (!loaded.ok) {
      const mistakes = loaded.mistakes.map(formatMistake);
      log.error(
        { reason, generation: this.#inForce.generation, mistakes },
        'reload refused: nothing has changed',
      );
      return this.#finish('refused', { mistakes: loaded.mistakes, warnings });
    }

    const { first } = this.#options;
    const { config, restartNeeded } = adoptable(this.#inForce.config, loaded.config, first.config);
    for (const option of restartNeeded) log.warn(option, 'option needs a restart: it stays as it was');
    const next = { config, generation: ++this.#lastGeneration };
    const asked = await this.#options.apply(next);
    if (asked.length > 0 && !asked.some(({ result }) => result === 'applied')) {
      // Who has not answered may take it yet, and finds this behind it.
      void this.#options.apply(this.#inForce);
      const result = asked.every(({ result }) => result === 'refused') ? 'refused' : 'failed';
      log.error(
        { reason, generation: this.#inForce.generation, workers: asked },
        `reload ${result}: no worker took it, the old configuration stays in force`,
      );
      return this.#finish(result, { warnings, restartNeeded, workers: asked });
    }

    this.#inForce = next;
    this.#options.onChange(next);
    // Once more, for those that became ready with the old one while the others were asked.
    const workers = [...asked, ...(await this.#options.apply(next))];
    const result = workers.some(isBehind) ? 'partial' : 'ok';
    if (result === 'ok') log.info({ reason, generation: next.generation }, 'configuration reloaded');
    else
      log.error(
        { reason, generation: next.generation, workers },
        'configuration reloaded, but not in every worker: they are asked again',
      );
    return this.#finish(result, { warnings, restartNeeded, workers });
  }

  #finish(
    result: ReloadResult['result'],
    { mistakes = [], warnings = [], restartNeeded = [], workers = [] }: Partial<ReloadResult>,
  ): ReloadResult {
    this.counts[result]++;
    return { result, generation: this.#inForce.generation, mistakes, warnings, restartNeeded, workers };
  }
}

/** One that died is not: its replacement begins with what is in force. */
function isBehind({ result }: ApplyOutcome): boolean {
  return result === 'refused' || result === 'late';
}
