/** API keys, for the admin API and the command line alike. Keys are shown once: when they are made. */
import { ENV_FORM, hashOf, newKey, newKeyId } from '../keys/api-key.js';
import type { KeyRecord, KeySecret, UseRecord } from '../keys/key-record.js';
import { networkFault } from '../keys/networks.js';
import type { RecordStore } from '../store/record-store.js';
import { Consumers } from './consumers.js';
import { ANY_PLAN, checkPlan, type KnownPlans } from './known-plans.js';
import { RecordFault } from './record-fault.js';
import { wordsFault } from './record-words.js';
import { isoOrNull } from './time-words.js';

export interface KeyWish {
  /** Made if there is none of this name. */
  readonly consumer: string;
  readonly env?: string;
  readonly name?: string;
  readonly roles?: readonly string[];
  readonly scopes?: readonly string[];
  readonly plan?: string;
  readonly networks?: readonly string[];
  /** Milliseconds since 1970; null: never. */
  readonly expiresAt?: number | null;
}

/** What can be changed of a key. Absent: as it is. */
export interface KeyChange {
  readonly name?: string;
  /** Empty: that of the consumer. */
  readonly plan?: string;
}

/** What may be known of a key. Times are ISO 8601. */
export interface KeyView {
  readonly id: string;
  readonly env: string;
  readonly consumer: string;
  readonly name: string;
  readonly state: 'active' | 'expired' | 'revoked';
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
  readonly plan: string;
  readonly networks: readonly string[];
  /** Those that are valid now: two while one is being replaced. */
  readonly secrets: readonly { readonly createdAt: string | null; readonly expiresAt: string | null }[];
  readonly createdAt: string | null;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  readonly lastUsedAt: string | null;
}

/** A key that nobody can show again. */
export type NewKey = KeyView & { readonly key: string };

export const DEFAULT_GRACE_MS = 24 * 3_600_000;
const LONGEST_NAME = 200;
const USE_GRAIN_MS = 60_000;
const WRITES_AT_ONCE = 200;

export class ApiKeys {
  readonly #store: RecordStore;
  readonly #now: () => number;
  readonly #plans: KnownPlans;

  /** `now`: milliseconds since 1970. */
  constructor(store: RecordStore, now: () => number = Date.now, plans: KnownPlans = ANY_PLAN) {
    this.#store = store;
    this.#now = now;
    this.#plans = plans;
  }

  /** Of one consumer, or all. */
  list(consumer?: string): KeyView[] {
    const records = Array.from(this.#store.list<KeyRecord>('key'), ([, record]) => record);
    return records
      .filter((record) => consumer === undefined || record.consumer === consumer)
      .sort((a, b) => a.createdAt - b.createdAt)
      .map((record) => this.#viewOf(record));
  }

  /** @throws RecordFault */
  show(id: string): KeyView {
    const record = this.#store.get<KeyRecord>('key', id);
    if (record === undefined) throw missing(id);
    return this.#viewOf(record);
  }

  /** Rejects with a RecordFault for what makes no sense. */
  async create(wish: KeyWish): Promise<{ created: NewKey; consumerCreated: boolean }> {
    const { consumer, env = 'live', name = '', roles = [], scopes = [], plan = '', networks = [] } = wish;
    const { expiresAt = null } = wish;
    const createdAt = this.#now();
    check({ ...wish, env, name, networks, expiresAt }, createdAt);
    checkPlan(plan, this.#plans);
    const consumerCreated = await new Consumers(this.#store, this.#now).ensure(consumer);
    for (;;) {
      const id = newKeyId();
      const key = newKey(env, id);
      const secrets = [secretOf(key, createdAt)];
      const record: KeyRecord = {
        ...{ id, env, consumer, name, secrets, roles, scopes, plan, networks },
        ...{ expiresAt, revokedAt: null, createdAt },
      };
      const stored = await this.#store.update<KeyRecord>('key', id, (taken) =>
        taken === undefined ? record : undefined,
      );
      if (stored === record) return { created: { ...this.#viewOf(record), key }, consumerCreated };
    }
  }

  /** Its secrets stay. Rejects with a RecordFault for what makes no sense. */
  async update(id: string, change: KeyChange): Promise<KeyView> {
    check({ consumer: '', env: 'live', ...change }, this.#now());
    checkPlan(change.plan, this.#plans);
    const record = await this.#store.update<KeyRecord>('key', id, (before) => {
      if (before === undefined) throw missing(id);
      if (before.revokedAt !== null) throw new RecordFault('conflict', `the key ${id} is revoked`);
      return { ...before, ...change };
    });
    return this.#viewOf(record as KeyRecord);
  }

  /**
   * A new secret. The newest of the old ones stays valid for `graceMs`, or less if it was to expire earlier; any other
   * is void at once.
   */
  async rotate(id: string, graceMs = DEFAULT_GRACE_MS): Promise<NewKey> {
    const now = this.#now();
    let key = '';
    const record = await this.#store.update<KeyRecord>('key', id, (before) => {
      if (before === undefined) throw missing(id);
      const { state } = this.#viewOf(before);
      if (state !== 'active') throw new RecordFault('conflict', `the key ${id} is ${state}: make a new one`);
      key = newKey(before.env, id);
      return { ...before, secrets: [secretOf(key, now), ...outgoing(before.secrets, now, graceMs)] };
    });
    return { ...this.#viewOf(record as KeyRecord), key };
  }

  /** For ever. A key that is revoked already stays as it is. */
  async revoke(id: string): Promise<KeyView> {
    const revokedAt = this.#now();
    const record = await this.#store.update<KeyRecord>('key', id, (before) => {
      if (before === undefined) throw missing(id);
      return before.revokedAt === null ? { ...before, revokedAt } : undefined;
    });
    return this.#viewOf(record as KeyRecord);
  }

  /** Notes when keys were last used, to the minute: milliseconds since 1970, by id. */
  async used(used: ReadonlyMap<string, number>): Promise<void> {
    const news = [...used].filter(([id, at]) => {
      const before = this.#store.get<UseRecord>('used', id)?.at;
      return before === undefined || at >= before + USE_GRAIN_MS;
    });
    for (let i = 0; i < news.length; i += WRITES_AT_ONCE) {
      const batch = news.slice(i, i + WRITES_AT_ONCE);
      await Promise.all(batch.map(([id, at]) => this.#store.quiet('used', id, { at } satisfies UseRecord)));
    }
  }

  #viewOf(record: KeyRecord): KeyView {
    const { id, env, consumer, name, roles, scopes, plan, networks } = record;
    const now = this.#now();
    const isLive = ({ expiresAt }: { expiresAt: number | null }) => expiresAt === null || expiresAt > now;
    const secrets = record.secrets.filter(isLive);
    const valid = isLive(record) && secrets.length > 0;
    return {
      ...{
        id,
        env,
        consumer,
        name,
        state: record.revokedAt !== null ? 'revoked' : valid ? 'active' : 'expired',
      },
      ...{ roles, scopes, plan, networks },
      secrets: secrets.map(({ createdAt, expiresAt }) => ({
        createdAt: isoOrNull(createdAt),
        expiresAt: isoOrNull(expiresAt),
      })),
      createdAt: isoOrNull(record.createdAt),
      expiresAt: isoOrNull(record.expiresAt),
      revokedAt: isoOrNull(record.revokedAt),
      lastUsedAt: isoOrNull(this.#store.get<UseRecord>('used', id)?.at ?? null),
    };
  }
}

function secretOf(key: string, createdAt: number): KeySecret {
  return { hash: hashOf(key).toString('hex'), createdAt, expiresAt: null };
}

function outgoing(secrets: readonly KeySecret[], now: number, graceMs: number): KeySecret[] {
  const newest = secrets[0];
  if (newest === undefined || graceMs <= 0) return [];
  return [{ ...newest, expiresAt: Math.min(newest.expiresAt ?? Infinity, now + graceMs) }];
}

function check(
  { env = '', name = '', roles, scopes, plan, networks = [], expiresAt = null }: KeyWish,
  now: number,
): void {
  const invalid = (message: string) => new RecordFault('invalid', message);
  if (!ENV_FORM.test(env)) throw invalid(`env: "${env}" is not 1 to 16 lower-case letters and digits`);
  if (name.length > LONGEST_NAME) throw invalid(`name: at most ${LONGEST_NAME} characters`);
  const fault = wordsFault({ roles, scopes, plan: plan || undefined });
  if (fault !== null) throw invalid(fault);
  for (const network of networks) {
    const fault = networkFault(network);
    if (fault !== null) throw invalid(`networks: ${fault}`);
  }
  if (expiresAt !== null && expiresAt <= now) throw invalid('expires: that is in the past');
}

function missing(id: string): RecordFault {
  return new RecordFault('missing', `there is no key "${id}"`);
}
