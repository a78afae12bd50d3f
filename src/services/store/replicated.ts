/**
 * The store of several machines. Redis has the truth, this machine a copy of it: writes go to Redis first, reads go to
 * the copy, which follows. While Redis is away reads go on and writes are refused.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Environment, keyOf } from './environment.js';
import { LocalCopy } from './local-copy.js';
import { Reader } from './reader.js';
import type { RecordKind, RecordStore, Release } from './record-store.js';
import type { RedisPlace } from './redis/redis-link.js';
import { RedisRecords, type Write } from './redis-records.js';
import { catchUp, type Notice, settle } from './settlement.js';
import { StoreFault } from './store-fault.js';

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5000;
/** Others write the same record at the same time: each round one of them gets through. */
const MOST_ROUNDS = 100;

export interface StoreLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export class ReplicatedStore extends Reader implements RecordStore {
  readonly #redis: RedisRecords;
  readonly #local: LocalCopy;
  readonly #log: StoreLog | undefined;
  readonly #closing = new AbortController();
  #settling: Promise<void> | null = null;
  #following: Promise<void> = Promise.resolve();
  #catchingUp: Promise<void> | null = null;
  #away = false;

  constructor(environment: Environment, place: RedisPlace, log: StoreLog | undefined) {
    super(environment);
    this.#redis = new RedisRecords(place);
    this.#local = new LocalCopy(environment);
    this.#log = log;
  }

  /** Resolves when the copy is up to date, or Redis turned out to be away, which is logged. */
  async start(): Promise<void> {
    try {
      await this.#settle();
    } catch (error) {
      this.#tellAway(error);
    }
  }

  /** From now on the copy follows what other machines write. */
  follow(): void {
    this.#following = this.#follow();
  }

  async put(kind: RecordKind, id: string, value: unknown): Promise<void> {
    await this.#write({ key: keyOf(kind, id), text: JSON.stringify(value), quiet: false });
  }

  async quiet(kind: RecordKind, id: string, value: unknown): Promise<void> {
    await this.#write({ key: keyOf(kind, id), text: JSON.stringify(value), quiet: true });
  }

  async remove(kind: RecordKind, id: string): Promise<boolean> {
    return await this.#write({ key: keyOf(kind, id), text: undefined, quiet: false });
  }

  async update<T>(
    kind: RecordKind,
    id: string,
    next: (now: T | undefined) => T | undefined,
    { quiet = false } = {},
  ): Promise<T | undefined> {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const expected = this.text(kind, id) ?? null;
      const before = expected === null ? undefined : (JSON.parse(expected) as T);
      const after = next(before);
      if (after === undefined) return before;
      const text = JSON.stringify(after);
      if (await this.#write({ key: keyOf(kind, id), text, quiet, expected })) return after;
      await this.#settle(); // now it is here too
    }
    throw new StoreFault(`a ${kind} is being changed by too many others`);
  }

  /** Once for all who ask. */
  catchUp(): Promise<void> {
    this.#catchingUp ??= this.#catchUp().finally(() => {
      this.#catchingUp = null;
    });
    return this.#catchingUp;
  }

  async lock(name: string, ttlMs: number): Promise<Release | null> {
    const token = randomUUID();
    if (!(await this.#redis.lock(name, token, ttlMs))) return null;
    return () => this.#redis.unlock(name, token);
  }

  override async close(): Promise<void> {
    this.#closing.abort();
    this.#redis.close();
    await Promise.allSettled([this.#following, this.#settling]);
    await super.close();
  }

  /** False: the record is not what was expected, or there was none to remove. */
  async #write(write: Write): Promise<boolean> {
    let { epoch } = this.#local.position();
    let written = await this.#redis.write(epoch, write);
    if (written.result === 'lost') {
      await this.#settle();
      epoch = this.#local.position().epoch;
      written = await this.#redis.write(epoch, write);
    }
    if (written.result !== 'done') return false;
    if (!(await catchUp(this.#local, this.#redis, written.n))) await this.#settle();
    return true;
  }

  async #catchUp(): Promise<void> {
    const { n, epoch } = await this.#redis.position();
    const here = this.#local.position().epoch === epoch && (await catchUp(this.#local, this.#redis, n));
    if (!here) await this.#settle();
  }

  /** Once for all who ask. */
  #settle(): Promise<void> {
    const notice: Notice = (message, fields) => this.#log?.warn(fields, message);
    this.#settling ??= settle(this.#local, this.#redis, notice).finally(() => {
      this.#settling = null;
    });
    return this.#settling;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; failures++) {
      if (failures > 0) {
        const waitMs = Math.min(FIRST_WAIT_MS * 2 ** (failures - 1), LONGEST_WAIT_MS);
        // Machines that lost Redis together do not come back together.
        await sleep(waitMs * (1 - 0.2 * Math.random()), null, { signal }).catch(() => {});
      }
      try {
        await this.#settle();
        this.#tellBack();
        failures = 0;
        while (!signal.aborted) await this.#takeNext();
      } catch (error) {
        if (!signal.aborted) this.#tellAway(error);
      }
    }
  }

  async #takeNext(): Promise<void> {
    const { n, epoch } = this.#local.position();
    const entries = await this.#redis.nextChanges(n);
    // Silence may mean that there is nothing left to read, or that it is another Redis now.
    if (entries.length === 0 || !this.#local.apply(entries, epoch)) await this.#settle();
  }

  #tellAway(error: unknown): void {
    if (this.#away) return;
    this.#away = true;
    const reason = error instanceof StoreFault ? error.message : String(error);
    this.#log?.warn({ reason }, 'the store goes on with what this machine knows; nothing can be changed');
  }

  #tellBack(): void {
    if (!this.#away) return;
    this.#away = false;
    this.#log?.info({}, 'the store is in step with Redis again');
  }
}
