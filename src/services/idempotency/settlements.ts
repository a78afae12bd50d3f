/** A worker's questions to the primary about keys. What it says becomes true in the order in which it is said. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PrimaryLink } from '../../bus.js';
import type { ClaimAnswer, ClaimCall, Settlement } from './claims.js';

/** Longer than the primary waits for its store. */
const CLAIM_WITHIN_MS = 5000;
const POLL_MS = 20;

export class Settlements {
  readonly #primary: PrimaryLink;
  readonly #worker: number;
  /** Claims whose outcome is not stored yet. */
  #open = 0;

  constructor(primary: PrimaryLink, worker: number) {
    this.#primary = primary;
    this.#worker = worker;
  }

  /** Whatever comes of it, `settle` must follow, but for another answer than `claimed`. */
  async claim(call: Omit<ClaimCall, 'worker' | 'pid'>): Promise<ClaimAnswer> {
    const askedAt = performance.now();
    this.#open++;
    const answer = await this.#ask(call);
    if (answer.state !== 'claimed') {
      this.#open--;
      return answer;
    }
    // This process stood still: by now others may think that it is gone.
    if (performance.now() - askedAt < CLAIM_WITHIN_MS) return answer;
    this.settle(call.token, { state: 'released' });
    return { state: 'unavailable', why: 'the answer came too late' };
  }

  settle(token: string, settlement: Settlement): void {
    this.#tell(token, settlement).finally(() => {
      this.#open--;
    });
  }

  /** Resolves when nothing is open, or the time is over. */
  async idle(withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    while (this.#open > 0 && performance.now() < until) await sleep(POLL_MS);
  }

  async #ask(call: Omit<ClaimCall, 'worker' | 'pid'>): Promise<ClaimAnswer> {
    try {
      const whole: ClaimCall = { ...call, worker: this.#worker, pid: process.pid };
      return await this.#primary.ask('claimKey', whole, CLAIM_WITHIN_MS);
    } catch (error) {
      // The claim may have been made: nothing was sent for it.
      void this.#tell(call.token, { state: 'released' });
      return { state: 'unavailable', why: (error as Error).message };
    }
  }

  async #tell(token: string, settlement: Settlement): Promise<void> {
    try {
      await this.#primary.ask('settleKey', { token, settlement }, 0);
    } catch {
      // The primary is gone, and with it the lease: the outcome is unknown to everybody.
    }
  }
}
