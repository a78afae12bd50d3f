/** The primary's part in idempotency keys: it alone talks to the ledger, and keeps the lease of this gateway. */
import type { PrimaryHandlers } from '../../bus.js';
import type { Config } from '../../config/schema.js';
import { usesIdempotency } from '../../config/uses.js';
import type { Log } from '../../observe/log.js';
import type { KeyCalls } from '../../services/idempotency/claims.js';
import type { Ledger } from '../../services/store/idempotency/ledger.js';
import type { Department } from '../departments.js';
import type { ClaimBook } from './claim-book.js';

/** So long without a fault, and it is over, also when no claim has proved that. */
const QUIET_MS = 6_000;
/** For what workers have just said, in milliseconds. */
const CLOSE_WITHIN_MS = 1000;

export interface IdempotencyControlOptions {
  readonly log: Log;
}

export class IdempotencyControl implements Department {
  readonly #options: IdempotencyControlOptions;
  #book: ClaimBook | null = null;
  #ledger: Ledger | null = null;
  #beats: NodeJS.Timeout | undefined;
  #fault: string | null = null;
  #faultAt = 0;

  constructor(options: IdempotencyControlOptions) {
    this.#options = options;
  }

  /** What workers ask. */
  readonly handlers: Pick<PrimaryHandlers, keyof KeyCalls> = {
    claimKey: (call) => this.#mustKeep().claim(call),
    settleKey: async ({ token, settlement }) => ({
      stored: await this.#mustKeep().settle(token, settlement),
    }),
  };

  /** Before workers get a configuration. The ledger is opened once, when the first route uses keys, and stays open. */
  async follow(config: Config): Promise<void> {
    if (this.#ledger !== null || !usesIdempotency(config)) return;
    const { data, redis } = config;
    const [{ BEAT_EVERY_MS }, { ClaimBook }] = await Promise.all([
      import('../../services/store/idempotency/ledger.js'),
      import('./claim-book.js'),
    ]);
    const ledger = await this.#open(data, redis);
    this.#ledger = ledger;
    this.#book = new ClaimBook({
      ledger,
      isAlive,
      onFault: (fault) => this.#tellFault(fault),
      onUnknown: (id) =>
        this.#options.log.warn({ id }, 'what became of a request with an idempotency key is not known'),
    });
    await this.#beat();
    this.#beats = setInterval(() => void this.#beat(), BEAT_EVERY_MS).unref();
  }

  /** How claims and requests ended, since the start. */
  counts = (): ReadonlyMap<string, number> => this.#book?.counts ?? new Map();

  /** For operators; null: no route uses keys. */
  ledger = (): Ledger | null => this.#ledger;

  workerGone(id: number): void {
    this.#book?.workerGone(id);
  }

  async close(): Promise<void> {
    clearInterval(this.#beats);
    await this.#book?.close(CLOSE_WITHIN_MS);
    await this.#ledger?.close();
  }

  async #open(data: string | null, redis: Config['redis']): Promise<Ledger> {
    if (redis !== null) {
      const { RedisLedger } = await import('../../services/store/idempotency/redis-ledger.js');
      return new RedisLedger(redis, () => this.#book?.held() ?? []);
    }
    if (data === null) throw new Error('idempotency needs a folder (data) or Redis');
    const { EmbeddedLedger } = await import('../../services/store/idempotency/embedded-ledger.js');
    return new EmbeddedLedger(data, Date.now);
  }

  async #beat(): Promise<void> {
    try {
      await this.#ledger?.beat();
      // Redis answers, but a claim may still be refused, because it has lost its keys.
      if (performance.now() - this.#faultAt > QUIET_MS) this.#tellFault(null);
    } catch (error) {
      this.#tellFault((error as Error).message);
    }
  }

  #tellFault(fault: string | null): void {
    if (fault !== null) this.#faultAt = performance.now();
    if ((fault === null) === (this.#fault === null)) return;
    this.#fault = fault;
    if (fault === null) this.#options.log.info({}, 'idempotency keys can be claimed again');
    else
      this.#options.log.warn(
        { reason: fault },
        'idempotency keys cannot be claimed: requests with one get 503',
      );
  }

  #mustKeep(): ClaimBook {
    if (this.#book === null) throw new Error('this configuration has no idempotency keys');
    return this.#book;
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return true;
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
