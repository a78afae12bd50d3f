/** Protection against overload for a worker, configuration after configuration. Loaded when one has ceilings. */
import type { Config } from '../config/schema.js';
import type { Log } from '../observe/log.js';
import type { Load, LoadShedder } from './load-shedder.js';
import { NO_OVERLOAD, type Overload, type OverloadReport } from './overload.js';

/** V8 compiles what the first requests run, and their connections come all at once. */
const AFTER_START_MS = 5_000;
/** Idle connections of services that have changed are closed, and new ones made. */
const AFTER_RELOAD_MS = 2_000;

export class OverloadKeeper {
  #shedder: LoadShedder | null = null;
  #timer: NodeJS.Timeout | undefined;

  /** For the filters of a configuration. It is in force from `adopt` on. */
  async prepare({ overload }: Config, load: Load, log: Log): Promise<Overload> {
    if (overload === null) return NO_OVERLOAD;
    if (this.#shedder === null) {
      const { LoadShedder } = await import('./load-shedder.js');
      this.#shedder = new LoadShedder(load, log);
      this.#shedder.warmUp(performance.now() + AFTER_START_MS);
    }
    return this.#shedder;
  }

  /** The configuration has been taken. */
  async adopt({ overload }: Config): Promise<void> {
    const shedder = this.#shedder;
    if (shedder === null) return;
    const [{ memoryPressure }, { TICK_MS }] = await Promise.all([
      import('./memory-use.js'),
      import('./lateness.js'),
    ]);
    clearInterval(this.#timer);
    this.#timer = undefined;
    shedder.adopt({
      loopDelayMs: overload?.loopDelay ?? 0,
      inFlight: overload?.inFlight ?? 0,
      memory: overload?.memory ? memoryPressure(overload.memory) : null,
      retryAfterMs: overload?.retryAfter ?? 1_000,
    });
    if (overload === null) {
      this.#shedder = null; // routes of the configuration before may still hold it: it lets everybody pass
      return;
    }
    if (this.#hasRun) shedder.warmUp(performance.now() + AFTER_RELOAD_MS);
    this.#hasRun = true;
    this.#timer = setInterval(() => shedder.tick(performance.now()), TICK_MS);
    this.#timer.unref();
  }

  #hasRun = false;

  report(): OverloadReport | null {
    return this.#shedder?.report() ?? null;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
