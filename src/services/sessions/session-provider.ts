/** Browser sessions: a cookie, and behind it a record in the store. Tokens never reach the browser. */
import type { PrimaryCalls, PrimaryLink } from '../../bus.js';
import type { SessionConfig } from '../../config/schema/auth.js';
import { AUTH_UNAVAILABLE, INVALID_SESSION } from '../../errors.js';
import type { Answer, Exchange } from '../../exchange.js';
import { BoundedMap } from '../bounded-map.js';
import type { Identity, Outcome, Provider, ProviderCounts, Refusal } from '../identity.js';
import { ProviderCounter } from '../provider-counter.js';
import type { Change, RecordReader } from '../store/record-store.js';
import type { StoredRevocations } from '../store/revocations.js';
import type { StoreWatch } from '../store/store-watch.js';
import { identityOf } from '../tokens/claims.js';
import { DUPLICATE } from '../tokens/refusals.js';
import { cookieOf, SEVERAL } from './cookies.js';
import { REPLACED_GRACE_MS, type SessionRecord, sessionId } from './session-record.js';

const ANSWER_WITHIN_MS = 10_000;
const REMEMBERED = 50_000;
/** An access token is renewed this long before it expires. */
const RENEW_BEFORE_MS = 30_000;

type SessionCall = 'login' | 'callback' | 'findSession' | 'refreshSession' | 'logout';

export interface SessionEnv {
  readonly now: () => number;
  readonly primary: PrimaryLink;
  readonly store: RecordReader;
  readonly watch: StoreWatch;
  readonly revocations: StoredRevocations;
  /** Other machines may know sessions that this one does not. */
  readonly shared: boolean;
}

interface Known {
  readonly id: string;
  readonly record: SessionRecord;
  readonly identity: Identity;
  /** With all that the user had been given when the login was made. */
  readonly revoked: boolean;
}

const UNKNOWN: Refusal = { failure: INVALID_SESSION, reason: 'unknown' };
const EXPIRED: Refusal = { failure: INVALID_SESSION, reason: 'expired' };
const REUSED: Refusal = { failure: INVALID_SESSION, reason: 'reused' };
const REVOKED: Refusal = { failure: INVALID_SESSION, reason: 'revoked' };
const ENDED: Refusal = { failure: INVALID_SESSION, reason: 'ended' };
const UNAVAILABLE: Refusal = { failure: AUTH_UNAVAILABLE, reason: 'unavailable' };

export class SessionProvider implements Provider {
  readonly name: string;
  readonly method = 'session';
  readonly challenge: string;
  readonly privateHeader = null;
  readonly privateCookie: string;
  readonly config: SessionConfig;
  readonly #env: SessionEnv;
  readonly #counter = new ProviderCounter();
  /** By the cookie's value. */
  readonly #known = new BoundedMap<string, Known>(REMEMBERED);
  readonly #renewing = new Map<string, Promise<PrimaryCalls['refreshSession'][1]>>();
  readonly #unwatch: () => void;
  #seen = new Set<string>();

  constructor(name: string, config: SessionConfig, env: SessionEnv) {
    this.name = name;
    this.config = config;
    this.challenge = `Cookie realm="sluice", cookie-name="${config.cookie}"`;
    this.privateCookie = config.cookie;
    this.#env = env;
    this.#unwatch = env.watch.listen((changes) => this.#forget(changes));
  }

  isAmbiguous(x: Exchange): boolean {
    return cookieOf(x, this.config.cookie) === SEVERAL;
  }

  authenticate(x: Exchange): Outcome | Promise<Outcome> {
    const sid = cookieOf(x, this.config.cookie);
    if (sid === '') return null;
    if (sid === SEVERAL) return this.#counter.refused(DUPLICATE);
    const known = this.#known.get(sid);
    // That a session was used moves its end in the store, quietly.
    const fresh = known !== undefined && this.#env.now() < known.record.idleUntil;
    if (fresh) this.#counter.hits++;
    else this.#counter.misses++;
    const found = fresh ? known : this.#read(sid);
    if (found !== null) return this.#judge(sid, found);
    return this.#env.shared ? this.#find(sid) : this.#counter.refused(UNKNOWN);
  }

  /** By the session itself: its cookie may have been replaced since. */
  again({ session = '' }: Identity): Outcome {
    const { store, now } = this.#env;
    let id = session;
    let record = store.get<SessionRecord>('session', id);
    while (record?.replacedBy !== undefined) {
      id = record.replacedBy;
      record = store.get<SessionRecord>('session', id);
    }
    if (record === undefined || record.provider !== this.name) return this.#counter.refused(ENDED);
    if (now() >= Math.min(record.absoluteUntil, record.idleUntil)) return this.#counter.refused(EXPIRED);
    const { identity, revoked } = this.#knownBy(id, record);
    return revoked ? this.#counter.refused(REVOKED) : this.#accept(identity);
  }

  /** A redirect to the login. */
  invite(x: Exchange): Promise<Answer | null> {
    return this.begin(x, x.query === '' ? x.path : `${x.path}?${x.query}`);
  }

  async begin(x: Exchange, returnTo: string): Promise<Answer | null> {
    try {
      const { location, setCookie } = await this.ask('login', { origin: originOf(x, this.config), returnTo });
      const headers = ['location', location, 'set-cookie', setCookie, 'cache-control', 'no-store'];
      return { status: 302, headers, body: '' };
    } catch {
      return null;
    }
  }

  ask<Name extends SessionCall>(
    name: Name,
    argument: Omit<PrimaryCalls[Name][0], 'provider'>,
  ): Promise<PrimaryCalls[Name][1]> {
    const call = { ...argument, provider: this.name } as PrimaryCalls[Name][0];
    return this.#env.primary.ask(name, call, ANSWER_WITHIN_MS);
  }

  /** `authorization` for the service, if the configuration lets it have one. */
  bearerFor(identity: Identity): string {
    if (!this.config.forwardToken) return '';
    const own = (identity.joined ?? [identity]).find(({ provider }) => provider === this.name);
    return own === undefined ? '' : (bearers.get(own) ?? '');
  }

  /** Sessions that were used since the last call. */
  takeSeen(): string[] {
    const seen = [...this.#seen];
    if (seen.length > 0) this.#seen = new Set();
    return seen;
  }

  flush(): ProviderCounts {
    return this.#counter.flush();
  }

  close(): void {
    this.#unwatch();
  }

  #judge(sid: string, known: Known): Outcome | Promise<Outcome> {
    const { id, record, identity } = known;
    const now = this.#env.now();
    if (now >= record.absoluteUntil || now >= record.idleUntil) return this.#counter.refused(EXPIRED);
    if (known.revoked) return this.#counter.refused(REVOKED);
    if (record.replacedAt !== undefined && now >= record.replacedAt + REPLACED_GRACE_MS) {
      // Somebody else has the cookie's next value: the primary ends them all.
      this.ask('refreshSession', { sid, rotate: false }).catch(() => {});
      return this.#counter.refused(REUSED);
    }
    this.#seen.add(id);
    const { accessExpiresAt, refreshToken, replacedAt } = record;
    if (accessExpiresAt === null || refreshToken === null || replacedAt !== undefined)
      return this.#accept(identity);
    if (now < accessExpiresAt - RENEW_BEFORE_MS) return this.#accept(identity);
    const renewed = this.#renew(sid);
    const canWait = now < accessExpiresAt || !this.config.forwardToken;
    return canWait ? this.#accept(identity) : renewed.then((outcome) => this.#renewed(sid, outcome));
  }

  #accept(identity: Identity): Identity {
    this.#counter.accepted++;
    return identity;
  }

  async #find(sid: string): Promise<Outcome> {
    try {
      const { found } = await this.ask('findSession', { sid });
      const known = found ? this.#read(sid) : null;
      return known === null ? this.#counter.refused(UNKNOWN) : await this.#judge(sid, known);
    } catch {
      return this.#counter.refused(UNAVAILABLE);
    }
  }

  /** One question for all requests that need the answer. */
  #renew(sid: string): Promise<PrimaryCalls['refreshSession'][1]> {
    let renewing = this.#renewing.get(sid);
    if (renewing === undefined) {
      renewing = this.ask('refreshSession', { sid, rotate: false })
        .catch((error: Error) => ({ result: 'unavailable' as const, why: error.message }))
        .finally(() => {
          this.#renewing.delete(sid);
          this.#known.delete(sid);
        });
      this.#renewing.set(sid, renewing);
    }
    return renewing;
  }

  #renewed(sid: string, { result }: PrimaryCalls['refreshSession'][1]): Outcome {
    if (result === 'unavailable') return this.#counter.refused(UNAVAILABLE);
    const known = result === 'ok' ? this.#read(sid) : null;
    return known === null ? this.#counter.refused(ENDED) : this.#accept(known.identity);
  }

  #read(sid: string): Known | null {
    const id = sessionId(sid);
    const record = this.#env.store.get<SessionRecord>('session', id);
    if (record === undefined || record.provider !== this.name) return null;
    const known = this.#knownBy(id, record);
    this.#known.set(sid, known);
    return known;
  }

  #knownBy(id: string, record: SessionRecord): Known {
    const said = identityOf(record.claims, {
      method: 'session',
      provider: this.name,
      claims: this.config.claims,
      expiresAt: Math.min(record.absoluteUntil, record.idleUntil),
    });
    const identity: Identity = Object.freeze({ ...said, session: id });
    bearers.set(identity, `Bearer ${record.accessToken}`);
    const revoked = record.issuedAt <= this.#env.revocations.revokedUserMs(this.name, record.user);
    return { id, record, identity, revoked };
  }

  #forget(changes: readonly Change[] | null): void {
    if (changes === null || changes.some(({ kind }) => kind === 'revocation')) {
      this.#known.clear();
      return;
    }
    const changed = new Set(changes.flatMap(({ kind, id }) => (kind === 'session' ? id : [])));
    if (changed.size === 0) return;
    this.#known.drop(({ id }) => changed.has(id));
  }
}

/** Kept apart from identities, which expressions and services may read. */
const bearers = new WeakMap<Identity, string>();

/** The gateway as the browser sees it. */
export function originOf(x: Exchange, { login }: SessionConfig): string {
  if (login.origin !== undefined) return new URL(login.origin).origin;
  const host = x.forwardedHost === '' ? x.authority : x.forwardedHost;
  return `${x.forwardedProto === '' ? x.scheme : x.forwardedProto}://${host}`;
}
