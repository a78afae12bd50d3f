/** What becomes of sessions: renewed, used, forgotten, ended by their owners, by operators and by the issuer. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { startGateway } from '../harness/gateway.ts';
import { type Browser, expectLoggedOut, openSite } from './browser.ts';
import { type Premises, settles, sluice } from './premises.ts';

const TWO_WORKERS = { workers: 2 };

describe('refresh', () => {
  it('gives a new session id; the old one leads on for requests under way', async () => {
    const { browser, issuer } = await openSite({ config: TWO_WORKERS });
    const alice = browser();
    await alice.login();
    const before = alice.sid as string;
    const { status, json, headers } = await alice.post('/auth/refresh');
    expect(status).toBe(200);
    expect(headers['cache-control']).toBe('no-store');
    expect(Date.parse(json.ends_at)).toBeGreaterThan(Date.parse(json.idle_until));
    expect(alice.sid).not.toBe(before);
    for (const attribute of ['HttpOnly', 'Secure', 'SameSite=Lax']) {
      expect(alice.setCookies.get('__Host-sid')).toContain(attribute);
    }
    await settles(() => alice.call('/app'), 200);
    const late = browser();
    late.cookies.set('__Host-sid', before);
    expect((await late.call('/app')).status).toBe(200);
    // Tokens that have just come are not renewed.
    expect(issuer.hitsOf('/token')).toBe(1);
  });

  it('at once from many pages of a browser gives them all the same', async () => {
    const { browser } = await openSite({ config: TWO_WORKERS });
    const alice = browser();
    await alice.login();
    const answers = await Promise.all(Array.from({ length: 10 }, () => alice.post('/auth/refresh')));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    const sids = new Set(answers.flatMap(({ headers }) => headers['set-cookie']?.[0].split(';')[0] ?? ''));
    expect(sids.size).toBe(1);
    expect((await alice.call('/app')).status).toBe(200);
  });

  it('wants a session, and POST', async () => {
    const { browser } = await openSite();
    const nobody = browser();
    expect(await nobody.post('/auth/refresh')).toMatchObject({
      status: 401,
      json: { code: 'UNAUTHENTICATED' },
    });
    nobody.cookies.set('__Host-sid', 'A'.repeat(43));
    expect(await nobody.post('/auth/refresh')).toMatchObject({
      status: 401,
      json: { code: 'INVALID_SESSION' },
    });
    const { status, headers } = await nobody.open('/auth/refresh');
    expect({ status, allow: headers.allow }).toEqual({ status: 405, allow: 'POST' });
  });
});

describe('an access token that expires', () => {
  const SHORT = { issuer: { accessTokenSeconds: 6 }, session: { forwardToken: true } };
  const tokensSeen = ({ seen }: Premises) => new Set(seen.map(({ headers }) => headers.authorization));

  it('is renewed once for many requests on two workers', async () => {
    const { issuer, browser, premises } = await openSite({ ...SHORT, config: TWO_WORKERS });
    const alice = browser();
    await alice.login();
    const burst = async () => {
      const answers = await Promise.all(Array.from({ length: 16 }, () => alice.call('/app')));
      expect(answers.map(({ status }) => status)).toEqual(Array(16).fill(200));
      return tokensSeen(premises).size > 1;
    };
    await eventually(burst, { withinMs: 12_000, everyMs: 100 });
    expect(tokensSeen(premises).size).toBe(2);
    expect(issuer.hitsOf('/token')).toBe(2); // one for the code
  });

  it('ends the session when the issuer does not renew it any more', async () => {
    const { issuer, browser, premises } = await openSite(SHORT);
    const alice = browser();
    await alice.login();
    issuer.forget();
    const ended = async () => (await alice.call('/app')).status === 401;
    await eventually(ended, { withinMs: 12_000, everyMs: 100 });
    expect(await premises.audited({ event: 'session.ended' })).toMatchObject({
      user: 'alice',
      provider: 'web',
    });
    expect((await alice.open('/app')).status).toBe(302);
  });

  it('leaves the session alone while the issuer is down, and is renewed when it is back', async () => {
    const { issuer, browser, premises } = await openSite(SHORT);
    const alice = browser();
    await alice.login();
    await alice.call('/app');
    await issuer.down();
    const unavailable = async () => (await alice.call('/app')).status === 503;
    await eventually(unavailable, { withinMs: 12_000, everyMs: 100 });
    await issuer.up();
    const back = async () => (await alice.call('/app')).status === 200;
    await eventually(back, { withinMs: 12_000, everyMs: 100 });
    expect(tokensSeen(premises).size).toBe(2);
  });
});

describe('time', () => {
  it('ends a session that nobody uses, and not one that is used', async () => {
    const { browser } = await openSite({ session: { idle: '3s' } });
    const [busy, idle] = [browser(), browser()];
    await busy.login();
    await idle.login();
    const startedAt = Date.now();
    const longAfter = async () => {
      expect((await busy.call('/app')).status).toBe(200);
      return Date.now() - startedAt > 6500;
    };
    await eventually(longAfter, { withinMs: 12_000, everyMs: 100 });
    await expectLoggedOut(idle);
  });

  it('ends every session at last', async () => {
    const { browser, premises } = await openSite({ session: { idle: '2s', absolute: '3s' } });
    const alice = browser();
    await alice.login();
    const startedAt = Date.now();
    const ended = async () => (await alice.call('/app')).status === 401;
    await eventually(ended, { withinMs: 8000, everyMs: 100 });
    expect(Date.now() - startedAt).toBeGreaterThan(2500);
    expect((await premises.audited({ event: 'auth.refused' })).reason).toMatch(/expired|unknown/);
    expect((await alice.post('/auth/refresh')).status).toBe(401);
  });
});

describe('logout', () => {
  it('ends the session everywhere: here on both workers, at the issuer, and in the browser', async () => {
    const { issuer, browser, premises } = await openSite({
      config: TWO_WORKERS,
      login: { afterLogout: '/bye' },
    });
    const alice = browser();
    await alice.login();
    const twin = browser();
    twin.cookies.set('__Host-sid', alice.sid as string);
    await settles(() => twin.call('/app'), 200);

    const { status, json } = await alice.post('/auth/logout');
    expect(status).toBe(200);
    expect(alice.sid).toBeUndefined();
    expect(alice.setCookies.get('__Host-sid')).toContain('Max-Age=0');
    expect(await settles(() => twin.call('/app'), 401)).toBeLessThan(1000);

    const location = new URL(json.location);
    expect(location.origin).toBe(issuer.url);
    const after = await issuer.visit(location.href, alice.atIssuer);
    expect(after.href).toMatch(new RegExp(`^${premises.gateway.url}/bye`));
    await eventually(() => issuer.hitsOf('/token/revocation') > 0);
    expect(await premises.audited({ event: 'session.logout' })).toMatchObject({ user: 'alice' });
  });

  it('of a form leads to the issuer by a redirect', async () => {
    const { browser, issuer } = await openSite();
    const alice = browser();
    await alice.login();
    const headers = { 'sec-fetch-site': 'same-origin' };
    const { status, headers: fields } = await alice.open('/auth/logout', { method: 'POST', headers });
    expect(status).toBe(303);
    expect(fields.location).toContain(`${issuer.url}/session/end`);
  });

  it('ends here when the issuer has no logout, or there is no session', async () => {
    const { browser } = await openSite({ issuer: { logout: false }, login: { afterLogout: '/bye' } });
    const alice = browser();
    expect(await alice.post('/auth/logout')).toMatchObject({ status: 200, json: { location: '/bye' } });
    await alice.login();
    const { json } = await alice.post('/auth/logout');
    expect(json.location).toMatch(/\/bye$/);
    await expectLoggedOut(alice);
    expect((await alice.open('/auth/logout')).status).toBe(405);
  });

  it('ends one session of a person, not the other', async () => {
    const { browser } = await openSite();
    const [phone, desk] = [browser(), browser()];
    await phone.login();
    await desk.login();
    await phone.post('/auth/logout');
    expect((await desk.call('/app')).status).toBe(200);
  });

  it('works while the issuer is down', async () => {
    const { browser, issuer } = await openSite();
    const alice = browser();
    await alice.login();
    const twin = browser();
    twin.cookies.set('__Host-sid', alice.sid as string);
    await issuer.down();
    expect((await alice.post('/auth/logout')).status).toBe(200);
    await eventually(async () => (await twin.call('/app')).status === 401);
  });
});

describe('revocation of all that a user has', () => {
  async function threeBrowsers() {
    const site = await openSite({ config: TWO_WORKERS });
    const [phone, desk, bob] = [site.browser(), site.browser(), site.browser()];
    await phone.login();
    await desk.login();
    site.issuer.user = 'bob';
    await bob.login();
    for (const one of [phone, desk, bob]) await settles(() => one.call('/app'), 200);
    return { ...site, phone, desk, bob };
  }

  async function expectGone(browsers: Browser[]): Promise<void> {
    const gone = browsers.map((one) => settles(() => one.call('/app'), 401));
    for (const ms of await Promise.all(gone)) expect(ms).toBeLessThan(1000);
  }

  it('by the admin API ends all sessions on every worker within a second', async () => {
    const { premises, issuer, phone, desk, bob } = await threeBrowsers();
    const { status, body } = await premises.change('POST', '/revocations', {
      user: 'alice',
      provider: 'web',
    });
    expect({ status, sessions: body.sessions }).toEqual({ status: 201, sessions: 2 });
    await expectGone([phone, desk]);
    expect((await bob.call('/app')).status).toBe(200);
    expect((await phone.post('/auth/refresh')).status).toBe(401);
    await premises.audited({ event: 'admin.user.revoke', user: 'alice', sessions: 2 });
    issuer.user = 'alice';
    phone.atIssuer.clear();
    await phone.login();
    expect((await phone.call('/app')).status).toBe(200);
  });

  it('by the command line does the same', async () => {
    const { premises, phone, desk, bob } = await threeBrowsers();
    const args = ['--user', 'alice', '--provider', 'web', '-c', premises.gateway.file];
    expect(await sluice('revoke', ...args)).toMatchObject({ code: 0 });
    await expectGone([phone, desk]);
    expect((await bob.call('/app')).status).toBe(200);
  });
});

it('a session outlives a restart of the gateway, and a worker that dies', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-access-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'sluice.yaml');
  const { browser, premises } = await openSite({ config: TWO_WORKERS, file });
  const alice = browser();
  await alice.login();
  for (const pid of await premises.gateway.workerPids()) process.kill(pid, 'SIGKILL');
  await eventually(async () => (await alice.call('/app').catch(() => null))?.status === 200);
  await premises.gateway.stop();
  const again = await startGateway(null, { file });
  alice.url = again.url;
  expect((await alice.call('/app')).status).toBe(200);
  expect((await alice.post('/auth/refresh')).status).toBe(200);
});
