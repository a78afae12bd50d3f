/** What ways in are made of: threads, keys, the store. Loaded by the access keeper when a configuration asks for it. */
import type { AuthConfig, ProviderConfig } from '../config/schema/auth.js';
import type { RedisPlace } from '../config/schema/redis.js';
import type { Stage } from '../pipeline.js';
import type { Access, BuiltinAction } from './access.js';
import type { AccessEnv, Caller } from './access-keeper.js';
import { anonymous } from './anonymous.js';
import { type DecisionCounts, DecisionPoint } from './authz/decision.js';
import { compileDemands } from './authz/demands.js';
import { RoleTable } from './authz/roles.js';
import type { Provider } from './identity.js';
import { IntrospectionProvider } from './introspection-provider.js';
import { PrimaryKeys } from './key-source.js';
import type { KeySet } from './primary-answers.js';
import type { SessionProvider } from './sessions/session-provider.js';
import type { RecordReader } from './store/record-store.js';
import type { StoredRevocations } from './store/revocations.js';
import type { StoreWatch } from './store/store-watch.js';
import type { VerifyPool } from './threads/pool.js';
import type { InternalTokens } from './tokens/internal-token.js';

interface Needs {
  /** null: no store. */
  readonly data: string | null;
  readonly redis: RedisPlace | null;
  readonly verification: AuthConfig['verification'];
  readonly threads: number;
}

interface OpenStore {
  readonly reader: RecordReader;
  readonly watch: StoreWatch;
  readonly revocations: StoredRevocations;
}

interface Takes {
  takeUsed?(): ReadonlyMap<string, number>;
  takeSeen?(): readonly string[];
}

const now = Date.now;

export class Outfit {
  readonly #env: AccessEnv;
  /** By provider; several while a configuration is being changed. */
  readonly #keys = new Map<string, Set<PrimaryKeys>>();
  /** With the source of its keys. */
  readonly #providers = new Map<Provider & Takes, PrimaryKeys | null>();
  #needs: Needs | null = null;
  #store: OpenStore | null = null;
  #pool: VerifyPool | null = null;
  #caller: Caller | null = null;
  /** Of the last configuration that was prepared. */
  #decisions = new Map<string, DecisionPoint>();

  constructor(env: AccessEnv) {
    this.#env = env;
  }

  /** Opens the store; it stays open. */
  async prepare(needs: Needs): Promise<void> {
    this.#needs = needs;
    if (needs.data === null || this.#store !== null) return;
    const [{ openReader }, { StoreWatch }, { StoredRevocations }] = await Promise.all([
      import('./store/embedded.js'),
      import('./store/store-watch.js'),
      import('./store/revocations.js'),
    ]);
    const reader = openReader(needs.data);
    const watch = new StoreWatch(reader);
    if (this.#env.onRecords !== undefined) watch.listen(this.#env.onRecords);
    this.#store = { reader, watch, revocations: new StoredRevocations(reader, watch) };
  }

  async build(name: string, config: ProviderConfig): Promise<Provider> {
    const fetches = config.type === 'jwt' && config.secret === undefined && config.publicKey === undefined;
    const keys = fetches ? this.#keySource(name) : null;
    const provider = await this.#build(name, config, keys);
    this.#providers.set(provider, keys);
    return provider;
  }

  /** Everything but the ways in themselves. */
  async rules(auth: AuthConfig, kept: ReadonlyMap<string, { provider: Provider }>): Promise<Access> {
    const table = new RoleTable(auth.roles);
    const decisions = new Map<string, DecisionPoint>();
    for (const [name, config] of Object.entries(auth.decisions)) {
      this.#caller ??= this.#env.call();
      decisions.set(name, new DecisionPoint(name, config, this.#caller, now));
    }
    this.#decisions = decisions;
    const provider = (name: string): Provider => {
      const found = name === anonymous.name ? anonymous : kept.get(name)?.provider;
      if (found === undefined) throw new Error(`there is no provider "${name}"`);
      return found;
    };
    const { jwt } = auth.context;
    const introduction: InternalTokens | null =
      jwt === undefined ? null : new (await import('./tokens/internal-token.js')).InternalTokens(jwt, now);
    const endpoints = await import('./sessions/endpoints.js');
    return {
      provider,
      demands: (demands, paramNames) => compileDemands(demands, table, { paramNames, now }),
      decision: (name) => decisions.get(name) as DecisionPoint,
      audit: this.#env.audit,
      introduction,
      builtin: (action: BuiltinAction, name: string | null): Stage => {
        if (action === 'keys') return endpoints.keysEndpoint(introduction?.jwks ?? '{"keys":[]}');
        const sessions = [...kept].filter(([, { provider }]) => provider.method === 'session');
        const chosen = name ?? sessions[0]?.[0] ?? '';
        return endpoints.sessionEndpoint(action, provider(chosen) as SessionProvider, this.#env.audit);
      },
    };
  }

  /** Those in force; others will not be used any more. */
  retain(inForce: ReadonlySet<Provider>): void {
    for (const [provider, source] of this.#providers) {
      if (inForce.has(provider)) continue;
      this.#providers.delete(provider);
      if (source !== null) this.#keys.get(provider.name)?.delete(source);
    }
  }

  takeKeys(set: KeySet): void {
    for (const source of this.#keys.get(set.provider) ?? []) source.take(set);
  }

  takeUse(): { keysUsed: ReadonlyMap<string, number>; sessionsSeen: readonly string[] } {
    const keysUsed = new Map<string, number>();
    const sessionsSeen: string[] = [];
    for (const provider of this.#providers.keys()) {
      for (const [id, at] of provider.takeUsed?.() ?? []) keysUsed.set(id, at);
      sessionsSeen.push(...(provider.takeSeen?.() ?? []));
    }
    return { keysUsed, sessionsSeen };
  }

  /** What decision points have said since the last call, by name. */
  decisions(): Map<string, DecisionCounts> {
    return new Map([...this.#decisions].map(([name, decision]) => [name, decision.flush()]));
  }

  async close(): Promise<void> {
    this.#caller?.close();
    this.#store?.watch.close();
    await Promise.all([this.#pool?.close(), this.#store?.reader.close()]);
  }

  async #build(name: string, config: ProviderConfig, keys: PrimaryKeys | null): Promise<Provider & Takes> {
    const { primary } = this.#env;
    const revocations = this.#store?.revocations ?? null;
    switch (config.type) {
      case 'jwt': {
        const { JwtProvider } = await import('./tokens/jwt-provider.js');
        if (config.secret === undefined) await this.#startPool();
        return new JwtProvider(name, config, {
          now,
          keys,
          pool: () => this.#pool as VerifyPool,
          revocations,
        });
      }
      case 'apiKey': {
        const { ApiKeyProvider } = await import('./keys/api-key-provider.js');
        const { reader, watch } = this.#store as OpenStore;
        return new ApiKeyProvider(name, config, { now, store: reader, watch });
      }
      case 'introspection': {
        const provider = new IntrospectionProvider(name, config, {
          now,
          primary,
          revokedUser: (user) => revocations?.revokedUser(name, user) ?? 0,
        });
        return provider;
      }
      case 'session': {
        const { SessionProvider } = await import('./sessions/session-provider.js');
        const { reader, watch, revocations } = this.#store as OpenStore;
        const shared = this.#needs?.redis !== null;
        return new SessionProvider(name, config, { now, primary, store: reader, watch, revocations, shared });
      }
    }
  }

  #keySource(name: string): PrimaryKeys {
    const source = new PrimaryKeys(name, this.#env.primary);
    const sources = this.#keys.get(name) ?? new Set();
    this.#keys.set(name, sources.add(source));
    return source;
  }

  /** Threads are there before the first token. Their number follows a restart of the worker, not a reload. */
  async #startPool(): Promise<void> {
    if (this.#pool !== null || this.#needs === null) return;
    const { VerifyPool } = await import('./threads/pool.js');
    const { threads, verification } = this.#needs;
    this.#pool = new VerifyPool({ threads, maxQueue: verification.queue });
  }
}
