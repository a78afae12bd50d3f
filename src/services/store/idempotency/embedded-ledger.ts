/**
 * The ledger of one machine: a file, shared by all gateways that use its folder. Every write names the version that it
 * replaces and is made by the library's own thread, together with others of the moment; it is on disk when it resolves.
 */
import { randomUUID } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open } from 'lmdb';
import type { KeptAnswer, Settlement } from '../../idempotency/claims.js';
import { openedFolder, written } from '../environment.js';
import { StoreFault } from '../store-fault.js';
import { type Claim, type KeyView, LEASE_MS, type Ledger, LONGEST_RUN_MS } from './ledger.js';

const FILE = 'idempotency.mdb';
const SWEEP_EVERY_MS = 60_000;
/** Records that one sweep looks at. */
const SWEPT_AT_ONCE = 1000;
/** Others write the same record at the same time: each round one of them gets through. */
const MOST_ROUNDS = 10;

interface Entry {
  readonly fingerprint: string;
  readonly life: string;
  readonly state: KeyView['state'];
  readonly since: number;
  readonly until: number;
  readonly status: number;
  readonly headers?: readonly string[];
  readonly body?: Buffer;
}

export class EmbeddedLedger implements Ledger {
  readonly #root: ReturnType<typeof open>;
  /** By id. A version belongs to one claim. */
  readonly #keys: Database<Entry, string>;
  /** When to look whether a key has expired. */
  readonly #expiries: Database<number, [until: number, id: string]>;
  /** Until when a gateway counts as alive. */
  readonly #lives: Database<number, string>;
  readonly #life = randomUUID();
  readonly #now: () => number;
  /** Versions of the claims made here, by token. */
  readonly #versions = new Map<string, number>();
  #sweptAt = 0;
  #closed = false;

  /** @throws StoreFault the folder cannot be opened */
  constructor(folder: string, now: () => number) {
    this.#now = now;
    const path = join(folder, FILE);
    // Batches: see Environment.
    const options = { path, maxDbs: 4, maxReaders: 512, eventTurnBatching: false };
    this.#root = openedFolder(folder, FILE, () => open(options));
    chmodSync(path, 0o600);
    this.#keys = this.#root.openDB({ name: 'keys', encoding: 'msgpack', useVersions: true });
    this.#expiries = this.#root.openDB({ name: 'expiries', encoding: 'msgpack' });
    this.#lives = this.#root.openDB({ name: 'lives', encoding: 'msgpack' });
  }

  async claim({ id, token, fingerprint, ttlMs }: Claim): ReturnType<Ledger['claim']> {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const now = this.#now();
      const found = this.#find(id);
      if (found !== undefined && !this.#isOver(found.value, now)) {
        if (found.value.fingerprint !== fingerprint) return { state: 'reused' };
        return this.#told(found.value, now);
      }
      const version = newVersion();
      const until = now + ttlMs + LONGEST_RUN_MS;
      const entry: Entry = { fingerprint, life: this.#life, state: 'running', since: now, until, status: 0 };
      this.#versions.set(token, version);
      if (await this.#replace(id, entry, version, found?.version)) return { state: 'claimed' };
      this.#versions.delete(token);
    }
    throw new StoreFault('an idempotency key is being claimed by too many others');
  }

  async settle(claim: Claim, settlement: Settlement): Promise<boolean> {
    this.#checkOpen();
    const version = this.#versions.get(claim.token);
    if (version === undefined) return false;
    const done = await this.#write(claim, settlement, version);
    this.#versions.delete(claim.token);
    return done;
  }

  async #write({ id, fingerprint, ttlMs }: Claim, settlement: Settlement, version: number): Promise<boolean> {
    if (settlement.state === 'released') return await this.#keys.remove(id, version);
    const now = this.#now();
    const since = this.#find(id)?.value.since ?? now;
    const until = now + ttlMs;
    const entry: Entry = {
      ...{ fingerprint, life: this.#life, state: settlement.state, since, until, status: 0 },
      ...contentOf(settlement),
    };
    return await this.#replace(id, entry, version, version);
  }

  async beat(): Promise<void> {
    this.#checkOpen();
    const now = this.#now();
    await written(this.#lives.put(this.#life, now + LEASE_MS));
    if (now - this.#sweptAt < SWEEP_EVERY_MS) return;
    this.#sweptAt = now;
    await this.#sweep(now);
  }

  async look(id: string): Promise<KeyView | null> {
    const now = this.#now();
    const entry = this.#find(id)?.value;
    if (entry === undefined || this.#isOver(entry, now)) return null;
    const { since, until, status } = entry;
    return { state: this.#stateOf(entry, now), since, until, status };
  }

  async clear(id: string): Promise<'cleared' | 'none' | 'running'> {
    const now = this.#now();
    const found = this.#find(id);
    if (found === undefined || this.#isOver(found.value, now)) return 'none';
    if (this.#stateOf(found.value, now) === 'running') return 'running';
    return (await this.#keys.remove(id, found.version as number)) ? 'cleared' : 'none';
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await written(this.#lives.remove(this.#life));
    await this.#root.close();
  }

  /** False: it is no longer that version. Undefined: there must be none. */
  async #replace(id: string, entry: Entry, version: number, before: number | undefined): Promise<boolean> {
    const expiry = this.#expiries.put([entry.until, id], 0);
    const change =
      before === undefined
        ? this.#keys.ifNoExists(id, () => void this.#keys.put(id, entry, version))
        : this.#keys.put(id, entry, version, before);
    await written(expiry, change);
    const done = await change;
    if (done) await this.#root.flushed;
    return done;
  }

  /** As it is now: the library would show what was there when this turn of the event loop began. */
  #find(id: string) {
    this.#checkOpen();
    this.#keys.resetReadTxn();
    return this.#keys.getEntry(id);
  }

  #checkOpen(): void {
    if (this.#closed) throw new StoreFault('the store is closed');
  }

  #told({ status, headers, body, ...entry }: Entry, now: number): Awaited<ReturnType<Ledger['claim']>> {
    const state = this.#stateOf({ status, ...entry }, now);
    if (state === 'done') {
      const answer: KeptAnswer = { status, headers: headers ?? [], body: body ?? Buffer.alloc(0) };
      return { state, answer };
    }
    return state === 'large' ? { state, status } : { state };
  }

  #stateOf({ state, life }: Entry, now: number): KeyView['state'] {
    return state === 'running' && !this.#isAlive(life, now) ? 'unknown' : state;
  }

  #isAlive(life: string, now: number): boolean {
    return life === this.#life || (this.#lives.get(life) ?? 0) > now;
  }

  #isOver(entry: Entry, now: number): boolean {
    return entry.until <= now && this.#stateOf(entry, now) !== 'running';
  }

  async #sweep(now: number): Promise<void> {
    const due = [...this.#expiries.getRange({ end: [now, ''], limit: SWEPT_AT_ONCE })];
    const removed: Promise<boolean>[] = [];
    for (const { key } of due) {
      const found = this.#keys.getEntry(key[1]);
      if (found !== undefined && this.#isOver(found.value, now))
        removed.push(this.#keys.remove(key[1], found.version as number));
      removed.push(this.#expiries.remove(key));
    }
    for (const { key, value } of this.#lives.getRange({})) {
      if (value + LONGEST_RUN_MS < now) removed.push(this.#lives.remove(key));
    }
    await written(...removed);
  }
}

function contentOf(settlement: Settlement): Pick<Entry, 'status' | 'headers' | 'body'> | object {
  if (settlement.state === 'done') return settlement.answer;
  return settlement.state === 'large' ? { status: settlement.status } : {};
}

/** Never twice: 52 random bits. */
function newVersion(): number {
  return 1 + Math.floor(Math.random() * (2 ** 52 - 1));
}
