/** Browsers that log in at an issuer (code flow with PKCE) and what pages and programs get before and after. */
import { describe, expect, it } from 'vitest';
import { openSite } from './browser.ts';
import { guarded, HS256, tokenOf } from './premises.ts';

describe('somebody without a session', () => {
  it('who opens a page is sent to the login, with state, nonce and PKCE', async () => {
    const { issuer, browser, premises } = await openSite({ login: { scopes: ['openid', 'profile'] } });
    const alice = browser();
    const { status, headers } = await alice.open('/app?x=1');
    expect(status).toBe(302);
    expect(headers['cache-control']).toBe('no-store');
    const location = new URL(headers.location as string);
    expect(location.origin + location.pathname).toBe(`${issuer.url}/auth`);
    const query = Object.fromEntries(location.searchParams);
    expect(query).toMatchObject({
      client_id: 'sluice',
      response_type: 'code',
      scope: 'openid profile',
      code_challenge_method: 'S256',
      redirect_uri: `${premises.gateway.url}/auth/callback`,
    });
    for (const name of ['state', 'nonce', 'code_challenge']) expect(query[name].length).toBeGreaterThan(20);
    const cookie = alice.setCookies.get('__Host-sluice-login') as string;
    for (const attribute of ['HttpOnly', 'Secure', 'SameSite=Lax', 'Path=/', 'Max-Age=600']) {
      expect(cookie).toContain(attribute);
    }
    expect(cookie).not.toContain(query.state);
    expect(premises.seen).toEqual([]);
  });

  it.each<[string, string, Record<string, string>]>([
    ['calls an API', 'GET', { accept: 'application/json' }],
    ['takes anything', 'GET', { accept: '*/*' }],
    ['says nothing', 'GET', {}],
    ['is a script that takes HTML', 'GET', { accept: 'text/html', 'sec-fetch-mode': 'cors' }],
    ['sends a form', 'POST', { accept: 'text/html', 'sec-fetch-mode': 'navigate' }],
  ])('who %s gets 401', async (_, method, headers) => {
    const { premises } = await openSite();
    const answer = await premises.refusal('/app', { method, headers });
    expect(answer).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
  });

  it('who has another credential needs no login', async () => {
    const { issuer, browser, premises } = await openSite();
    const web = { type: 'session', login: { issuer: issuer.url, clientId: 'sluice' } };
    const callback = { name: 'callback', match: { path: '/auth/callback' }, builtin: 'callback' };
    await premises.reconfigure({
      auth: { providers: { web, ours: HS256 } },
      routes: [callback, guarded('/app', ['ours', 'web']), guarded('/optional', ['web', 'anonymous'])],
    });
    const page = { accept: 'text/html' };
    expect((await premises.pass('/app', { token: tokenOf(), headers: page })).headers['x-user-id']).toBe(
      'alice',
    );
    expect((await premises.ask('/app', { token: 'bad', headers: page })).status).toBe(302);
    expect((await browser().open('/optional')).status).toBe(200);
  });

  it('is told 503 when the issuer is away', async () => {
    const { issuer, browser } = await openSite();
    await issuer.down();
    expect(await browser().open('/app')).toMatchObject({ status: 503, json: { code: 'AUTH_UNAVAILABLE' } });
    await issuer.up();
    expect(await browser().login()).toBe('/app');
  });
});

describe('a login', () => {
  it('leads back to where it began, and gives a session that services are told of', async () => {
    const { issuer, browser, premises } = await openSite();
    issuer.claims.set('alice', { roles: ['trader', 'viewer'] });
    const alice = browser();
    expect(await alice.login('/app?x=1&y=%2F')).toBe('/app?x=1&y=%2F');
    const cookie = alice.setCookies.get('__Host-sid') as string;
    for (const attribute of ['HttpOnly', 'Secure', 'SameSite=Lax', 'Path=/'])
      expect(cookie).toContain(attribute);
    expect(cookie).not.toMatch(/Domain|Max-Age|Expires/i);
    expect(alice.cookies.has('__Host-sluice-login')).toBe(false);

    expect((await alice.open('/app', { headers: { 'x-a': '1' } })).status).toBe(200);
    const { headers } = premises.seen[0];
    expect(headers).toMatchObject({
      'x-auth-method': 'session',
      'x-user-id': 'alice',
      'x-user-roles': 'trader,viewer',
      'x-a': '1',
    });
    expect(headers).not.toHaveProperty('cookie');
    expect(headers).not.toHaveProperty('authorization');
  });

  it('leaves other cookies to the service', async () => {
    const { browser, premises } = await openSite();
    const alice = browser();
    await alice.login();
    alice.cookies.set('theme', 'dark');
    await alice.open('/app');
    expect(premises.seen[0].headers.cookie).toBe('theme=dark');
  });

  it('begins at builtin: login too, and ends where return_to says', async () => {
    const { browser } = await openSite({ login: { after: '/home' } });
    expect(await browser().login('/auth/login?return_to=%2Fapp%3Fx%3D1')).toBe('/app?x=1');
    expect(await browser().login('/auth/login')).toBe('/home');
  });

  it('asks for what the configuration adds, and comes back to its origin', async () => {
    const login = { origin: 'https://app.example.com', parameters: { ui_locales: 'de' } };
    const { browser } = await openSite({ login });
    const location = new URL((await browser().open('/app')).headers.location as string);
    expect(location.searchParams.get('ui_locales')).toBe('de');
    expect(location.searchParams.get('redirect_uri')).toBe('https://app.example.com/auth/callback');
  });

  it('of a person who refuses is refused', async () => {
    const { issuer, browser, premises } = await openSite();
    issuer.user = null;
    const alice = browser();
    const back = await alice.comeBack(await alice.open('/app'));
    expect(back).toMatchObject({ status: 400, json: { code: 'LOGIN_REFUSED' } });
    expect(alice.sid).toBeUndefined();
    await premises.audited({ event: 'session.login', result: 'refused' });
  });

  it('changes the session id, and the old one is dead', async () => {
    const { browser } = await openSite();
    const alice = browser();
    await alice.login();
    const before = alice.sid as string;
    await alice.login('/auth/login');
    expect(alice.sid).not.toBe(before);
    const thief = browser();
    thief.cookies.set('__Host-sid', before);
    expect((await thief.call('/app')).status).toBe(401);
    expect((await alice.call('/app')).status).toBe(200);
  });

  it('is no business of another browser', async () => {
    const { issuer, browser } = await openSite();
    const [alice, bob] = [browser(), browser()];
    await alice.login();
    issuer.user = 'bob';
    await bob.login();
    expect((await alice.call('/auth/session')).json.user).toBe('alice');
    expect((await bob.call('/auth/session')).json.user).toBe('bob');
  });

  it('works on either of two workers, and what one began the other ends', async () => {
    const { browser } = await openSite({ config: { workers: 2 } });
    for (let i = 0; i < 6; i++) {
      const alice = browser();
      await alice.login();
      const answers = await Promise.all(Array.from({ length: 8 }, () => alice.call('/app')));
      expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    }
  });
});

describe('builtin: session', () => {
  it('tells a page who is logged in, and 401 when nobody is', async () => {
    const { issuer, browser } = await openSite({ session: { absolute: '1h' } });
    issuer.claims.set('alice', { roles: ['trader'] });
    const alice = browser();
    expect(await alice.call('/auth/session')).toMatchObject({
      status: 401,
      json: { code: 'UNAUTHENTICATED' },
    });
    await alice.login();
    const { json, headers } = await alice.call('/auth/session');
    expect(json).toMatchObject({ user: 'alice', roles: ['trader'] });
    expect(headers['cache-control']).toBe('no-store');
    expect(Date.parse(json.ends_at)).toBeGreaterThan(Date.now());
    expect(JSON.stringify(json)).not.toMatch(/token/);
    expect((await alice.call('/auth/session', { method: 'POST' })).status).toBe(405);
  });
});

describe('two session providers', () => {
  it('have cookies, logins and users of their own', async () => {
    const { issuer, browser, premises } = await openSite();
    const login = {
      issuer: issuer.url,
      clientId: 'sluice',
      clientSecret: 'a-secret-of-the-client-that-is-long-enough',
    };
    const staff = {
      type: 'session',
      cookie: '__Host-staff',
      login: { ...login, callback: '/staff/callback' },
    };
    const on = (name: string, action: string, path: string, provider: string) => ({
      name,
      match: { path },
      builtin: { action, provider },
    });
    const { status } = await premises.reconfigure({
      auth: { providers: { web: { type: 'session', login }, staff } },
      routes: [
        on('a', 'callback', '/auth/callback', 'web'),
        on('b', 'callback', '/staff/callback', 'staff'),
        on('c', 'session', '/auth/session', 'web'),
        on('d', 'session', '/staff/session', 'staff'),
        guarded('/app', 'web'),
        guarded('/staff', 'staff'),
      ],
    });
    expect(status).toBe(200);
    const alice = browser();
    await alice.login('/app');
    expect((await alice.call('/staff')).status).toBe(401);
    await alice.login('/staff');
    expect((await alice.call('/staff')).status).toBe(200);
    expect((await alice.call('/app')).status).toBe(200);
    // The cookie of one is nothing to the other.
    const value = alice.sid as string;
    alice.cookies.set('__Host-staff', value);
    expect((await alice.call('/staff')).status).toBe(401);
  });
});

describe('forwardToken', () => {
  it('gives the service the access token, which the browser never sees', async () => {
    const { browser, premises } = await openSite({ session: { forwardToken: true } });
    const alice = browser();
    await alice.login();
    await alice.call('/app', { headers: { authorization: 'Bearer of-the-client' } });
    const { rawHeaders } = premises.seen[0];
    const values = rawHeaders.filter((_, i) => rawHeaders[i - 1]?.toLowerCase() === 'authorization');
    expect(values).toHaveLength(1);
    expect(values[0]).toMatch(/^Bearer (?!of-the-client)\S{20,}$/);
  });

  it('does so when another way in has to succeed, too', async () => {
    const { issuer, browser, premises } = await openSite({ session: { forwardToken: true } });
    const login = {
      issuer: issuer.url,
      clientId: 'sluice',
      clientSecret: 'a-secret-of-the-client-that-is-long-enough',
    };
    const callback = { name: 'callback', match: { path: '/auth/callback' }, builtin: 'callback' };
    await premises.reconfigure({
      auth: {
        providers: { web: { type: 'session', forwardToken: true, login }, partners: { type: 'apiKey' } },
      },
      routes: [callback, guarded('/app', 'web'), guarded('/both', { allOf: ['web', 'partners'] })],
    });
    const { key } = (await premises.change('POST', '/keys', { consumer: 'acme' })).body;
    const alice = browser();
    await alice.login();
    expect((await alice.call('/both', { key })).status).toBe(200);
    expect(premises.seen[premises.seen.length - 1].headers.authorization).toMatch(/^Bearer \S{20,}$/);
  });
});
