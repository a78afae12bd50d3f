/**
 * Records that all processes of the gateway share and that outlive them: keys, consumers, sessions, revocations.
 * Reading is synchronous and local, whatever the records come from. Values are JSON; who gets one never changes it.
 */

/** What a record is; each kind has its own ids. */
export type RecordKind =
  | 'consumer'
  | 'key'
  | 'used'
  | 'revocation'
  | 'session'
  | 'user-session'
  | 'secret'
  | 'notice';

/** For workers: they only read. */
export interface RecordReader {
  get<T>(kind: RecordKind, id: string): T | undefined;
  /** In the order of ids; `prefix` keeps those whose id begins with it. What is written meanwhile may or may not show up. */
  list<T>(kind: RecordKind, prefix?: string): Iterable<readonly [id: string, value: T]>;
  /** Grows with every change but quiet ones. */
  revision(): number;
  changesSince(revision: number): Changes;
  close(): Promise<void>;
}

export interface Changes {
  /** For the next call. */
  readonly revision: number;
  /** Too much has changed since to be told one by one: everything may be different. `changes` is empty then. */
  readonly all: boolean;
  readonly changes: readonly Change[];
}

export interface Change {
  readonly kind: RecordKind;
  readonly id: string;
}

/**
 * For the primary and the command line. Writing resolves when the record is on this machine's disk and, with Redis, in
 * Redis; it rejects with an Error for people when that cannot be had.
 */
export interface RecordStore extends RecordReader {
  put(kind: RecordKind, id: string, value: unknown): Promise<void>;
  /** False: there was none. */
  remove(kind: RecordKind, id: string): Promise<boolean>;
  /**
   * Replaces the record by what `next` makes of it, without losing what another process, or with Redis another machine,
   * writes at the same time: `next` may be called again. When it returns undefined, nothing changes. An error it throws
   * rejects. Resolves with what is stored now.
   */
  update<T>(
    kind: RecordKind,
    id: string,
    next: (now: T | undefined) => T | undefined,
    options?: { readonly quiet?: boolean },
  ): Promise<T | undefined>;
  /** A write that is no change: nobody is told. For "last used" and the like. `update` has the same as an option. */
  quiet(kind: RecordKind, id: string, value: unknown): Promise<void>;
  /** With Redis: resolves when what is there now is here too, or rejects. Without: at once. */
  catchUp(): Promise<void>;
  /**
   * Takes the lock of this name for `ttlMs` at most, for this process alone. null: somebody else has it. Never waits.
   * With Redis the lock counts on all machines.
   */
  lock(name: string, ttlMs: number): Promise<Release | null>;
}

/** Gives a lock back early. A lock that ran out in the meantime, and may be another's by now, is left alone. */
export type Release = () => Promise<void>;
