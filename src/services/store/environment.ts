/** The file of the embedded store: LMDB, mapped by every process that opens it. Readers never wait, not even for writers. */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type Database, open, type TransactionFlags } from 'lmdb';
import { StoreFault } from './store-fault.js';

/** Changes that are remembered: a reader further behind starts over. */
const CHANGES_KEPT = 10_000;
/** LMDB takes keys of 1978 bytes; no UTF-16 unit takes more than three in UTF-8. */
const LONGEST_KEY = 650;
/** Its own flags: the transaction can be aborted, and is on disk when it returns. */
const ABORTABLE_AND_DURABLE = 3;

const FILE = 'records.mdb';
/** What a file of this library has behind the head of its first page. */
const MAGIC_AT = 24;
const MAGIC = 0xbeefc0de;

/** A record's kind and id as one text: kinds have no slash. */
export type RecordKey = string;

export class Environment {
  /** JSON texts. */
  readonly records: Database<string, RecordKey>;
  /** Revision → the record that changed with it. */
  readonly changes: Database<RecordKey, number>;
  /** `revision`, and where in the stream of Redis this store stands. */
  readonly meta: Database<unknown, string>;
  readonly locks: Database<{ token: string; until: number }, string>;
  readonly #root: ReturnType<typeof open>;
  readonly #folder: string;
  #users = 0;

  private constructor(folder: string) {
    this.#folder = folder;
    const path = join(folder, FILE);
    // Without the batches of the library: when one cannot be written, they reject a promise that nobody has.
    this.#root = open({ path, maxDbs: 8, maxReaders: 512, eventTurnBatching: false });
    chmodSync(path, 0o600);
    this.records = this.#root.openDB({ name: 'records', encoding: 'string' });
    this.changes = this.#root.openDB({ name: 'changes', encoding: 'string' });
    this.meta = this.#root.openDB({ name: 'meta', encoding: 'json' });
    this.locks = this.#root.openDB({ name: 'locks', encoding: 'json' });
  }

  /** A process maps the file once, however often it opens it. @throws Error for people */
  static open(folder: string): Environment {
    let environment = opened.get(folder);
    if (environment === undefined) {
      environment = openedFolder(folder, FILE, (path) => new Environment(path));
      opened.set(folder, environment);
    }
    environment.#users++;
    return environment;
  }

  /**
   * All or nothing, in the order of the whole machine. Waits for its turn and the disk, 0.3 ms and more: writes are rare.
   * Not the library's asynchronous transactions: their callbacks are never called under Node 24.
   */
  transaction<T>(action: () => T): T {
    return this.#root.transactionSync(action, ABORTABLE_AND_DURABLE as TransactionFlags);
  }

  /** Inside a transaction. `text` undefined: removes. `quiet`: nobody is told. False: there was nothing to remove. */
  write(key: RecordKey, text: string | undefined, quiet: boolean): boolean {
    if (text !== undefined) this.records.putSync(key, text);
    else if (!this.records.removeSync(key)) return false;
    if (quiet) return true;
    const revision = this.revision() + 1;
    this.changes.putSync(revision, key);
    this.changes.removeSync(revision - CHANGES_KEPT);
    this.meta.putSync('revision', revision);
    return true;
  }

  revision(): number {
    return (this.meta.get('revision') as number | undefined) ?? 0;
  }

  /** The records that changed after `revision`, up to `now`; null when not all of them are remembered. */
  changed(revision: number, now: number): Set<RecordKey> | null {
    if (revision > now || now - revision > CHANGES_KEPT) return null;
    const keys = new Set<RecordKey>();
    let next = revision + 1;
    for (const { key, value } of this.changes.getRange({ start: next, end: now + 1 })) {
      if (key !== next++) return null;
      keys.add(value);
    }
    return next === now + 1 ? keys : null;
  }

  async close(): Promise<void> {
    if (--this.#users > 0) return;
    opened.delete(this.#folder);
    await this.#root.close();
  }
}

const opened = new Map<string, Environment>();

/**
 * What the library's own thread is to write is written. Rejects with its error. That error carries a second promise which
 * is rejected, too: left alone, as on a full disk, it would end the process.
 */
export async function written(...handed: readonly Promise<unknown>[]): Promise<void> {
  for (const one of handed) one.catch(seen);
  for (const one of handed) await one;
}

function seen(error: { commitError?: Promise<unknown> }): void {
  error.commitError?.catch(() => {});
}

/** Makes the folder if there is none, and opens what is in it. @throws Error for people */
export function openedFolder<T>(folder: string, file: string, openIn: (folder: string) => T): T {
  try {
    makeFolder(folder);
    return openIn(checked(folder, file));
  } catch (error) {
    throw new StoreFault(`data: ${folder} cannot be opened: ${whyNot(error)}`);
  }
}

/** @throws Error for people: the id is too long. */
export function keyOf(kind: string, id: string): RecordKey {
  const key = `${kind}/${id}`;
  if (key.length > LONGEST_KEY)
    throw new StoreFault(`a ${kind} cannot have an id of ${id.length} characters`);
  return key;
}

/** Not by `recursive: true`, which never returns where a folder can be read but nothing made in it: /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}

/** @throws an Error that `whyNot` understands */
function checked(folder: string, file: string): string {
  if (!statSync(folder).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
  accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  const path = join(folder, file);
  if (existsSync(path) && !isOurs(path)) throw new Error(`${file} is damaged, or not a store`);
  return folder;
}

/** The library would not refuse another file: it crashes the process. */
function isOurs(path: string): boolean {
  const head = Buffer.alloc(MAGIC_AT + 4);
  const file = openSync(path, 'r');
  const read = readSync(file, head, 0, head.length, 0);
  closeSync(file);
  return read === 0 || (read === head.length && head.readUInt32LE(MAGIC_AT) === MAGIC);
}

function whyNot(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EPERM') return 'this user may not read and write there';
  if (code === 'ENOTDIR' || code === 'EEXIST') return 'it is not a folder';
  if (code === 'EROFS') return 'the file system is read-only';
  if (code === 'ENOSPC') return 'the disk is full';
  return message;
}
