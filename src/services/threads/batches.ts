import type { Batch, Verdict } from '../tokens/verify-task.js';

/** `lost`: the thread that had it has died, or is as good as dead. */
export type Settle = (verdict: Verdict | 'lost') => void;

interface Waiting {
  readonly token: string;
  readonly keys: readonly string[];
  readonly settle: Settle;
}

/** A task costs the worker 40 us, whatever is in it: from 16 tokens on that is little for each. */
const WORTH_SPLITTING = 16;
/** With the slowest algorithm 8 ms of a thread: others wait no longer for it. */
const MOST_IN_BATCH = 64;
/** More than a machine that is much too slow needs for a batch. */
const LOST_AFTER_MS = 10_000;

/**
 * Makes batches: tokens that come in one turn of the event loop travel together, and so do those that come while all
 * threads are busy.
 */
export class Batches {
  readonly #run: (batch: Batch) => Promise<string>;
  readonly #lanes: number;
  readonly #maxQueue: number;
  #waiting: Waiting[] = [];
  #busy = 0;
  #scheduled = false;

  /** `lanes`: batches under way at a time. */
  constructor(run: (batch: Batch) => Promise<string>, options: { lanes: number; maxQueue: number }) {
    this.#run = run;
    this.#lanes = options.lanes;
    this.#maxQueue = options.maxQueue;
  }

  /** `settle` is called once, later. False: too many wait, and it never will be. */
  verify(token: string, keys: readonly string[], settle: Settle): boolean {
    if (this.#waiting.length >= this.#maxQueue) return false;
    this.#waiting.push({ token, keys, settle });
    this.#schedule();
    return true;
  }

  /** At the end of this turn, when all sockets that were readable have been read. */
  #schedule(): void {
    if (this.#scheduled || this.#busy === this.#lanes || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    while (this.#waiting.length > 0 && this.#busy < this.#lanes) {
      const share = Math.ceil(this.#waiting.length / (this.#lanes - this.#busy));
      const size = Math.min(Math.max(share, WORTH_SPLITTING), MOST_IN_BATCH);
      this.#dispatch(this.#waiting.splice(0, size));
    }
  }

  #dispatch(members: readonly Waiting[]): void {
    this.#busy++;
    let settled = false;
    const settle = (verdicts: string | null) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      this.#busy--;
      this.#schedule();
      for (let i = 0; i < members.length; i++) {
        members[i].settle((verdicts?.[i] as Verdict | undefined) ?? 'lost');
      }
    };
    const timer = setTimeout(settle, LOST_AFTER_MS, null).unref();
    this.#run(batchOf(members)).then(settle, () => settle(null));
  }
}

function batchOf(members: readonly Waiting[]): Batch {
  const keys: (readonly string[])[] = [];
  const tokens: string[] = [];
  const uses: number[] = [];
  for (const member of members) {
    let at = keys.indexOf(member.keys);
    if (at < 0) at = keys.push(member.keys) - 1;
    tokens.push(member.token);
    uses.push(at);
  }
  return { keys, tokens, uses };
}
