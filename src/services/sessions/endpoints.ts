/** The answers of `builtin:` routes: login, callback, refresh, logout, who am I, and our public key. */
import * as failures from '../../errors.js';
import type { Answer, Exchange } from '../../exchange.js';
import type { Stage, Verdict } from '../../pipeline.js';
import { decodeParameter, queryValue } from '../../template.js';
import type { Access, BuiltinAction } from '../access.js';
import { isIdentity, type Refusal } from '../identity.js';
import { cookieOf, sessionCookie } from './cookies.js';
import { originOf, type SessionProvider } from './session-provider.js';

/** A path of ours, not `//elsewhere.example`, and nothing a browser would take for that. */
const LOCAL_PATH = /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/;

const NO_STORE = ['cache-control', 'no-store'] as const;

/** Callers who are not let in: why, for the audit log and for them. */
type TurnAway = (x: Exchange, refusal: Refusal) => Verdict;

const MISSING: Refusal = { failure: failures.UNAUTHENTICATED, reason: 'missing' };
const ENDED: Refusal = { failure: failures.INVALID_SESSION, reason: 'ended' };
const FOREIGN: Refusal = { failure: failures.FORBIDDEN, reason: 'foreign' };
const UNAVAILABLE: Refusal = { failure: failures.AUTH_UNAVAILABLE, reason: 'unavailable' };

/** The stage behind a builtin of a session provider. */
export function sessionEndpoint(
  action: Exclude<BuiltinAction, 'keys'>,
  provider: SessionProvider,
  audit: Access['audit'],
): Stage {
  const turnAway: TurnAway = (x, { failure, reason }) => {
    if (failure.status === 401) x.challenge = provider.challenge;
    audit(x, { event: 'auth.refused', provider: provider.name, reason });
    return x.refuse(failure);
  };
  const stages: Record<typeof action, (x: Exchange) => Promise<Verdict>> = {
    login: (x) => login(x, provider),
    callback: (x) => callback(x, provider),
    refresh: (x) => refresh(x, provider, turnAway),
    logout: (x) => logout(x, provider, turnAway),
    session: (x) => session(x, provider, turnAway),
  };
  const allowed = action === 'refresh' || action === 'logout' ? ['POST'] : ['GET', 'HEAD'];
  const run = stages[action];
  return function answerBuiltin(x) {
    if (allowed.includes(x.method)) return run(x);
    x.allow = allowed;
    return x.refuse(failures.METHOD_NOT_ALLOWED);
  };
}

/** Publishes a key set (RFC 7517). */
export function keysEndpoint(jwks: string): Stage {
  const answer: Answer = {
    status: 200,
    headers: ['content-type', 'application/jwk-set+json', 'cache-control', 'public, max-age=300'],
    body: jwks,
  };
  return function answerKeys(x) {
    return x.answer(answer);
  };
}

async function login(x: Exchange, provider: SessionProvider): Promise<Verdict> {
  const wished = decodeParameter(queryValue(x.query, 'return_to'));
  const returnTo = LOCAL_PATH.test(wished) ? wished : provider.config.login.after;
  const answer = await provider.begin(x, returnTo);
  return answer === null ? x.refuse(failures.AUTH_UNAVAILABLE) : x.answer(answer);
}

async function callback(x: Exchange, provider: SessionProvider): Promise<Verdict> {
  const loginCookie = cookieOf(x, '__Host-sluice-login');
  const sid = cookieOf(x, provider.config.cookie);
  if (typeof loginCookie !== 'string' || typeof sid !== 'string') {
    return x.refuse(failures.DUPLICATE_CREDENTIALS);
  }
  const end = await provider
    .ask('callback', { origin: originOf(x, provider.config), query: x.query, loginCookie, sid })
    .catch(() => null);
  // A code in the address must not stay in logs and bookmarks: the query is gone with the redirect, or with the refusal.
  if (end?.result !== 'ok') {
    return x.refuse(end?.result === 'refused' ? failures.LOGIN_REFUSED : failures.AUTH_UNAVAILABLE);
  }
  return x.answer({
    status: 302,
    headers: ['location', end.location, ...NO_STORE, ...setCookies(end.setCookies)],
    body: '',
  });
}

async function refresh(x: Exchange, provider: SessionProvider, turnAway: TurnAway): Promise<Verdict> {
  if (isForeign(x, provider)) return turnAway(x, FOREIGN);
  const known = await provider.authenticate(x);
  if (known === null) return turnAway(x, MISSING);
  if (!isIdentity(known)) return turnAway(x, known);
  const sid = cookieOf(x, provider.config.cookie) as string;
  const renewed = await provider.ask('refreshSession', { sid, rotate: true }).catch(() => null);
  if (renewed?.result !== 'ok') {
    return turnAway(x, renewed?.result === 'ended' ? ENDED : UNAVAILABLE);
  }
  const { idleUntil, absoluteUntil } = renewed;
  const body = {
    idle_until: new Date(idleUntil).toISOString(),
    ends_at: new Date(absoluteUntil).toISOString(),
  };
  return x.answer(json(body, setCookies([sessionCookie(provider.config.cookie, renewed.sid)])));
}

async function logout(x: Exchange, provider: SessionProvider, turnAway: TurnAway): Promise<Verdict> {
  if (isForeign(x, provider)) return turnAway(x, FOREIGN);
  const { cookie, login } = provider.config;
  const sid = cookieOf(x, cookie);
  if (typeof sid !== 'string') return x.refuse(failures.DUPLICATE_CREDENTIALS);
  const origin = originOf(x, provider.config);
  // Without a session there is nothing to end: the browser is logged out either way.
  const end =
    sid === ''
      ? { location: login.afterLogout }
      : await provider.ask('logout', { sid, origin }).catch(() => null);
  if (end === null) return x.refuse(failures.AUTH_UNAVAILABLE);
  const gone = setCookies([sessionCookie(cookie, '')]);
  const { location } = end;
  if (!(x.header('accept') ?? '').includes('text/html')) return x.answer(json({ location }, gone));
  return x.answer({ status: 303, headers: ['location', location, ...NO_STORE, ...gone], body: '' });
}

async function session(x: Exchange, provider: SessionProvider, turnAway: TurnAway): Promise<Verdict> {
  const known = await provider.authenticate(x);
  if (known === null) return turnAway(x, MISSING);
  if (!isIdentity(known)) return turnAway(x, known);
  const { user, roles, scopes, expiresAt } = known;
  return x.answer(json({ user, roles, scopes, ends_at: new Date(expiresAt).toISOString() }, []));
}

/** `SameSite=Lax` keeps the cookie from other sites' forms; this keeps out pages of sibling domains, too. */
function isForeign(x: Exchange, provider: SessionProvider): boolean {
  const site = x.header('sec-fetch-site');
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const origin = x.header('origin');
  return origin !== undefined && origin !== originOf(x, provider.config);
}

function json(value: unknown, more: readonly string[]): Answer {
  return {
    status: 200,
    headers: ['content-type', 'application/json', ...NO_STORE, ...more],
    body: JSON.stringify(value),
  };
}

function setCookies(values: readonly string[]): string[] {
  return values.flatMap((value) => ['set-cookie', value]);
}
