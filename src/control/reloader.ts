import { loadConfig } from '../config/load.js';
import { formatMistake, type Mistake } from '../config/mistakes.js';
import type { Log } from '../observe/log.js';
import { adoptable, type RestartNeeded } from './restart-needed.js';
import type { ApplyOutcome, InForce } from './worker-slot.js';

/** What became of a reload. */
export interface ReloadResult {
  /** `partial`: some workers could not take it, and still run what they had. */
  readonly result: 'ok' | 'refused' | 'partial';
  /** The generation in force now. */
  readonly generation: number;
  /** Why the file was refused: nothing has changed then. */
  readonly mistakes: readonly Mistake[];
  readonly warnings: readonly Mistake[];
  readonly restartNeeded: readonly RestartNeeded[];
  /** By worker; empty when the file itself was refused. */
  readonly workers: readonly ApplyOutcome[];
}

export interface ReloaderOptions {
  readonly file: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  /** In force at the start. */
  readonly first: InForce;
  apply(next: InForce): Promise<ApplyOutcome[]>;
  /** After each change of what is in force. */
  onChange(now: InForce): void;
}

/**
 * Swaps configurations, one at a time. A request for a reload while one runs is answered by the next, together with all
 * others that come meanwhile: the file is read once for all of them, and after the last of them.
 */
export class Reloader {
  readonly counts = { ok: 0, refused: 0, partial: 0 };
  readonly #options: ReloaderOptions;
  #inForce: InForce;
  #last: Promise<unknown> = Promise.resolve();
  /** The next reload, as long as it has not begun. */
  #waiting: Promise<ReloadResult> | null = null;

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#inForce = options.first;
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
    const { file, env, log } = this.#options;
    const loaded = loadConfig(file, env);
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

    const { config, restartNeeded } = adoptable(this.#inForce.config, loaded.config);
    for (const option of restartNeeded) log.warn(option, 'option needs a restart: it stays as it was');
    const next = { config, generation: this.#inForce.generation + 1 };
    const asked = await this.#options.apply(next);
    if (asked.length > 0 && asked.every(isRefusal)) {
      log.error(
        { reason, generation: this.#inForce.generation, workers: asked },
        'reload refused by the workers',
      );
      return this.#finish('refused', { warnings, restartNeeded, workers: asked });
    }

    this.#inForce = next;
    this.#options.onChange(next);
    // Once more, for those that became ready with the old one while the others were asked.
    const workers = [...asked, ...(await this.#options.apply(next))];
    const result = workers.some(isRefusal) ? 'partial' : 'ok';
    if (result === 'ok') log.info({ reason, generation: next.generation }, 'configuration reloaded');
    else
      log.error({ reason, generation: next.generation, workers }, 'some workers keep the old configuration');
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

function isRefusal({ error }: ApplyOutcome): boolean {
  return error !== null;
}
