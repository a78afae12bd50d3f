/**
 * Messages on their way into a log, channel by channel: one call is under way, and what comes meanwhile goes with the next
 * one. So a channel on which much is said at once costs few calls, and one on which little is said waits for nothing.
 */
import type { HistoryOptions, Position } from '../log.js';

interface Waiting {
  readonly data: string;
  resolve(position: Position): void;
  reject(error: Error): void;
}

interface Batch {
  history: HistoryOptions;
  waiting: Waiting[];
}

/** In one call: so many keep Redis busy for a few milliseconds. */
const MOST_AT_ONCE = 500;

export class AppendBatches {
  /** Resolves with the position of the last one. */
  readonly #append: (channel: string, data: readonly string[], history: HistoryOptions) => Promise<Position>;
  readonly #batches = new Map<string, Batch>();

  constructor(
    append: (channel: string, data: readonly string[], history: HistoryOptions) => Promise<Position>,
  ) {
    this.#append = append;
  }

  add(channel: string, data: string, history: HistoryOptions): Promise<Position> {
    return new Promise((resolve, reject) => {
      const one = { data, resolve, reject };
      const batch = this.#batches.get(channel);
      if (batch !== undefined) {
        batch.history = history;
        batch.waiting.push(one);
        return;
      }
      this.#batches.set(channel, { history, waiting: [one] });
      queueMicrotask(() => void this.#run(channel));
    });
  }

  async #run(channel: string): Promise<void> {
    const batch = this.#batches.get(channel) as Batch;
    while (batch.waiting.length > 0) {
      const some = batch.waiting.splice(0, MOST_AT_ONCE);
      try {
        const data = some.map((one) => one.data);
        const { offset, epoch } = await this.#append(channel, data, batch.history);
        for (const [i, { resolve }] of some.entries())
          resolve({ offset: offset - some.length + 1 + i, epoch });
      } catch (error) {
        for (const { reject } of some) reject(error as Error);
      }
    }
    this.#batches.delete(channel);
  }
}
