/**
 * Counts of quotas on disk: a file of its own in the folder of the store, because it is written once per second by a
 * gateway that counts, where records are written when somebody changes one.
 */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open } from 'lmdb';
import { openedFolder, written } from '../environment.js';
import { StoreFault } from '../store-fault.js';

export interface StoredCount {
  /** The hash of key and period. */
  readonly h1: number;
  readonly h2: number;
  readonly count: number;
  /** Milliseconds since 1970: when it has no meaning for the quota any more. */
  readonly expires: number;
  /** Stays for the history, when it has expired. */
  readonly kept: boolean;
}

/** Somebody whose requests were counted. */
export interface StoredCaller {
  readonly plan: string;
  /** Milliseconds since 1970. */
  readonly seenAt: number;
}

export type CallerKind = 'consumer' | 'user';

const FILE = 'quotas.mdb';
const LONGEST_NAME = 500;
const BYTES = 13;

export class QuotaFile {
  readonly #root: ReturnType<typeof open>;
  readonly #counts: Database<Buffer, Buffer>;
  /** Who has been told that a key comes near its end: hash → when that may be forgotten. */
  readonly #told: Database<Buffer, Buffer>;
  readonly #callers: Database<string, string>;
  readonly #meta: Database<Buffer, string>;

  private constructor(folder: string) {
    const path = join(folder, FILE);
    // Without the batches of the library: when one cannot be written, they reject a promise that nobody has.
    this.#root = open({ path, maxDbs: 4, maxReaders: 512, eventTurnBatching: false });
    chmodSync(path, 0o600);
    this.#counts = this.#root.openDB({ name: 'counts', keyEncoding: 'binary', encoding: 'binary' });
    this.#told = this.#root.openDB({ name: 'told', keyEncoding: 'binary', encoding: 'binary' });
    this.#callers = this.#root.openDB({ name: 'callers', encoding: 'string' });
    this.#meta = this.#root.openDB({ name: 'meta', encoding: 'binary' });
  }

  /** @throws Error for people */
  static open(folder: string): QuotaFile {
    return openedFolder(folder, FILE, (path) => new QuotaFile(path));
  }

  /** Where it is in the folder of a store. */
  static pathIn(folder: string): string {
    return join(folder, FILE);
  }

  /** The secret that the hashes were made with: two words. null: nothing was ever counted. */
  seed = (): Int32Array | null => this.#seed('seed');

  setSeed(seed: Int32Array): void {
    this.#meta.putSync('seed', keyOf(seed[0] as number, seed[1] as number));
  }

  /** That of quotas which several machines count together; null: there were none. */
  sharedSeed = (): Int32Array | null => this.#seed('shared-seed');

  setSharedSeed(seed: Int32Array): void {
    this.#meta.putSync('shared-seed', keyOf(seed[0] as number, seed[1] as number));
  }

  #seed(name: string): Int32Array | null {
    const bytes = this.#meta.get(name);
    return bytes === undefined ? null : Int32Array.of(bytes.readInt32BE(0), bytes.readInt32BE(4));
  }

  /**
   * Hands counts over to the library's own thread, which writes them while this one goes on. Resolves when all that was
   * handed over can be read; rejects with an Error for people.
   */
  async write(counts: Iterable<StoredCount>): Promise<void> {
    // All that goes into one commit has the same promise.
    const commits: Promise<unknown>[] = [];
    for (const { h1, h2, count, expires, kept } of counts) {
      const bytes = Buffer.alloc(BYTES);
      bytes.writeUInt32BE(count, 0);
      bytes.writeDoubleBE(expires, 4);
      bytes[12] = kept ? 1 : 0;
      const commit = this.#counts.put(keyOf(h1, h2), bytes);
      if (commit !== commits.at(-1)) commits.push(commit);
    }
    await settled(commits);
  }

  /** For a process that is about to end, while others may write the same: never makes a count smaller. */
  raise(counts: readonly StoredCount[]): void {
    this.#root.transactionSync(() => {
      for (const one of counts) {
        const before = this.#counts.get(keyOf(one.h1, one.h2));
        if (before !== undefined && before.readUInt32BE(0) >= one.count) continue;
        const bytes = Buffer.alloc(BYTES);
        bytes.writeUInt32BE(one.count, 0);
        bytes.writeDoubleBE(one.expires, 4);
        bytes[12] = one.kept ? 1 : 0;
        this.#counts.putSync(keyOf(one.h1, one.h2), bytes);
      }
    });
  }

  /** 0: none is stored. */
  count(h1: number, h2: number): number {
    return this.#counts.get(keyOf(h1, h2))?.readUInt32BE(0) ?? 0;
  }

  /** Those that still mean something. */
  *valid(now: number): Iterable<StoredCount> {
    for (const { key, value } of this.#counts.getRange()) {
      const one = countOf(key, value);
      if (one.expires > now) yield one;
    }
  }

  /** True for the first who says so, until `until`. Milliseconds since 1970. */
  tellOnce(h1: number, h2: number, until: number): boolean {
    const key = keyOf(h1, h2);
    if (this.#told.get(key) !== undefined) return false;
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(until, 0);
    this.#told.putSync(key, bytes);
    return true;
  }

  caller(kind: CallerKind, name: string): StoredCaller | undefined {
    if (name.length > LONGEST_NAME) return undefined;
    const text = this.#callers.get(`${kind}/${name}`);
    return text === undefined ? undefined : (JSON.parse(text) as StoredCaller);
  }

  /** Resolves when it can be read. */
  async setCaller(kind: CallerKind, name: string, caller: StoredCaller): Promise<void> {
    if (name.length > LONGEST_NAME) return;
    await settled([this.#callers.put(`${kind}/${name}`, JSON.stringify(caller))]);
  }

  /** Names in their order, from the one behind `after`. */
  *callers(kind: CallerKind, after: string): Iterable<readonly [name: string, caller: StoredCaller]> {
    const prefix = `${kind}/`;
    for (const { key, value } of this.#callers.getRange({ start: prefix + after })) {
      if (!key.startsWith(prefix)) return;
      const name = key.slice(prefix.length);
      if (name !== after) yield [name, JSON.parse(value) as StoredCaller];
    }
  }

  /**
   * Looks at `most` entries of each kind behind a mark and removes those that nobody needs after `now`: counts that have
   * expired, and those of the history when that was before `keptSince`. Gives back the mark for the next call.
   */
  sweep(mark: SweepMark, most: number, now: number, keptSince: number): SweepMark {
    const counts = this.#sweepCounts(mark.counts, most, (one) => one.expires < (one.kept ? keptSince : now));
    const told: Buffer[] = [];
    for (const { key, value } of this.#told.getRange({ limit: most })) {
      if (value.readDoubleBE(0) < now) told.push(key);
    }
    for (const key of told) this.#forget(this.#told.remove(key));
    let callers = '';
    let seen = 0;
    for (const { key, value } of this.#callers.getRange({ start: mark.callers, limit: most })) {
      callers = `${key}\0`;
      seen++;
      if ((JSON.parse(value) as StoredCaller).seenAt < keptSince) this.#forget(this.#callers.remove(key));
    }
    return { counts, callers: seen < most ? '' : callers };
  }

  #sweepCounts(from: Buffer, most: number, isOver: (one: StoredCount) => boolean): Buffer {
    let last = BEGIN;
    let seen = 0;
    const over: Buffer[] = [];
    for (const { key, value } of this.#counts.getRange({ start: from, limit: most })) {
      seen++;
      last = key;
      if (isOver(countOf(key, value))) over.push(key);
    }
    for (const key of over) this.#forget(this.#counts.remove(key));
    return seen < most ? BEGIN : Buffer.concat([last, Buffer.alloc(1)]);
  }

  /** What is too old and stays is found again in the next round. */
  #forget(removed: Promise<unknown>): void {
    written(removed).catch(() => {});
  }

  /** What was handed over is written first. */
  async close(): Promise<void> {
    await this.#root.close();
  }
}

export interface SweepMark {
  readonly counts: Buffer;
  readonly callers: string;
}

const BEGIN: Buffer = Buffer.alloc(1);
export const SWEEP_BEGIN: SweepMark = { counts: BEGIN, callers: '' };

function keyOf(h1: number, h2: number): Buffer {
  const key = Buffer.alloc(8);
  key.writeInt32BE(h1, 0);
  key.writeInt32BE(h2, 4);
  return key;
}

function countOf(key: Buffer, value: Buffer): StoredCount {
  return {
    h1: key.readInt32BE(0),
    h2: key.readInt32BE(4),
    count: value.readUInt32BE(0),
    expires: value.readDoubleBE(4),
    kept: value[12] === 1,
  };
}

async function settled(commits: readonly Promise<unknown>[]): Promise<void> {
  try {
    await written(...commits);
  } catch (error) {
    throw new StoreFault(`counts of quotas cannot be written: ${(error as Error).message}`);
  }
}
