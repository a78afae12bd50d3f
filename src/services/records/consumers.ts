/** Consumers: who owns API keys. For the admin API and the command line alike. */
import type { ConsumerRecord, KeyRecord } from '../keys/key-record.js';
import type { RecordStore } from '../store/record-store.js';
import { ANY_PLAN, checkPlan, type KnownPlans } from './known-plans.js';
import { RecordFault } from './record-fault.js';
import { wordsFault } from './record-words.js';
import { isoOrNull } from './time-words.js';

/** What may be said of a consumer. Absent: as it is, or the default for a new one. */
export interface ConsumerChange {
  readonly plan?: string;
  readonly roles?: readonly string[];
  readonly scopes?: readonly string[];
  readonly enabled?: boolean;
  readonly description?: string;
}

export type ConsumerView = Omit<ConsumerRecord, 'createdAt'> & { readonly createdAt: string | null };

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$/;
const LONGEST_DESCRIPTION = 1000;

export class Consumers {
  readonly #store: RecordStore;
  readonly #now: () => number;
  readonly #plans: KnownPlans;

  /** `now`: milliseconds since 1970. */
  constructor(store: RecordStore, now: () => number = Date.now, plans: KnownPlans = ANY_PLAN) {
    this.#store = store;
    this.#now = now;
    this.#plans = plans;
  }

  list(): ConsumerView[] {
    return Array.from(this.#store.list<ConsumerRecord>('consumer'), ([, record]) => viewOf(record));
  }

  /** @throws RecordFault */
  show(name: string): ConsumerView {
    const record = this.#store.get<ConsumerRecord>('consumer', name);
    if (record === undefined) throw missing(name);
    return viewOf(record);
  }

  /** Rejects with a RecordFault when there is one of this name. */
  async create(name: string, change: ConsumerChange = {}): Promise<ConsumerView> {
    const record = this.#newRecord(name, change);
    await this.#store.update<ConsumerRecord>('consumer', name, (before) => {
      if (before !== undefined) throw new RecordFault('conflict', `there is a consumer "${name}" already`);
      return record;
    });
    return viewOf(record);
  }

  /** True: there was none of this name, and now there is. */
  async ensure(name: string): Promise<boolean> {
    const record = this.#newRecord(name, {});
    let made = false;
    await this.#store.update<ConsumerRecord>('consumer', name, (before) => {
      made = before === undefined;
      return made ? record : undefined;
    });
    return made;
  }

  async update(name: string, change: ConsumerChange): Promise<ConsumerView> {
    check(change);
    checkPlan(change.plan, this.#plans);
    const record = await this.#store.update<ConsumerRecord>('consumer', name, (before) => {
      if (before === undefined) throw missing(name);
      return { ...before, ...change };
    });
    return viewOf(record as ConsumerRecord);
  }

  /** Its keys are revoked first: what is left half done opens nothing. Gives back how many. */
  async remove(name: string): Promise<{ keysRevoked: number }> {
    if (this.#store.get('consumer', name) === undefined) throw missing(name);
    const now = this.#now();
    let keysRevoked = 0;
    for (const [id, { consumer, revokedAt }] of [...this.#store.list<KeyRecord>('key')]) {
      if (consumer !== name || revokedAt !== null) continue;
      await this.#store.update<KeyRecord>('key', id, (key) => key && { ...key, revokedAt: now });
      keysRevoked++;
    }
    await this.#store.remove('consumer', name);
    return { keysRevoked };
  }

  #newRecord(name: string, change: ConsumerChange): ConsumerRecord {
    if (!NAME.test(name)) {
      throw new RecordFault(
        'invalid',
        `"${name}" is not a name for a consumer: up to 100 letters, digits and . _ @ -, a letter or digit first`,
      );
    }
    check(change);
    checkPlan(change.plan, this.#plans);
    return {
      name,
      plan: '',
      roles: [],
      scopes: [],
      enabled: true,
      description: '',
      ...change,
      createdAt: this.#now(),
    };
  }
}

function check({ plan, roles, scopes, description = '' }: ConsumerChange): void {
  const fault = wordsFault({ plan: plan || undefined, roles, scopes });
  if (fault !== null) throw new RecordFault('invalid', fault);
  if (description.length > LONGEST_DESCRIPTION) {
    throw new RecordFault('invalid', `description: at most ${LONGEST_DESCRIPTION} characters`);
  }
}

function missing(name: string): RecordFault {
  return new RecordFault('missing', `there is no consumer "${name}"`);
}

function viewOf(record: ConsumerRecord): ConsumerView {
  return { ...record, createdAt: isoOrNull(record.createdAt) };
}
