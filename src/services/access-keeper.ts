/**
 * Ways in and rules for a worker, configuration after configuration. What is costly to make anew (verified tokens,
 * fetched keys, threads, the open store) is kept as long as the configuration wants the same of it.
 */
import { availableParallelism } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import type { PrimaryLink } from '../bus.js';
import type { ProviderConfig } from '../config/schema/auth.js';
import type { Config } from '../config/schema.js';
import { filtersOf } from '../config/uses.js';
import type { Exchange } from '../exchange.js';
import type { Access, AuditEvent } from './access.js';
import { anonymous } from './anonymous.js';
import type { Call, DecisionCounts } from './authz/decision.js';
import type { Provider, ProviderCounts } from './identity.js';
import type { Outfit } from './outfit.js';
import type { KeySet } from './primary-answers.js';
import type { ChangeListener } from './store/store-watch.js';

export interface AccessEnv {
  readonly primary: PrimaryLink;
  readonly audit: (x: Exchange, event: AuditEvent) => void;
  /** Small requests to services outside. */
  readonly call: () => Caller;
  /** Records of the store have changed. */
  readonly onRecords?: ChangeListener;
}

/** What calls are made with, until it is closed. */
export type Caller = Call & { close(): void };

interface Kept {
  readonly config: ProviderConfig;
  readonly provider: Provider;
}

export class AccessKeeper {
  readonly #env: AccessEnv;
  #outfit: Outfit | null = null;
  #kept = new Map<string, Kept>();

  constructor(env: AccessEnv) {
    this.#env = env;
  }

  /**
   * Loads what the configuration needs and nothing else: without `auth` a worker carries none of it. Rejects with an Error
   * for people when the store cannot be opened or a key file has vanished. Nothing changes before `adopt`.
   */
  async prepare(config: Config): Promise<PreparedAccess> {
    const { auth, data } = config;
    if (Object.keys(auth.providers).length === 0 && !usesAuth(config)) {
      return new PreparedAccess(new Map(), withoutAuth(this.#env.audit));
    }
    this.#outfit ??= new (await import('./outfit.js')).Outfit(this.#env);
    await this.#outfit.prepare({
      data,
      redis: config.redis,
      verification: auth.verification,
      threads: threadsFor(config),
    });
    const kept = new Map<string, Kept>();
    for (const [name, provider] of Object.entries(auth.providers)) {
      const before = this.#kept.get(name);
      const same =
        before !== undefined && isDeepStrictEqual(before.config, provider) && !readsFiles(provider);
      kept.set(
        name,
        same ? before : { config: provider, provider: await this.#outfit.build(name, provider) },
      );
    }
    return new PreparedAccess(kept, await this.#outfit.rules(auth, kept));
  }

  /** The configuration is in force: what only earlier ones used may go. */
  adopt({ kept }: PreparedAccess): void {
    const stays = new Set([...kept.values()].map(({ provider }) => provider));
    for (const { provider } of this.#kept.values()) if (!stays.has(provider)) provider.close();
    this.#kept = new Map(kept);
    this.#outfit?.retain(stays);
  }

  /** It did not come into force: what was made for it alone may go. */
  abandon({ kept }: PreparedAccess): void {
    const stays = new Set([...this.#kept.values()].map(({ provider }) => provider));
    for (const { provider } of kept.values()) if (!stays.has(provider)) provider.close();
    this.#outfit?.retain(stays);
  }

  /** From the primary. */
  takeKeys(set: KeySet): void {
    this.#outfit?.takeKeys(set);
  }

  /** What was counted since the last call. */
  report(): {
    decisions: Map<string, DecisionCounts>;
    providers: Map<string, ProviderCounts>;
    keysUsed: ReadonlyMap<string, number>;
    sessionsSeen: readonly string[];
  } {
    const providers = new Map(
      [...this.#kept].map(([name, { provider }]) => [name, provider.flush()] as const),
    );
    const decisions = this.#outfit?.decisions() ?? new Map();
    return { providers, decisions, ...(this.#outfit?.takeUse() ?? NOTHING_USED) };
  }

  async close(): Promise<void> {
    for (const { provider } of this.#kept.values()) provider.close();
    this.#kept.clear();
    await this.#outfit?.close();
  }
}

/** Access for one configuration, not in force yet. */
export class PreparedAccess {
  readonly kept: ReadonlyMap<string, Kept>;
  readonly access: Access;

  constructor(kept: ReadonlyMap<string, Kept>, access: Access) {
    this.kept = kept;
    this.access = access;
  }
}

const NOTHING_USED = { keysUsed: new Map<string, number>(), sessionsSeen: [] };

function usesAuth(config: Config): boolean {
  const { auth, routes } = config;
  return (
    filtersOf(config).some((filters) => filters.auth) ||
    auth.context.jwt !== undefined ||
    routes.some(({ builtin }) => builtin !== undefined && builtin.action !== 'services')
  );
}

/** The same options may name files with another content. */
function readsFiles(provider: ProviderConfig): boolean {
  if (provider.type !== 'jwt') return false;
  return [...(provider.secret ?? []), ...(provider.publicKey ?? [])].some((material) => 'file' in material);
}

function threadsFor({ auth, workers }: Config): number {
  if (auth.verification.threads !== 'auto') return auth.verification.threads;
  const cores = availableParallelism();
  const listeners = workers === 'auto' ? cores : workers;
  return Math.max(1, Math.min(4, Math.floor(cores / listeners)));
}

function withoutAuth(audit: Access['audit']): Access {
  const nothing = (what: string) => () => {
    throw new Error(`the configuration has no ${what}`);
  };
  return {
    provider: (name) => (name === anonymous.name ? anonymous : nothing(`provider "${name}"`)()),
    demands: nothing('demands'),
    decision: nothing('decision point'),
    builtin: nothing('session provider'),
    audit,
    introduction: null,
  };
}
