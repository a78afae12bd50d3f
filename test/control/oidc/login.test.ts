import { expect, test } from 'vitest';
import { createKey, encode, signature } from '../../harness/issuer-keys.ts';
import { MINUTE, ORIGIN, openSite, SECOND, type Site } from './site.ts';

const CLEARED = '__Host-sluice-login=; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0';

test('sends the browser to the issuer, with PKCE, state and nonce, and keeps them sealed in a cookie', async () => {
  const site = await openSite({
    login: { scopes: ['openid', 'profile'], parameters: { prompt: 'login', state: 'x' } },
  });
  const { location, setCookie } = await begin(site);
  const url = new URL(location);
  expect(url.origin).toBe(site.issuer.url);
  expect(Object.fromEntries(url.searchParams)).toEqual({
    client_id: 'sluice',
    response_type: 'code',
    redirect_uri: `${ORIGIN}/auth/callback`,
    scope: 'openid profile',
    state: expect.stringMatching(/^[\w-]{43}$/),
    nonce: expect.stringMatching(/^[\w-]{43}$/),
    code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    code_challenge_method: 'S256',
    prompt: 'login',
  });
  expect(setCookie).toMatch(
    /^__Host-sluice-login=[\w-]+; Path=\/; HttpOnly; Secure; SameSite=Lax; Max-Age=600$/,
  );
  expect(setCookie.length).toBeLessThan(4096);
});

test('leads to a session of the person, and back to where the login began', async () => {
  const site = await openSite();
  site.issuer.claims.set('alice', { roles: ['trader'], plan: 'gold' });
  const { end, sid } = await site.login({ returnTo: '/orders?page=2' });
  expect(end).toEqual({
    result: 'ok',
    location: '/orders?page=2',
    setCookies: [CLEARED, `__Host-sid=${sid}; Path=/; HttpOnly; Secure; SameSite=Lax`],
  });
  expect(sid).toMatch(/^[\w-]{43}$/);
  expect(site.session(sid)).toEqual({
    provider: 'web',
    user: 'alice',
    claims: expect.objectContaining({ sub: 'alice', roles: ['trader'], plan: 'gold', scope: 'openid' }),
    accessToken: expect.any(String),
    refreshToken: expect.any(String),
    idToken: expect.stringMatching(/^ey/),
    accessExpiresAt: site.clock + 3600 * SECOND,
    tokensAt: site.clock,
    issuedAt: site.clock,
    lastSeenAt: site.clock,
    idleUntil: site.clock + 30 * MINUTE,
    absoluteUntil: site.clock + 12 * 60 * MINUTE,
    family: expect.any(String),
  });
  expect([...site.store.list('user-session')].map(([id]) => id)).toEqual([`web:alice:${site.sessions()[0]}`]);
  expect(site.audit).toEqual([{ event: 'session.login', result: 'ok', provider: 'web', user: 'alice' }]);
});

test('stores no cookie value', async () => {
  const site = await openSite();
  const { sid } = await site.login();
  expect(JSON.stringify([...site.store.list('session'), ...site.store.list('user-session')])).not.toContain(
    sid,
  );
});

test('gives the browser another session id at each login, and ends the one it had', async () => {
  const site = await openSite();
  const jar = new Map();
  const first = await site.login({ jar });
  const second = await site.login({ jar, sid: first.sid });
  expect(second.sid).not.toBe(first.sid);
  expect(site.session(first.sid)).toBeUndefined();
  expect(site.session(second.sid)?.user).toBe('alice');
  expect((await site.refresh(second.sid)).result).toBe('ok');
});

test('does not adopt a session id that somebody has planted', async () => {
  const site = await openSite();
  const planted = 'A'.repeat(43);
  const { sid } = await site.login({ sid: planted });
  expect(sid).not.toBe(planted);
  expect(site.session(planted)).toBeUndefined();
});

test('leaves the session of another provider alone', async () => {
  const site = await openSite();
  const { sid } = await site.login();
  const { location, setCookie } = await site.oidc.login({ provider: 'other', origin: ORIGIN, returnTo: '/' });
  const back = await site.issuer.visit(location);
  const loginCookie = /=([^;]+)/.exec(setCookie)?.[1] as string;
  const call = { provider: 'other', origin: ORIGIN, query: back.search.slice(1), loginCookie, sid };
  expect((await site.oidc.callback(call)).result).toBe('ok');
  expect(site.session(sid)).toBeDefined();
});

test.each([
  'https://evil.example.com/',
  '//evil.example.com',
  '/\\evil.example.com',
  '/\t/evil.example.com',
  '/a\r\nset-cookie: x=y',
  'app',
  '',
  `/${'a'.repeat(1024)}`,
])('does not lead to %j after a login', async (returnTo) => {
  const site = await openSite({ login: { after: '/home' } });
  expect((await site.login({ returnTo })).end).toMatchObject({ result: 'ok', location: '/home' });
});

test('takes the origin of the configuration, whatever the request says', async () => {
  const site = await openSite({ login: { origin: 'https://front.example.com', callback: '/cb' } });
  const { location } = await begin(site);
  expect(new URL(location).searchParams.get('redirect_uri')).toBe('https://front.example.com/cb');
});

test('can be ended by another machine that has the same store', async () => {
  const site = await openSite();
  const other = await openSite({ beside: site });
  const { location, setCookie } = await begin(site);
  const back = await site.issuer.visit(location);
  expect((await other.finish(back.search.slice(1), setCookie)).result).toBe('ok');
});

test.each<[string, (query: URLSearchParams) => void]>([
  ['another state', (query) => query.set('state', 'A'.repeat(43))],
  ['no state', (query) => query.delete('state')],
  ['two states', (query) => query.append('state', query.get('state') as string)],
  ['another issuer', (query) => query.set('iss', 'https://evil.example.com')],
  ['no issuer', (query) => query.delete('iss')],
  ['another code', (query) => query.set('code', 'stolen')],
  ['no code', (query) => query.delete('code')],
])('refuses a callback with %s', async (_, change) => {
  const site = await openSite();
  const { location, setCookie } = await begin(site);
  const query = (await site.issuer.visit(location)).searchParams;
  change(query);
  expect(await site.finish(query.toString(), setCookie)).toMatchObject({
    result: 'refused',
    setCookies: [CLEARED],
  });
  expect(site.sessions()).toEqual([]);
  expect(site.audit).toMatchObject([{ event: 'session.login', result: 'refused', provider: 'web' }]);
});

test('refuses a callback that this browser has not begun', async () => {
  const site = await openSite();
  const mine = await begin(site);
  const theirs = await begin(site);
  const query = (await site.issuer.visit(theirs.location)).search.slice(1);
  for (const cookie of ['x=', 'x=garbage', `x=${'A'.repeat(400)}`, mine.setCookie]) {
    expect((await site.finish(query, cookie)).result).toBe('refused');
  }
  expect(site.sessions()).toEqual([]);
});

test('refuses a login cookie with a changed byte, and one of another provider', async () => {
  const site = await openSite();
  const { location, setCookie } = await begin(site);
  const query = (await site.issuer.visit(location)).search.slice(1);
  const changed = setCookie.replace(/=(.{20})./, (all, head) => `=${head}${all.at(-1) === 'A' ? 'B' : 'A'}`);
  expect((await site.finish(query, changed)).result).toBe('refused');
  const loginCookie = /=([^;]+)/.exec(setCookie)?.[1] as string;
  const call = { provider: 'other', origin: ORIGIN, query, loginCookie, sid: '' };
  expect((await site.oidc.callback(call)).result).toBe('refused');
});

test('refuses a login that took ten minutes', async () => {
  const site = await openSite();
  const { location, setCookie } = await begin(site);
  const query = (await site.issuer.visit(location)).search.slice(1);
  site.clock += 10 * MINUTE;
  expect((await site.finish(query, setCookie)).result).toBe('refused');
});

test('refuses the same callback for the second time', async () => {
  const site = await openSite();
  const { location, setCookie } = await begin(site);
  const query = (await site.issuer.visit(location)).search.slice(1);
  expect((await site.finish(query, setCookie)).result).toBe('ok');
  expect(await site.finish(query, setCookie)).toMatchObject({
    result: 'refused',
    why: expect.stringContaining('invalid_grant'),
  });
});

test('refuses when the person does', async () => {
  const site = await openSite();
  site.issuer.user = null;
  const { end } = await site.login();
  expect(end).toMatchObject({ result: 'refused', why: 'the identity provider says access_denied' });
});

type Claims = Record<string, unknown>;

test.each<[string, (claims: Claims) => Claims]>([
  ['of another login', (claims) => ({ ...claims, nonce: 'another' })],
  ['for another client', (claims) => ({ ...claims, aud: 'another' })],
  ['of another issuer', (claims) => ({ ...claims, iss: 'https://evil.example.com' })],
  ['that has expired', (claims) => ({ ...claims, exp: Math.floor(Date.now() / 1000) - 31 })],
  ['without a subject', ({ sub: _, ...claims }) => claims],
])('refuses an ID token %s', async (_, change) => {
  const site = await openSite();
  expect((await loginWith(site, change)).result).toBe('refused');
  expect(site.sessions()).toEqual([]);
});

test('refuses an ID token that is signed with a key the issuer does not have', async () => {
  const site = await openSite();
  const { kid } = site.issuer.key('RS256');
  expect((await loginWith(site, (claims) => claims, { ...createKey('RS256'), kid })).result).toBe('refused');
  expect((await loginWith(site, (claims) => claims)).result).toBe('ok');
});

test('verifies an ID token by a key that is newer than the keys it knows', async () => {
  const site = await openSite();
  await site.login();
  site.issuer.rotate();
  expect((await site.login()).end.result).toBe('ok');
});

test('refuses a person without the claim that names the user', async () => {
  const site = await openSite({ session: { claims: { user: 'account.id' } } });
  expect((await site.login()).end).toMatchObject({
    result: 'refused',
    why: 'the ID token does not name the user',
  });
});

test.each([
  ['is gone', { cut: true }],
  ['is out of order', { status: 503 }],
  ['sends no JSON', { body: '<html>' }],
  ['sends a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1' } }],
  ['does not know the client', { status: 401, body: '{"error":"invalid_client"}' }],
])('says that a login cannot be had when the token endpoint %s', async (_, fault) => {
  const site = await openSite();
  const { location, setCookie } = await begin(site);
  const query = (await site.issuer.visit(location)).search.slice(1);
  site.issuer.faults.set('/token', fault);
  const end = await site.finish(query, setCookie);
  expect(end).toMatchObject({ result: 'unavailable', setCookies: [CLEARED] });
  expect(site.log).toMatchObject([{ level: 'warn', message: 'identity provider gives no usable answer' }]);
});

test('tells why a login cannot begin, and heals', async () => {
  const site = await openSite();
  await site.issuer.down();
  await expect(begin(site)).rejects.toThrow('no connection: ECONNREFUSED');
  await expect(begin(site)).rejects.toThrow('no connection');
  await site.issuer.up();
  await begin(site);
  expect(site.log.map(({ level }) => level)).toEqual(['warn', 'info']);
});

test('asks for the endpoints once for many, and again after an hour', async () => {
  const site = await openSite();
  const discovery = '/.well-known/openid-configuration';
  await Promise.all([begin(site), begin(site), begin(site)]);
  expect(site.issuer.hitsOf(discovery)).toBe(1);
  site.clock += 60 * MINUTE;
  site.issuer.faults.set(discovery, { status: 500 });
  await begin(site);
  expect(site.issuer.hitsOf(discovery)).toBe(2);
});

test('rejects for providers it does not have', async () => {
  const site = await openSite();
  site.oidc.follow({ ...site.config, providers: {} });
  await expect(begin(site)).rejects.toThrow('there is no session provider "web"');
});

function begin(site: Site, returnTo = '/app') {
  return site.oidc.login({ provider: 'web', origin: ORIGIN, returnTo });
}

/** A login whose ID token the test has made. */
async function loginWith(site: Site, change: (claims: Claims) => Claims, key = site.issuer.key('RS256')) {
  const { location, setCookie } = await begin(site);
  const nonce = new URL(location).searchParams.get('nonce');
  const query = (await site.issuer.visit(location)).search.slice(1);
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: site.issuer.url, sub: 'alice', aud: 'sluice', iat: now, exp: now + 60, nonce };
  const signed = `${encode({ alg: 'RS256', kid: key.kid })}.${encode(change(claims))}`;
  const tokens = { access_token: 'a', token_type: 'bearer', id_token: `${signed}.${signature(signed, key)}` };
  site.issuer.faults.set('/token', { body: JSON.stringify(tokens) });
  return await site.finish(query, setCookie);
}
