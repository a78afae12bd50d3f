/** One log line when a class begins to be refused, and one when that is over. */
import type { Log } from '../observe/log.js';
import { PRIORITIES, SIGNALS } from './overload.js';

/** So long without a refusal, and it is over. */
const QUIET_MS = 5_000;

interface Episode {
  readonly since: number;
  last: number;
  refused: number;
  highest: number;
}

/** What the loads are, for the lines. */
export type Figures = () => Readonly<Record<string, unknown>>;

export class Episodes {
  readonly #log: Log;
  readonly #figures: Figures;
  readonly #running: (Episode | null)[] = PRIORITIES.map(() => null);

  constructor(log: Log, figures: Figures) {
    this.#log = log;
    this.#figures = figures;
  }

  /** After each step: what a class has had refused since the one before, by signal, and which part of it is refused now. */
  note(priority: number, refused: readonly number[], share: number, now: number): void {
    const count = refused.reduce((a, b) => a + b, 0);
    const running = this.#running[priority] ?? null;
    if (running === null) {
      if (count > 0) this.#begin(priority, refused, count, share, now);
      return;
    }
    running.refused += count;
    running.highest = Math.max(running.highest, share);
    if (count > 0) running.last = now;
    if (now - running.last >= QUIET_MS) this.#end(priority, running, now);
  }

  #begin(priority: number, refused: readonly number[], count: number, share: number, now: number): void {
    this.#running[priority] = { since: now, last: now, refused: count, highest: share };
    const most = refused.indexOf(Math.max(...refused));
    this.#log.warn(
      { priority: PRIORITIES[priority], signal: SIGNALS[most], refusing: rounded(share), ...this.#figures() },
      'overload: shedding begins',
    );
  }

  #end(priority: number, { since, last, refused, highest }: Episode, now: number): void {
    this.#running[priority] = null;
    this.#log.info(
      {
        priority: PRIORITIES[priority],
        refused,
        lastedMs: Math.round(last - since),
        quietMs: Math.round(now - last),
        highest: rounded(highest),
        ...this.#figures(),
      },
      'overload: shedding has ended',
    );
  }
}

export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
