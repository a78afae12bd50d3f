/**
 * An `Oidc` with an issuer, a store and a clock.
 *
 *   const site = await openSite({ idle: 60_000 });
 *   const { sid } = await site.login();
 *   site.clock += 60_000;
 */
import { onTestFinished } from 'vitest';
import type { AuthConfig } from '../../../src/config/schema/auth.ts';
import { auth } from '../../../src/config/schema/auth.ts';
import { Oidc } from '../../../src/control/oidc/oidc.ts';
import type { StoredSession } from '../../../src/control/oidc/sessions.ts';
import type { Log } from '../../../src/observe/log.ts';
import type { LoginEnd } from '../../../src/services/primary-answers.ts';
import { sessionId } from '../../../src/services/sessions/session-record.ts';
import { type CookieJar, type Issuer, startIssuer } from '../../harness/issuer.ts';
import { CLIENT, type IssuerOptions } from '../../harness/issuer-provider.ts';
import { openTestStore, type TestStore } from './store.ts';

export const ORIGIN = 'https://app.example.com';
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

export interface SiteOptions {
  readonly issuer?: IssuerOptions;
  /** Laid over the provider `web`, as YAML has it. */
  readonly session?: Record<string, unknown>;
  readonly login?: Record<string, unknown>;
  /** Another gateway with the same issuer; and the same store, unless there is Redis. */
  readonly beside?: Site;
  /** URL: a store of its own that is kept in step through Redis. */
  readonly redis?: string;
}

export class Site {
  readonly time: { clock: number };
  readonly issuer: Issuer;
  readonly store: TestStore;
  readonly oidc: Oidc;
  readonly config: AuthConfig;
  readonly audit: Record<string, unknown>[] = [];
  readonly log: { level: string; message: string; why?: string }[] = [];

  constructor(
    time: { clock: number },
    issuer: Issuer,
    store: TestStore,
    { session = {}, login = {} }: SiteOptions,
  ) {
    this.time = time;
    this.issuer = issuer;
    this.store = store;
    this.config = auth.parse({
      providers: {
        web: { type: 'session', login: { issuer: issuer.url, ...CLIENT, ...login }, ...session },
        other: { type: 'session', cookie: '__Host-other', login: { issuer: issuer.url, ...CLIENT } },
        tokens: { type: 'introspection', url: issuer.introspectionUrl, ...CLIENT, timeout: '1s' },
      },
    });
    const write = (level: string) => (fields: { why?: string }, message: string) =>
      void this.log.push({ level, message, why: fields.why });
    this.oidc = new Oidc({
      auth: this.config,
      store: this.store,
      log: { debug: write('debug'), info: write('info'), warn: write('warn') } as unknown as Log,
      now: () => time.clock,
      audit: (event) => this.audit.push(event),
    });
    onTestFinished(() => this.oidc.close());
  }

  /** Milliseconds since 1970. */
  get clock(): number {
    return this.time.clock;
  }

  set clock(now: number) {
    this.time.clock = now;
  }

  /** Goes through a login as a browser does; `sid` is the cookie it had before. */
  async login({
    sid = '',
    returnTo = '/app',
    jar,
  }: {
    sid?: string;
    returnTo?: string;
    jar?: CookieJar;
  } = {}) {
    const { location, setCookie } = await this.oidc.login({ provider: 'web', origin: ORIGIN, returnTo });
    const back = await this.issuer.visit(location, jar);
    const end = await this.finish(back.search.slice(1), setCookie, sid);
    const cookie = end.setCookies.find((line) => line.startsWith('__Host-sid='));
    return { end, sid: cookie === undefined ? '' : cookieValue(cookie), back };
  }

  async finish(query: string, setCookie: string, sid = ''): Promise<LoginEnd> {
    const loginCookie = cookieValue(setCookie);
    return await this.oidc.callback({ provider: 'web', origin: ORIGIN, query, loginCookie, sid });
  }

  async refresh(sid: string, rotate = false) {
    return await this.oidc.refreshSession({ provider: 'web', sid, rotate });
  }

  session(sid: string): StoredSession | undefined {
    return this.store.get('session', sessionId(sid));
  }

  /** Ids of all sessions that are stored. */
  sessions(): string[] {
    return [...this.store.list('session')].map(([id]) => id);
  }
}

export async function openSite(options: SiteOptions = {}): Promise<Site> {
  const { beside } = options;
  const time = beside?.time ?? { clock: Date.now() };
  const issuer = beside?.issuer ?? (await startIssuer(options.issuer));
  const own = options.redis !== undefined || beside === undefined;
  const store = own ? await openTestStore(() => time.clock, options.redis) : beside.store;
  return new Site(time, issuer, store, options);
}

export function cookieValue(setCookie: string): string {
  return /^[^=]+=([^;]*)/.exec(setCookie)?.[1] ?? '';
}
