/**
 * A browser with a cookie jar, in front of a gateway where people log in at a real issuer.
 *
 *   const site = await openSite();
 *   const alice = site.browser();
 *   await alice.login('/app?x=1');
 *   (await alice.open('/app')).status                // 200
 */
import { expect } from 'vitest';
import { type CookieJar, type Issuer, startIssuer } from '../harness/issuer.ts';
import { CLIENT, type IssuerOptions } from '../harness/issuer-provider.ts';
import { type Answer, type Ask, askAt, guarded, openPremises, type Premises } from './premises.ts';

/** What a browser sends when a person follows a link. */
const PAGE = { accept: 'text/html,application/xhtml+xml', 'sec-fetch-mode': 'navigate' };
/** What a script on a page of the gateway sends. */
const SCRIPT = { accept: 'application/json', 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'same-origin' };

export class Browser {
  /** Of the gateway: values by name. */
  readonly cookies = new Map<string, string>();
  /** As they were set last, by name. */
  readonly setCookies = new Map<string, string>();
  readonly atIssuer: CookieJar = new Map();
  readonly #issuer: Issuer;
  url: string;

  constructor(issuer: Issuer, url: string) {
    this.#issuer = issuer;
    this.url = url;
  }

  /** As a person opens a page. */
  open(path: string, ask: Ask = {}): Promise<Answer> {
    return this.#ask(path, PAGE, ask);
  }

  /** As a page of the same origin does. */
  call(path: string, ask: Ask = {}): Promise<Answer> {
    return this.#ask(path, SCRIPT, ask);
  }

  post(path: string, ask: Ask = {}): Promise<Answer> {
    return this.call(path, { method: 'POST', ...ask });
  }

  /** Opens a page that wants a login, logs in, and comes back. Resolves with where that leads. */
  async login(path = '/app'): Promise<string> {
    const sent = await this.open(path);
    if (sent.status !== 302) throw new Error(`${path} is answered ${sent.status}: ${sent.text}`);
    const back = await this.comeBack(sent);
    if (back.status !== 302) throw new Error(`the login ends with ${back.status}: ${back.text}`);
    return back.headers.location as string;
  }

  /** From a redirect to the issuer to the callback. */
  async comeBack(sent: Answer): Promise<Answer> {
    const { pathname, search } = await this.#issuer.visit(sent.headers.location as string, this.atIssuer);
    return await this.open(pathname + search);
  }

  get sid(): string | undefined {
    return this.cookies.get('__Host-sid');
  }

  async #ask(path: string, fields: Record<string, string>, { headers = {}, ...ask }: Ask): Promise<Answer> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const own = cookie === '' ? fields : { ...fields, cookie };
    const answer = await askAt(this.url, path, { ...ask, headers: { ...own, ...headers } });
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) as RegExpExecArray;
      this.setCookies.set(name, line);
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }
}

export interface Site {
  readonly issuer: Issuer;
  readonly premises: Premises;
  /** Of somebody else each time. */
  browser(url?: string): Browser;
}

export interface SiteOptions {
  readonly issuer?: IssuerOptions;
  readonly session?: Record<string, unknown>;
  readonly login?: Record<string, unknown>;
  /** Laid over the configuration of the gateway. */
  readonly config?: Record<string, unknown>;
  readonly routes?: readonly unknown[];
  /** Where the gateway's configuration is written. */
  readonly file?: string;
  /** Another gateway with the same issuer. */
  readonly beside?: Site;
}

export const BUILTINS = [
  { name: 'login', match: { path: '/auth/login' }, builtin: 'login' },
  { name: 'callback', match: { path: '/auth/callback' }, builtin: 'callback' },
  { name: 'refresh', match: { path: '/auth/refresh' }, builtin: 'refresh' },
  { name: 'logout', match: { path: '/auth/logout' }, builtin: 'logout' },
  { name: 'session', match: { path: '/auth/session' }, builtin: 'session' },
];

export async function openSite(options: SiteOptions = {}): Promise<Site> {
  const { session, login, config = {}, routes = [], file, beside } = options;
  const issuer = beside?.issuer ?? (await startIssuer(options.issuer));
  const web = { type: 'session', login: { issuer: issuer.url, ...CLIENT, ...login }, ...session };
  const all = [...BUILTINS, guarded('/app', 'web'), ...routes];
  const premises = await openPremises({ auth: { providers: { web } }, routes: all, ...config }, { file });
  const browser = (url = premises.gateway.url) => new Browser(issuer, url);
  return { issuer, premises, browser };
}

/** Nobody is logged in any more. */
export async function expectLoggedOut(browser: Browser): Promise<void> {
  expect((await browser.call('/app')).status).toBe(401);
}
