/**
 * Keeps the limits that several machines share in step, for the whole machine: one round after the other to Redis, only
 * while there is something to say. No request waits for any of it. When Redis does not answer, the machine goes on with its
 * share, and says so once.
 */
import { randomBytes } from 'node:crypto';
import { SyncCounts } from '../../observe/limits/sync-counts.js';
import type { Log } from '../../observe/log.js';
import type { LimitMemory } from '../../services/limits/memory.js';
import { type LimitKey, RedisLimits } from '../../services/store/limits/redis-limits.js';
import type { RedisPlace } from '../../services/store/redis/redis-link.js';
import { Ledger, type Round } from './ledger.js';

const TICK_MS = 10;
/** No key is in use: how often it is looked whether one is; at first, and after a second. */
const IDLE_TICK_MS = 20;
const STILL_TICK_MS = 50;
const STILL_AFTER_MS = 1_000;
const HEARTBEAT_MS = 2_000;
/** A machine that has not spoken for so long is no longer counted. */
const FORGET_MS = 7_000;
/** A Redis that is back, or has lost its data, has heard of all machines after two heartbeats. */
const HEARD_OF_ALL_MS = 2.25 * HEARTBEAT_MS;
/** A start waits so long for Redis. */
const REACH_WITHIN_MS = 1_000;
/** So long waits at most who asks what was used. */
const READ_WITHIN_MS = 1_000;
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1_000;
/** All machines that counted with a Redis before it was away have spoken to it so long after it is back. */
const OTHERS_SPEAK_MS = 3 * LAST_RETRY_MS;
/** Keys in one round, the others wait for the next one: fewer when Redis takes longer, and few at first. */
const FEWEST_ROWS = 50;
const MOST_ROWS = 2_000;
const QUICK_MS = 15;
const SLOW_MS = 40;

export interface LimitSyncOptions {
  readonly place: RedisPlace;
  readonly timeoutMs: number;
  /** How many to reckon with until Redis has said it. */
  readonly machines: number;
  /** The secret of the last start, which counts on disk were hashed with; null: there is none. */
  readonly seed?: Int32Array | null;
  readonly log: Log;
}

export class LimitSync {
  readonly counts = new SyncCounts();
  readonly #options: LimitSyncOptions;
  readonly #redis: RedisLimits;
  #memory: LimitMemory | null = null;
  #ledger: Ledger | null = null;
  #seed: string;
  /** When this machine may bring its secret to a Redis that has none: not while others may bring the one they count with. */
  #bringsAt = 0;
  #machines: number;
  /** The time by Redis, and by `performance.now()` when it said so. */
  #wall: { readonly time: number; readonly at: number } | null = null;
  #away = true;
  #flying: Promise<void> | null = null;
  #timer: NodeJS.Timeout | undefined;
  #nextBeat = 0;
  /** Until then Redis may have heard of fewer machines than there are. */
  #fewerFrom = 0;
  #isLost = false;
  /** When Redis is told all counts that were on disk: it may have lost its data while this machine was down. */
  #tellAt = 0;
  #retryMs = FIRST_RETRY_MS;
  #busyAt = 0;
  #backAt = 0;
  #rows = FEWEST_ROWS;
  #closed = false;

  constructor(options: LimitSyncOptions) {
    this.#options = options;
    // Redis may be away, or have lost it: then counts of quotas that are on disk are found all the same.
    this.#seed = options.seed ? hexOf(options.seed) : randomBytes(8).toString('hex');
    this.#redis = new RedisLimits(options.place, randomBytes(8).toString('hex'), options.timeoutMs);
    this.#machines = options.machines;
  }

  /** Looks for Redis, not for long, before anything begins: seed and time are then those of all machines from the start. */
  async reach(): Promise<void> {
    try {
      await this.#beat(REACH_WITHIN_MS);
      this.#away = false;
      this.#isLost = false; // nothing that this machine has told it yet
    } catch (error) {
      if (!this.#options.seed) this.#bringsAt = Number.POSITIVE_INFINITY;
      this.#tellAway(error as Error);
    }
  }

  /** Milliseconds since 1970, by Redis if it has ever said it: one machine's wrong clock then moves no period. */
  wall(): number {
    return this.#wall === null ? Date.now() : this.#wall.time + performance.now() - this.#wall.at;
  }

  start(memory: LimitMemory): void {
    this.#memory = memory;
    this.#ledger = new Ledger(memory.table, memory.board);
    memory.board.seed = wordsOf(this.#seed);
    memory.board.machines = this.#machines;
    memory.board.away = this.#away;
    this.#tellAt = memory.clock.now() + HEARTBEAT_MS;
    this.#show();
    this.#schedule();
  }

  /** What all machines have counted of each of these quotas; null: Redis does not say. */
  async counted(keys: readonly LimitKey[]): Promise<number[] | null> {
    if (this.#away || this.#closed || this.#ledger === null) return null;
    const ledger = this.#ledger;
    const counts: number[] = [];
    const end = performance.now() + READ_WITHIN_MS;
    try {
      // A part after the other, as rounds for requests wait behind it.
      while (counts.length < keys.length) {
        if (performance.now() > end) return null;
        const part = keys.slice(counts.length, counts.length + MOST_ROWS);
        const known = await within(this.#redis.quotas(part), this.#options.timeoutMs);
        counts.push(...known.map((count, i) => count + ledger.unreported(part[i] as LimitKey)));
      }
      return counts;
    } catch {
      return null;
    }
  }

  /** The last counts, and that this machine is gone; waits for Redis no longer than ever. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#flying;
    if (!this.#away && this.#ledger !== null && this.#memory !== null) {
      const round = this.#ledger.collect(this.#memory.clock.now() + 2 * HEARTBEAT_MS, MOST_ROWS);
      const last = this.#redis
        .round(round.rows)
        .then(() => this.#redis.heartbeat(FORGET_MS, this.#seed, true));
      await within(last, this.#options.timeoutMs).catch(() => {});
    }
    this.#redis.close();
  }

  #schedule(): void {
    if (this.#closed) return;
    const now = performance.now();
    if (this.#ledger?.isBusy !== false) this.#busyAt = now;
    const idle = now - this.#busyAt > STILL_AFTER_MS ? STILL_TICK_MS : IDLE_TICK_MS;
    this.#timer = setTimeout(
      () => {
        this.#tick();
        this.#schedule();
      },
      this.#busyAt === now ? TICK_MS : idle,
    );
    this.#timer.unref();
  }

  #tick(): void {
    const { clock } = this.#memory as LimitMemory;
    const ledger = this.#ledger as Ledger;
    const now = clock.now();
    const free = this.#flying === null;
    const round = ledger.collect(now, free && !this.#away ? this.#rows : 0);
    if (!free) return;
    if (now >= this.#tellAt) {
      this.#tellAt = Number.POSITIVE_INFINITY;
      ledger.tellAll(now, false);
    }
    const due = now >= this.#nextBeat;
    if (round.rows.length === 0 && !due) return;
    this.#flying = this.#fly(round, due).finally(() => {
      this.#flying = null;
    });
  }

  /** A round, and the heartbeat when it is due. Never rejects. */
  async #fly(round: Round, beat: boolean): Promise<void> {
    const { clock } = this.#memory as LimitMemory;
    const ledger = this.#ledger as Ledger;
    try {
      if (round.rows.length > 0) {
        const begun = performance.now();
        const replies = await within(this.#redis.round(round.rows), this.#options.timeoutMs);
        this.#took(performance.now() - begun, round.rows.length);
        ledger.settle(round, replies, clock.now());
        round.slots.length = 0;
      }
      if (beat) await this.#beat(this.#options.timeoutMs);
      // A heartbeat asks one node of a Cluster only, which need not be the one that has failed.
      if (this.#away) await within(this.#redis.probe(), this.#options.timeoutMs);
      if (this.#away) this.#comeBack(ledger, clock.now());
      else if (this.#isLost) ledger.tellAll(clock.now(), true);
      this.#isLost = false;
      if (beat) this.#nextBeat = clock.now() + HEARTBEAT_MS;
    } catch (error) {
      this.counts.failures++;
      ledger.giveUp(round);
      if (!this.#away) this.#goAway(ledger, clock.now(), error as Error);
      // Machines that have lost it together do not all come back in the same instant.
      this.#nextBeat = clock.now() + this.#retryMs * (0.5 + Math.random());
      this.#retryMs = Math.min(LAST_RETRY_MS, 2 * this.#retryMs);
    }
    this.#show();
  }

  #took(ms: number, rows: number): void {
    this.counts.round(ms, rows);
    if (ms > SLOW_MS) this.#rows = Math.max(FEWEST_ROWS, Math.ceil(rows / 2));
    else if (ms < QUICK_MS && rows >= this.#rows) this.#rows = Math.min(MOST_ROWS, Math.ceil(1.5 * rows));
  }

  async #beat(withinMs: number): Promise<void> {
    const brought = performance.now() >= this.#bringsAt ? this.#seed : '';
    const beat = await within(this.#redis.heartbeat(FORGET_MS, brought), withinMs);
    const { machines, wall, seed, isKnown } = beat;
    const now = performance.now();
    if (seed === '') {
      this.#bringsAt = Math.min(this.#bringsAt, now + OTHERS_SPEAK_MS);
      throw new Error('no other machine has told Redis their common secret yet');
    }
    this.#bringsAt = 0;
    this.#wall = { time: wall, at: now };
    if (this.#away || !isKnown) this.#fewerFrom = now + HEARD_OF_ALL_MS;
    if (!isKnown) this.#isLost = true;
    // With too few, the shares of all together would be more than the limit if Redis went away again now.
    this.#machines = now < this.#fewerFrom ? Math.max(this.#machines, machines) : machines;
    if (this.#memory !== null) this.#memory.board.machines = this.#machines;
    if (seed === this.#seed) return;
    this.#seed = seed;
    if (this.#memory !== null) this.#memory.board.seed = wordsOf(seed);
  }

  #goAway(ledger: Ledger, now: number, error: Error): void {
    this.#away = true;
    this.#rows = FEWEST_ROWS;
    // Soon again, unless it has only just come back.
    if (now - this.#backAt > LAST_RETRY_MS) this.#retryMs = FIRST_RETRY_MS;
    ledger.goAway(now);
    this.#tellAway(error);
  }

  #comeBack(ledger: Ledger, now: number): void {
    this.#away = false;
    this.#backAt = now;
    ledger.comeBack(now, this.#isLost);
    this.#options.log.info({ machines: this.#machines }, 'limits are shared with the other machines again');
  }

  #tellAway(error: Error): void {
    const facts = { reason: error.message, machines: this.#machines };
    const { log } = this.#options;
    // Not in the same turn as all the rest of a loss: requests wait.
    setImmediate(() => log.warn(facts, 'limits are not shared: this machine goes on with its share'));
  }

  #show(): void {
    const { counts } = this;
    counts.connected = !this.#away;
    counts.machines = this.#machines;
    counts.calls = this.#redis.calls;
    counts.followed = this.#ledger?.size ?? 0;
    counts.corrections = this.#ledger?.corrections ?? 0;
  }
}

/** Whatever takes longer goes on, but nobody waits for it. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    // After a look at the sockets: an answer that has come while this process was busy counts.
    const tooLate = () => reject(new Error('Redis does not answer in time'));
    timer = setTimeout(() => setImmediate(tooLate), ms);
  });
  promise.catch(() => {});
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function hexOf(seed: Int32Array): string {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32LE(seed[0] as number, 0);
  bytes.writeInt32LE(seed[1] as number, 4);
  return bytes.toString('hex');
}

function wordsOf(seed: string): Int32Array {
  const bytes = Buffer.from(seed, 'hex');
  return Int32Array.of(bytes.readInt32LE(0), bytes.readInt32LE(4));
}
