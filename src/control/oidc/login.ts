/** Logging in: the authorisation code flow with PKCE (RFC 9700 §2.1.1), OpenID Connect Core 1.0 §3.1. */
import { randomBytes } from 'node:crypto';
import * as oauth from 'oauth4webapi';
import type { CallbackCall, LoginCall, LoginEnd, LoginStart } from '../../services/primary-answers.js';
import { sessionCookie } from '../../services/sessions/cookies.js';
import { sessionId } from '../../services/sessions/session-record.js';
import type { Tokens } from './openid-client.js';
import type { Sessions, StoredSession } from './sessions.js';
import { keptTokens, originOf, type Site } from './site.js';
import { NO_LOGIN_COOKIE, type Transaction, type Transactions } from './transaction.js';
import { type Trouble, troubleOf } from './trouble.js';

/** The cookie that carries it has room for so much. */
const LONGEST_RETURN = 1024;
/** A path of ours, and nothing that a browser would take for another host. */
const LOCAL_PATH = /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/;
/** The store's ids have bounds; OpenID Connect allows 255 bytes for `sub`. */
const LONGEST_USER = 256;

export interface LoginOptions {
  readonly sessions: Sessions;
  readonly transactions: Transactions;
  readonly now: () => number;
  readonly audit: (event: Record<string, unknown>) => void;
}

export class Logins {
  readonly #options: LoginOptions;

  constructor(options: LoginOptions) {
    this.#options = options;
  }

  /** Rejects with an Error for people when the identity provider cannot be found. */
  async begin(site: Site, { origin, returnTo }: LoginCall): Promise<LoginStart> {
    const { login } = site.config;
    const fits = returnTo.length <= LONGEST_RETURN && LOCAL_PATH.test(returnTo);
    const transaction: Transaction = {
      provider: site.name,
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      verifier: oauth.generateRandomCodeVerifier(),
      redirectUri: originOf(site, origin) + login.callback,
      returnTo: fits ? returnTo : login.after,
      startedAt: this.#options.now(),
    };
    const location = await this.#authorizationUrl(site, transaction);
    return { location, setCookie: await this.#options.transactions.keep(transaction) };
  }

  /** Never rejects because of what the browser or the identity provider sends, but when the store cannot be written. */
  async end(site: Site, call: CallbackCall): Promise<LoginEnd> {
    const { transactions, audit } = this.#options;
    const transaction = await transactions.recall(call.loginCookie, site.name);
    const outcome = transaction === null ? NOT_BEGUN : await this.#finish(site, transaction, call);
    if (typeof outcome !== 'string') {
      const { result, why } = outcome;
      audit({ event: 'session.login', result, provider: site.name, why });
      return { result, why, setCookies: [NO_LOGIN_COOKIE] };
    }
    const setCookies = [NO_LOGIN_COOKIE, sessionCookie(site.config.cookie, outcome)];
    return { result: 'ok', location: (transaction as Transaction).returnTo, setCookies };
  }

  async #authorizationUrl({ config, client, availability }: Site, transaction: Transaction): Promise<string> {
    const { clientId, scopes, parameters } = config.login;
    const endpoint = await this.#authorizationEndpoint({ client, availability });
    const url = new URL(endpoint);
    const ours = {
      client_id: clientId,
      response_type: 'code',
      redirect_uri: transaction.redirectUri,
      scope: [...new Set(['openid', ...scopes])].join(' '),
      state: transaction.state,
      nonce: transaction.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(transaction.verifier),
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries({ ...parameters, ...ours })) url.searchParams.set(name, value);
    return url.href;
  }

  async #authorizationEndpoint({
    client,
    availability,
  }: Pick<Site, 'client' | 'availability'>): Promise<string> {
    try {
      const { authorization_endpoint: endpoint } = await client.metadata();
      if (endpoint === undefined) throw new Error('the identity provider has no authorization_endpoint');
      availability.answered();
      return endpoint;
    } catch (error) {
      const { why } = troubleOf(error);
      availability.failed(why);
      throw new Error(why);
    }
  }

  /** Resolves with the session's cookie. */
  async #finish(
    site: Site,
    transaction: Transaction,
    { query, sid }: CallbackCall,
  ): Promise<string | Trouble> {
    const tokens = await this.#tokens(site, transaction, query);
    if ('result' in tokens) return tokens;
    const { sessions, now, audit } = this.#options;
    const user = claimOf(tokens.claims ?? {}, site.config.claims.user);
    if (user === null) return NO_USER;
    const at = now();
    const { idle, absolute } = site.config;
    const session: StoredSession = {
      provider: site.name,
      user,
      ...keptTokens(tokens, {}, at),
      issuedAt: at,
      lastSeenAt: at,
      idleUntil: at + Math.min(idle, absolute),
      absoluteUntil: at + absolute,
      family: randomBytes(16).toString('base64url'),
    };
    const fresh = await sessions.create(session);
    // The id from before the login may be known to others: it is of no use any more (session fixation).
    const before = sid === '' ? undefined : sessions.get(sessionId(sid));
    if (before?.provider === site.name) await sessions.removeFamily(before);
    audit({ event: 'session.login', result: 'ok', provider: site.name, user });
    return fresh;
  }

  async #tokens(site: Site, transaction: Transaction, query: string): Promise<Tokens | Trouble> {
    const { client, availability } = site;
    const { redirectUri, verifier, nonce, state } = transaction;
    try {
      const as = await client.metadata();
      const parameters = oauth.validateAuthResponse(as, client.client, new URLSearchParams(query), state);
      const tokens = await client.exchange({ parameters, redirectUri, verifier, nonce });
      availability.answered();
      return tokens;
    } catch (error) {
      const trouble = troubleOf(error);
      if (trouble.result === 'unavailable') availability.failed(trouble.why);
      return trouble;
    }
  }
}

const NOT_BEGUN: Trouble = { result: 'refused', code: '', why: 'the login was not begun by this browser' };
const NO_USER: Trouble = { result: 'refused', code: '', why: 'the ID token does not name the user' };

/** `path` may go into mappings with dots. null: no text, or one that is too long. */
function claimOf(claims: Readonly<Record<string, unknown>>, path: string): string | null {
  let found: unknown = claims;
  for (const name of Object.hasOwn(claims, path) ? [path] : path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return null;
    found = (found as Record<string, unknown>)[name];
  }
  return typeof found === 'string' && found !== '' && Buffer.byteLength(found) <= LONGEST_USER ? found : null;
}
