import { Piscina } from 'piscina';
import type { Batch } from '../tokens/verify-task.js';
import { Batches } from './batches.js';

export interface PoolOptions {
  readonly threads: number;
  /** Tokens that may wait for a thread. */
  readonly maxQueue: number;
  /** What threads run; a test has another one. Exports `verifyBatch`. */
  readonly task?: URL;
  /** A thread has died while it had nothing to do. */
  readonly onError?: (error: Error) => void;
}

const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const TASK = new URL(`../tokens/verify-task${EXTENSION}`, import.meta.url);

/** Threads that verify signatures. They start at once: the first token does not wait for that. */
export class VerifyPool {
  readonly batches: Batches;
  readonly #piscina: Piscina;

  constructor({ threads, maxQueue, task = TASK, onError = () => {} }: PoolOptions) {
    this.#piscina = new Piscina({
      filename: task.href,
      name: 'verifyBatch',
      minThreads: threads,
      maxThreads: threads,
      idleTimeout: Number.POSITIVE_INFINITY,
      // Waiting by `Atomics` stops the thread's event loop; with batches of 16 it made no clear difference.
      atomics: 'disabled',
      recordTiming: false,
      trackUnmanagedFds: false,
      execArgv: [],
    });
    this.#piscina.on('error', onError);
    this.batches = new Batches((batch) => this.run(batch), { lanes: threads, maxQueue });
  }

  /** A verdict for each token. Rejects when the thread dies or the pool is closed. */
  run(batch: Batch): Promise<string> {
    return this.#piscina.run(batch) as Promise<string>;
  }

  /** What is under way is rejected. */
  async close(): Promise<void> {
    await this.#piscina.destroy();
  }
}
