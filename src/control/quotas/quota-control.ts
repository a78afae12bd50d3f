/**
 * The primary's part in quotas: what is counted in memory is on disk half a second later, and back in memory after a
 * restart. Only what has changed is written, a little at a time, by a thread of the library's own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../config/schema.js';
import type { Log } from '../../observe/log.js';
import { Counter } from '../../services/limits/algorithms/counter.js';
import type { LimitMemory } from '../../services/limits/memory.js';
import { entryAt, restoreQuotas } from '../../services/limits/quota-dump.js';
import type { QuotaNote } from '../../services/limits/quotas/notes.js';
import type { ReadCount } from '../../services/limits/quotas/usage.js';
import { QuotaFile, SWEEP_BEGIN } from '../../services/store/quotas/quota-file.js';
import type { SlotMarks } from '../../shared/slot-marks.js';
import { QUOTA } from '../../shared/slots.js';
import { Thresholds } from './thresholds.js';

/** Twice a second: with the time that writing takes, what is lost is less than a second's counts. */
const WRITE_EVERY_MS = 500;
/** About half a millisecond of this thread. */
const BATCH = 512;
/** Then others have their turn. */
const PAUSE_MS = 1;
/** More is not handed over before the disk has taken it. */
const BATCHES_AHEAD = 8;
/** Entries that are looked at in each turn, for what is too old. */
const SWEPT_AT_ONCE = 200;
/** After a failure: the disk may be full for long, and the library says so on standard error each time. */
const AFTER_FAILURE_MS = 5_000;
/** What is known of a caller is written again after this time. */
const SEEN_GRAIN_MS = 3_600_000;

export interface QuotaControlOptions {
  /** Folder of the store. */
  readonly data: string;
  readonly memory: LimitMemory;
  readonly log: Log;
  /** Counts of all machines; absent or null: this one counts alone. */
  readonly shared?: SharedCounts | null;
}

export interface SharedCounts {
  /** null: they are not known at present. */
  counted(keys: readonly { readonly h1: number; readonly h2: number }[]): Promise<number[] | null>;
}

export class QuotaControl {
  readonly file: QuotaFile;
  /** How often a key came near its end, by the name of the limit. */
  readonly thresholds: Thresholds;
  readonly #memory: LimitMemory;
  readonly #live: Counter;
  readonly #log: Log;
  readonly #shared: SharedCounts | null;
  readonly #timer: NodeJS.Timeout;
  /** With other machines. */
  #isShared = false;
  #historyMs = 0;
  #mark = SWEEP_BEGIN;
  #writing: Promise<void> | null = null;
  #failing = false;
  #failedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  /** Before any worker has a quota. @throws Error for people: the folder cannot be opened. */
  constructor({ data, memory, log, shared = null }: QuotaControlOptions) {
    this.#shared = shared;
    this.#memory = memory;
    this.#live = new Counter(memory.table, QUOTA);
    this.#log = log;
    this.file = QuotaFile.open(data);
    this.thresholds = new Thresholds(this.file, log);
    this.#restore();
    this.#timer = setInterval(() => void this.#turn(), WRITE_EVERY_MS);
    this.#timer.unref();
  }

  follow({ limiter, redis }: Config): void {
    this.#historyMs = limiter.history;
    this.#isShared = redis !== null;
  }

  /** Milliseconds since 1970, by the calendar that quotas go by. */
  now = (): number => this.#memory.clock.calendar(this.#memory.clock.now());

  /** Of a key in a period, whether it goes on or is over. */
  count = (h1: number, h2: number): number => this.#live.read(h1, h2) || this.file.count(h1, h2);

  /**
   * The same, with what other machines have counted and this one has not heard of, as the callers do not come here. `read` is called
   * twice: to see which keys it asks for, and with what Redis says of them, which knows of one past period at most.
   */
  async countedBy<T>(read: (count: ReadCount, history: number) => T): Promise<T> {
    const everything = Number.POSITIVE_INFINITY;
    if (this.#shared === null || !this.#isShared) return read(this.count, everything);
    const keys = new Map<string, { h1: number; h2: number }>();
    read((h1, h2) => {
      keys.set(`${h1} ${h2}`, { h1, h2 });
      return 0;
    }, 1);
    const counts = await this.#shared.counted([...keys.values()]);
    if (counts === null) return read(this.count, everything);
    const byKey = new Map([...keys.keys()].map((key, i) => [key, counts[i] as number]));
    return read((h1, h2) => Math.max(this.count(h1, h2), byKey.get(`${h1} ${h2}`) ?? 0), everything);
  }

  /** What hashes of quotas are made with. */
  seed = (): Int32Array => this.#memory.table.seeds().durable;

  /** That of quotas which several machines count together; null: this one counts alone. */
  sharedSeed(): Int32Array | null {
    const { seed } = this.#memory.board;
    return this.#isShared && seed.some((word) => word !== 0) ? seed : null;
  }

  /** What workers tell. */
  noted(notes: readonly QuotaNote[]): void {
    const now = this.now();
    for (const note of notes) {
      if (note.warn) this.thresholds.passed(note, now);
      const [kind, name] =
        note.consumer === '' ? (['user', note.user] as const) : (['consumer', note.consumer] as const);
      if (name === '') continue;
      const before = this.file.caller(kind, name);
      if (before?.plan === note.plan && now - before.seenAt < SEEN_GRAIN_MS) continue;
      this.file.setCaller(kind, name, { plan: note.plan, seenAt: now }).catch(this.#failed);
    }
  }

  /** Resolves when all that was counted until now is written, or cannot be. */
  async flush(): Promise<void> {
    await this.#writing;
    this.#writing = this.#write().finally(() => {
      this.#writing = null;
    });
    await this.#writing;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.flush();
    await this.file.close();
  }

  #restore(): void {
    const { clock, table } = this.#memory;
    const seed = this.file.seed();
    if (seed === null) {
      this.file.setSeed(table.seeds().durable);
      return;
    }
    let stored = 0;
    const entries = this.file.valid(this.now());
    const counted = (function* () {
      for (const entry of entries) {
        stored++;
        yield entry;
      }
    })();
    const restored = restoreQuotas(this.#memory, { seed, entries: counted }, clock.now());
    if (stored > 0) this.#log.info({ counts: restored }, 'counts of quotas are back');
    if (restored < stored) {
      this.#log.warn(
        { counts: stored - restored },
        'counts of quotas found no room: raise limiter.keys, which takes a restart',
      );
    }
  }

  async #turn(): Promise<void> {
    if (this.#writing !== null || this.#closed) return;
    if (this.#failing && performance.now() - this.#failedAt < AFTER_FAILURE_MS) return;
    await this.flush();
    if (this.#closed) return;
    const now = this.now();
    this.#mark = this.file.sweep(this.#mark, SWEPT_AT_ONCE, now, now - this.#historyMs);
  }

  async #write(): Promise<void> {
    const { calendar, rolling } = this.#memory;
    const shared = this.sharedSeed();
    if (shared?.some((word, i) => word !== this.file.sharedSeed()?.[i])) {
      this.file.setSharedSeed(shared);
    }
    await this.#writeMarked(calendar, true);
    await this.#writeMarked(rolling, false);
  }

  async #writeMarked(marks: SlotMarks, kept: boolean): Promise<void> {
    const { clock, table } = this.#memory;
    const ahead = this.now() - clock.now();
    let handed: { slots: readonly number[]; written: Promise<void> }[] = [];
    for (let word = 0; word < marks.words; ) {
      const slots: number[] = [];
      word = marks.take(word, BATCH, slots);
      if (slots.length === 0) break;
      const counts = slots.flatMap((p) => {
        const entry = entryAt(table, p, ahead);
        return entry === null ? [] : { ...entry, kept };
      });
      const written = this.file.write(counts);
      written.catch(() => {}); // Looked at below.
      handed.push({ slots, written });
      if (handed.length === BATCHES_AHEAD) {
        await this.#settle(handed, marks);
        handed = [];
      } else if (slots.length >= BATCH && !this.#closed) await sleep(PAUSE_MS);
    }
    await this.#settle(handed, marks);
  }

  /** What could not be written is tried again in the next turn. */
  async #settle(
    handed: readonly { slots: readonly number[]; written: Promise<void> }[],
    marks: SlotMarks,
  ): Promise<void> {
    for (const { slots, written } of handed) {
      try {
        await written;
        if (this.#failing) this.#log.info({}, 'counts of quotas are written again');
        this.#failing = false;
      } catch (error) {
        for (const p of slots) marks.mark(p);
        this.#failed(error);
      }
    }
  }

  readonly #failed = (error: unknown): void => {
    this.#failedAt = performance.now();
    if (this.#failing) return;
    this.#failing = true;
    this.#log.error(
      { err: (error as Error).message },
      'counts of quotas are in memory only: a restart loses them',
    );
  };
}
