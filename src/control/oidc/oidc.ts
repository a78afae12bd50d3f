import type { AuthConfig, SessionConfig } from '../../config/schema/auth.js';
import type { Log } from '../../observe/log.js';
import type {
  CallbackCall,
  Introspection,
  LoginCall,
  LoginEnd,
  LoginStart,
  SessionRefresh,
} from '../../services/primary-answers.js';
import { sessionId } from '../../services/sessions/session-record.js';
import type { RecordStore } from '../../services/store/record-store.js';
import { Availability } from './availability.js';
import { Introspector } from './introspector.js';
import { Logins } from './login.js';
import { logoutLocation } from './logout.js';
import { Renewals } from './renewal.js';
import { Sessions } from './sessions.js';
import { createSite, originOf, revokeTokens, type Site } from './site.js';
import { Transactions } from './transaction.js';

const SWEEP_EVERY_MS = 60_000;

export interface OidcOptions {
  readonly auth: AuthConfig;
  /** null: the configuration has none yet, and no sessions. */
  readonly store: RecordStore | null;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly audit: (event: Record<string, unknown>) => void;
}

/** Everything that needs an authorisation server: introspection of tokens, logins, and the sessions they lead to. */
export class Oidc {
  readonly #options: OidcOptions;
  readonly #timer: NodeJS.Timeout;
  #parts: Parts | null = null;
  #introspectors = new Map<string, Kept<Introspector>>();
  #sites = new Map<string, Kept<Site>>();

  constructor(options: OidcOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.sweep(), SWEEP_EVERY_MS).unref();
    this.follow(options.auth, options.store);
  }

  /** After a reload. Providers that have not changed keep what they know; a store that is there stays. */
  follow({ providers }: AuthConfig, store: RecordStore | null = null): void {
    const { log, now } = this.#options;
    if (store !== null) this.#parts ??= createParts(store, this.#options);
    const introspectors = new Map<string, Kept<Introspector>>();
    const sites = new Map<string, Kept<Site>>();
    for (const [name, config] of Object.entries(providers)) {
      const source = JSON.stringify(config);
      if (config.type === 'introspection') {
        const create = () => new Introspector(config, new Availability(log, { provider: name }, now));
        introspectors.set(name, keep(this.#introspectors.get(name), source, create));
      } else if (config.type === 'session') {
        sites.set(
          name,
          keep(this.#sites.get(name), source, () => createSite(name, config, log, now)),
        );
      }
    }
    const gone = [...this.#introspectors, ...this.#sites].filter(([name, { part }]) => {
      return introspectors.get(name)?.part !== part && sites.get(name)?.part !== part;
    });
    this.#introspectors = introspectors;
    this.#sites = sites;
    for (const [, { part }] of gone) closePart(part);
  }

  async introspect({ provider, token }: { provider: string; token: string }): Promise<Introspection> {
    const kept = this.#introspectors.get(provider);
    if (kept === undefined) throw new Error(`there is no introspection provider "${provider}"`);
    return await kept.part.introspect(token);
  }

  /** Rejects with an Error for people when the identity provider or the store cannot be reached. */
  async login(call: LoginCall): Promise<LoginStart> {
    return await this.#store().logins.begin(this.#site(call.provider), call);
  }

  async callback(call: CallbackCall): Promise<LoginEnd> {
    return await this.#store().logins.end(this.#site(call.provider), call);
  }

  /** `found`: it is where workers of this machine can read it now. Rejects when other machines cannot be asked. */
  async findSession({ provider, sid }: { provider: string; sid: string }): Promise<{ found: boolean }> {
    const { sessions } = this.#store();
    const id = sessionId(sid);
    if (sessions.get(id) === undefined) await sessions.catchUp();
    return { found: sessions.get(id)?.provider === provider };
  }

  /** Without a refresh token there is nothing to renew: the session goes on as it is. */
  async refreshSession(call: { provider: string; sid: string; rotate: boolean }): Promise<SessionRefresh> {
    return await this.#store().renewals.renew(this.#site(call.provider), call.sid, call.rotate);
  }

  /** Rejects when the session cannot be removed. */
  async logout(call: { provider: string; sid: string; origin: string }): Promise<{ location: string }> {
    const { sessions, renewals } = this.#store();
    const site = this.#site(call.provider);
    const current = await renewals.current(site, call.sid);
    if ('result' in current) return { location: site.config.login.afterLogout };
    const { session } = current;
    await sessions.removeFamily(session);
    revokeTokens(site, session);
    this.#options.audit({ event: 'session.logout', provider: site.name, user: session.user });
    return { location: await logoutLocation(site, session.idToken, originOf(site, call.origin)) };
  }

  /** They were used: a note in the store moves their end, once in a while. */
  seen(ids: readonly string[]): void {
    if (this.#parts === null) return;
    const configOf = (provider: string): SessionConfig | null =>
      this.#sites.get(provider)?.part.config ?? null;
    this.#parts.sessions.seen(ids, configOf).catch((error: Error) => {
      this.#options.log.debug({ why: error.message }, 'uses of sessions were not noted');
    });
  }

  /** Ends all sessions of a user; resolves with how many. */
  async revokeUser(provider: string, user: string): Promise<number> {
    const ended = await this.#store().sessions.removeUser(provider, user);
    this.#options.audit({ event: 'session.revoked', provider, user, ended });
    return ended;
  }

  /** Removes sessions that have ended; happens each minute by itself. */
  async sweep(): Promise<void> {
    try {
      await this.#parts?.sessions.sweep();
    } catch (error) {
      this.#options.log.debug({ why: (error as Error).message }, 'ended sessions were not removed');
    }
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { part } of [...this.#introspectors.values(), ...this.#sites.values()]) closePart(part);
  }

  #site(provider: string): Site {
    const kept = this.#sites.get(provider);
    if (kept === undefined) throw new Error(`there is no session provider "${provider}"`);
    return kept.part;
  }

  #store(): Parts {
    if (this.#parts === null) throw new Error('this configuration has no store for sessions');
    return this.#parts;
  }
}

interface Parts {
  readonly sessions: Sessions;
  readonly logins: Logins;
  readonly renewals: Renewals;
}

function createParts(store: RecordStore, { now, audit }: OidcOptions): Parts {
  const sessions = new Sessions(store, now);
  return {
    sessions,
    logins: new Logins({ sessions, transactions: new Transactions(store, now), now, audit }),
    renewals: new Renewals({ store, sessions, now, audit }),
  };
}

/** A part, and the configuration it was made from. */
interface Kept<T> {
  readonly part: T;
  readonly source: string;
}

function keep<T>(before: Kept<T> | undefined, source: string, create: () => T): Kept<T> {
  return before?.source === source ? before : { part: create(), source };
}

function closePart(part: Introspector | Site): void {
  if (part instanceof Introspector) part.close();
  else part.client.close();
}
