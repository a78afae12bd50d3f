/** The primary's part in knowing who calls: keys of issuers, logins, the store. All of it only if the configuration asks. */

import type { AttendanceAsks } from '../bus/attendance-calls.js';
import type { WorkerReport } from '../bus/report.js';
import type { PrimaryHandlers } from '../bus.js';
import type { JwtConfig } from '../config/schema/auth.js';
import type { Config } from '../config/schema.js';
import { writeAudit } from '../observe/audit.js';
import type { Lines, Log } from '../observe/log.js';
import type { KeyCalls } from '../services/idempotency/claims.js';
import type { KeySet } from '../services/primary-answers.js';
import type { ApiKeys } from '../services/records/api-keys.js';
import type { Consumers } from '../services/records/consumers.js';
import type { RecordStore } from '../services/store/record-store.js';
import type { StoreWatch } from '../services/store/store-watch.js';
import type { Department } from './departments.js';
import type { Keys } from './keys/keys.js';
import type { Oidc } from './oidc/oidc.js';

export interface AccessControlOptions {
  readonly config: Config;
  readonly log: Log;
  readonly lines: Lines;
  /** Workers must know. */
  onKeys(set: KeySet): void;
}

export interface Records {
  readonly keys: ApiKeys;
  readonly consumers: Consumers;
  readonly store: RecordStore;
}

export class AccessControl implements Department {
  readonly #options: AccessControlOptions;
  #keys: Keys | null = null;
  #oidc: Oidc | null = null;
  #records: Records | null = null;
  #plans: readonly string[] = [];
  #watch: StoreWatch | null = null;

  constructor(options: AccessControlOptions) {
    this.#options = options;
  }

  /** Before workers get a configuration: they will ask. Rejects with an Error for people when the store cannot be opened. */
  async follow({ auth, data, redis, plans }: Config): Promise<void> {
    const { log } = this.#options;
    this.#plans = Object.keys(plans);
    if (data !== null && this.#records === null) {
      const { openStore } = await import('../services/store/replica.js');
      const { ApiKeys } = await import('../services/records/api-keys.js');
      const { Consumers } = await import('../services/records/consumers.js');
      const store = await openStore({ data, redis, log, now: Date.now });
      const known = () => this.#plans;
      const keys = new ApiKeys(store, Date.now, known);
      this.#records = { store, keys, consumers: new Consumers(store, Date.now, known) };
      await this.#followNotices(store);
    }
    if (this.#plans.length > 0 && this.#records !== null) {
      const { unknownPlans } = await import('../services/records/known-plans.js');
      const unknown = unknownPlans(this.#records.store, this.#plans);
      if (Object.keys(unknown).length > 0)
        log.warn(
          { plans: unknown },
          'keys or consumers have a plan that is not configured: the default holds',
        );
    }
    const providers = Object.values(auth.providers);
    const fetched = Object.fromEntries(
      Object.entries(auth.providers).filter((entry): entry is [string, JwtConfig] => fetchesKeys(entry[1])),
    );
    if (this.#keys !== null) this.#keys.follow(fetched);
    else if (Object.keys(fetched).length > 0) {
      const { Keys } = await import('./keys/keys.js');
      this.#keys = new Keys({ providers: fetched, log, now: Date.now, onChange: this.#options.onKeys });
    }
    if (this.#oidc !== null) this.#oidc.follow(auth, this.#records?.store ?? null);
    else if (providers.some(({ type }) => type === 'introspection' || type === 'session')) {
      const { Oidc } = await import('./oidc/oidc.js');
      const audit = (event: Record<string, unknown>) => this.audit(event);
      this.#oidc = new Oidc({ auth, store: this.#records?.store ?? null, log, now: Date.now, audit });
    }
  }

  /** What workers ask. */
  readonly handlers: Omit<PrimaryHandlers, keyof (KeyCalls & AttendanceAsks)> = {
    keys: (question) => present(this.#keys, 'keys').ask(question),
    introspect: (question) => present(this.#oidc, 'introspection').introspect(question),
    login: (call) => present(this.#oidc, 'login').login(call),
    callback: (call) => present(this.#oidc, 'login').callback(call),
    findSession: (call) => present(this.#oidc, 'sessions').findSession(call),
    refreshSession: (call) => present(this.#oidc, 'sessions').refreshSession(call),
    logout: (call) => present(this.#oidc, 'sessions').logout(call),
  };

  /** null: the configuration has no store. */
  records = (): Records | null => this.#records;

  /** Ends all sessions of a user; resolves with how many. */
  revokeUser = async (provider: string, user: string): Promise<number> =>
    (await this.#oidc?.revokeUser(provider, user)) ?? 0;

  /** Never a secret in it. */
  audit = (event: Readonly<Record<string, unknown>>): void => writeAudit(this.#options.lines, event);

  /** Seconds since each issuer's keys were fetched. */
  keyAges = (): ReadonlyMap<string, number> => this.#keys?.ages() ?? new Map();

  /** What a worker reports. */
  reported({ keysUsed, sessionsSeen, decisions }: WorkerReport): void {
    for (const [decision, { failed, lastFailure }] of decisions) {
      if (failed > 0) this.#options.log.warn({ decision, failed, why: lastFailure }, 'decision point failed');
    }
    const warn = (error: Error) =>
      this.#options.log.warn({ err: error.message }, 'when keys were used is not stored');
    if (keysUsed.size > 0) this.#records?.keys.used(keysUsed).catch(warn);
    if (sessionsSeen.length > 0) this.#oidc?.seen(sessionsSeen);
  }

  /** Operators change records by the command line, too. */
  async #followNotices(store: RecordStore): Promise<void> {
    const { takeNotices } = await import('../services/records/notices.js');
    const { StoreWatch } = await import('../services/store/store-watch.js');
    const take = () =>
      takeNotices(store, this.audit).catch((error: Error) =>
        this.#options.log.warn(
          { err: error.message },
          'changes by the command line are not in the audit log yet',
        ),
      );
    this.#watch = new StoreWatch(store);
    this.#watch.listen((changes) => {
      if (changes === null || changes.some(({ kind }) => kind === 'notice')) void take();
    });
    void take();
  }

  async close(): Promise<void> {
    this.#watch?.close();
    this.#keys?.close();
    this.#oidc?.close();
    await this.#records?.store.close();
  }
}

function fetchesKeys(provider: Config['auth']['providers'][string]): boolean {
  return provider.type === 'jwt' && provider.secret === undefined && provider.publicKey === undefined;
}

function present<T>(part: T | null, what: string): T {
  if (part === null) throw new Error(`this configuration has no ${what}`);
  return part;
}
