/**
 * The claims of this gateway's workers, between them and the ledger. What is under way here is known here: duplicates ask
 * nobody else, and what the ledger could not take yet is told again until it does.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClaimAnswer, ClaimCall, Settlement } from '../../services/idempotency/claims.js';
import type { Claim, Ledger } from '../../services/store/idempotency/ledger.js';

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 2000;
/** Of answers that wait for the ledger to come back; what is beyond is remembered as too large to keep. */
const MOST_WAITING_BYTES = 64 * 1024 * 1024;

/** How claims and requests ended, since the start. */
export const RESULTS = [
  'executed',
  'not_kept',
  'released',
  'unknown',
  'replayed',
  'in_flight',
  'reused',
  'refused_unknown',
  'refused_not_kept',
  'unavailable',
] as const;
export type Result = (typeof RESULTS)[number];

interface Held {
  readonly claim: Claim;
  readonly worker: number;
  readonly claiming: Promise<ClaimAnswer>;
  /** The ledger has given it the key. */
  granted: boolean;
  /** null: it is under way. */
  settlement: Settlement | null;
  /** What waits for the ledger. */
  storing: Promise<boolean> | null;
}

export interface ClaimBookOptions {
  readonly ledger: Ledger;
  /** The process is there. */
  isAlive(pid: number): boolean;
  /** The ledger cannot be used; null: a key has been claimed. */
  onFault(fault: string | null): void;
  /** Nobody knows what became of it. */
  onUnknown(id: string): void;
}

export class ClaimBook {
  readonly counts = new Map<Result, number>(RESULTS.map((result) => [result, 0]));
  readonly #options: ClaimBookOptions;
  readonly #byToken = new Map<string, Held>();
  readonly #byId = new Map<string, Held>();
  /** Tokens whose question waits for an answer, and is still wanted. */
  readonly #asking = new Set<string>();
  readonly #closing = new AbortController();
  #waitingBytes = 0;

  constructor(options: ClaimBookOptions) {
    this.#options = options;
  }

  /** Those that are under way. */
  *held(): Iterable<Claim> {
    for (const { claim, granted, settlement } of this.#byToken.values()) {
      if (granted && settlement === null) yield claim;
    }
  }

  async claim(call: ClaimCall): Promise<ClaimAnswer> {
    this.#asking.add(call.token);
    const answer = await this.#answer(call);
    this.#asking.delete(call.token);
    const result = COUNTED_AS[answer.state];
    if (result !== null) this.#count(result);
    return answer;
  }

  /** Resolves when the ledger has it, or will never have it: false. */
  async settle(token: string, settlement: Settlement): Promise<boolean> {
    const held = this.#byToken.get(token);
    if (held === undefined) {
      this.#asking.delete(token); // nobody waits for the answer any more
      return false;
    }
    held.storing ??= this.#store(held, settlement);
    return await held.storing;
  }

  /** What it had under way may have been sent or not: nobody will say. */
  workerGone(worker: number): void {
    for (const [token, held] of this.#byToken) {
      if (held.worker === worker) void this.settle(token, { state: 'unknown' });
    }
  }

  /** What is stored by then is stored; the rest will be found to have an owner that is gone. */
  async close(withinMs: number): Promise<void> {
    const storing = [...this.#byToken.values()].flatMap((held) => held.storing ?? []);
    const enough = new AbortController();
    await Promise.race([
      Promise.allSettled(storing),
      sleep(withinMs, null, { signal: enough.signal }).catch(() => {}),
    ]);
    enough.abort();
    this.#closing.abort();
  }

  async #answer(call: ClaimCall): Promise<ClaimAnswer> {
    for (;;) {
      const held = this.#byId.get(call.id);
      if (held === undefined) return await this.#first(call);
      const { fingerprint } = held.claim;
      const first = await held.claiming;
      if (first.state === 'claimed') {
        if (fingerprint !== call.fingerprint) return { state: 'reused' };
        if (held.settlement?.state !== 'released') return toldBy(held.settlement);
        await held.storing;
        continue;
      }
      // Several asked at once for what is decided already: one question to the ledger is enough, if all mean the same.
      if (fingerprint === call.fingerprint || first.state === 'unavailable') return first;
    }
  }

  async #first({ token, id, fingerprint, ttlMs, worker, pid }: ClaimCall): Promise<ClaimAnswer> {
    // Its question has outlived it: nobody would ever say what became of this request.
    if (!this.#asking.has(token) || !this.#options.isAlive(pid))
      return { state: 'unavailable', why: 'nobody waits for it' };
    const claim: Claim = { token, id, fingerprint, ttlMs };
    const claiming = this.#ask(claim);
    const held: Held = { claim, worker, claiming, granted: false, settlement: null, storing: null };
    this.#byToken.set(token, held);
    this.#byId.set(id, held);
    const answer = await claiming;
    held.granted = answer.state === 'claimed';
    if (answer.state === 'unavailable') {
      // It may have been made even so, and must not stay.
      void this.settle(token, { state: 'released' });
    } else if (answer.state !== 'claimed') this.#forget(held);
    return answer;
  }

  async #ask(claim: Claim): Promise<ClaimAnswer> {
    const { ledger, onFault } = this.#options;
    try {
      const answer = await ledger.claim(claim);
      onFault(null);
      return answer;
    } catch (error) {
      onFault((error as Error).message);
      return { state: 'unavailable', why: (error as Error).message };
    }
  }

  async #store(held: Held, wanted: Settlement): Promise<boolean> {
    const first = await held.claiming;
    if (first.state !== 'claimed' && first.state !== 'unavailable') return false;
    const settlement = this.#affordable(wanted);
    const bytes = settlement.state === 'done' ? settlement.answer.body.length : 0;
    held.settlement = settlement;
    this.#waitingBytes += bytes;
    const stored = await this.#tellLedger(held.claim, settlement);
    this.#waitingBytes -= bytes;
    this.#forget(held);
    if (first.state !== 'claimed') return stored;
    this.#count(ENDED_AS[settlement.state]);
    if (settlement.state === 'unknown') this.#options.onUnknown(held.claim.id);
    return stored;
  }

  async #tellLedger(claim: Claim, settlement: Settlement): Promise<boolean> {
    const { ledger, onFault } = this.#options;
    const { signal } = this.#closing;
    for (let waitMs = FIRST_WAIT_MS; !signal.aborted; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
      try {
        return await ledger.settle(claim, settlement);
      } catch (error) {
        onFault((error as Error).message);
        await sleep(waitMs, null, { signal }).catch(() => {});
      }
    }
    return false;
  }

  #affordable(settlement: Settlement): Settlement {
    if (settlement.state !== 'done') return settlement;
    const { status, body } = settlement.answer;
    const fits = this.#waitingBytes + body.length <= MOST_WAITING_BYTES;
    return fits ? settlement : { state: 'large', status };
  }

  #forget(held: Held): void {
    this.#byToken.delete(held.claim.token);
    if (this.#byId.get(held.claim.id) === held) this.#byId.delete(held.claim.id);
  }

  #count(result: Result): void {
    this.counts.set(result, (this.counts.get(result) ?? 0) + 1);
  }
}

/** For a duplicate, while the ledger does not have it yet. */
function toldBy(settlement: Exclude<Settlement, { state: 'released' }> | null): ClaimAnswer {
  return settlement ?? { state: 'running' };
}

/** null: what becomes of the request is counted when it has ended. */
const COUNTED_AS: Readonly<Record<ClaimAnswer['state'], Result | null>> = {
  claimed: null,
  done: 'replayed',
  running: 'in_flight',
  reused: 'reused',
  unknown: 'refused_unknown',
  large: 'refused_not_kept',
  unavailable: 'unavailable',
};

const ENDED_AS: Readonly<Record<Settlement['state'], Result>> = {
  done: 'executed',
  large: 'not_kept',
  released: 'released',
  unknown: 'unknown',
};
